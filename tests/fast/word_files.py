"""Word documents and archives made for tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)


def made(change: Callable[[Any], object]) -> bytes:
    """What python-docx saves after a change to an empty document."""
    import docx

    document = docx.Document()
    change(document)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def archive(members: Mapping[str, bytes | str], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packed) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return stream.getvalue()


def body(content: str) -> str:
    """The main part of a document with this content."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\r\n<w:document xmlns:w="{W}" xmlns:r="urn:r" xmlns:mc="urn:mc"><w:body>'
        f"{content}</w:body></w:document>"
    )


def word(content: str) -> bytes:
    """The smallest document with this content."""
    return archive({"[Content_Types].xml": TYPES, "word/document.xml": body(content), "word/media/a.png": b"\x89PNG\0\1"})


def main_part(data: bytes) -> str:
    """The main part's content, without what `body` puts around it."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        text = opened.read("word/document.xml").decode()
    return text.partition("<w:body>")[2].rpartition("</w:body>")[0]
