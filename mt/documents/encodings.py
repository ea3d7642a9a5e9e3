"""Bytes to text and back without losing one: byte order marks set aside, encodings named or refused, never guessed."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from .records import Request

# UTF-32's first mark begins with UTF-16's, so it is looked for first.
_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Python's other codecs are no encodings of files, and some take quadratic time (idna, punycode).
_KNOWN = re.compile(
    r"utf-8|utf-(16|32)(-[lb]e)?|ascii|iso8859-\d+|cp\d+|koi8-[rtu]|mac-(?!arabic)\w+|tis-620|kz1048|ptcp154|hp-roman8"
    r"|gb2312|gbk|gb18030|big5|big5hkscs|shift_jis(x0213|_2004)?|euc_(jp|kr|jis_2004|jisx0213)|johab"
)
_CHARSET = re.compile(rb"Content-Type:[^\n\r]{0,200}?charset=([\w.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A file's text, and what turns it into the file's bytes again."""

    text: str
    encoding: str
    mark: bytes = b""

    def encode(self, text: str) -> bytes:
        """Text as this file holds it."""
        return self.mark + text.encode(self.encoding)

    def unwritable(self, text: str) -> str | None:
        """Why the text cannot be written in the file's encoding, or None."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError as error:
            character = text[error.start]
            shown = "a lone surrogate" if "\ud800" <= character <= "\udfff" else f"the character {character!r}"
            return f"{shown} (U+{ord(character):04X}) cannot be written in {self.encoding}, the encoding of the file"
        return None


def decode(request: Request, *, declared: str | None = None) -> DecodedText:
    """The text of a file: by the encoding asked for, else by its byte order mark, else as `declared` in the file, else UTF-8.

    Raises:
        CorpusError: not in that encoding, or an encoding that is not known or would not give the same bytes again.
    """
    data, asked = request.data, request.options.encoding
    mark, marked = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", None))
    wanted = _canonical(asked or declared or "utf-8", request)
    if marked is not None and (asked is None or marked.startswith(wanted)):
        wanted = marked
    else:
        mark = b""
    if wanted in ("utf-16", "utf-32"):
        raise request.error(f"{wanted} without a byte order mark", allowed=f"{wanted}-le or {wanted}-be by name")
    try:
        text = data[len(mark) :].decode(wanted)
        same = text.encode(wanted) == data[len(mark) :]
    except UnicodeDecodeError as error:
        raise _undecodable(request, wanted, error, mark) from None
    except UnicodeEncodeError:
        same = False
    if not same:
        raise request.error(f"{wanted} would not give the same bytes again", hint="convert the file to UTF-8")
    return DecodedText(text, wanted, mark)


def declared_charset(data: bytes) -> str | None:
    """What the header of a gettext catalogue says it is in; None where it does not, or only holds a template's place for it."""
    match = _CHARSET.search(data[:65_536])
    name = match[1].decode("ascii", "replace") if match else "CHARSET"
    return None if name.upper() == "CHARSET" else name


def _canonical(name: str, request: Request) -> str:
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        found = ""
    found = "utf-8" if found == "utf-8-sig" else found
    if not _KNOWN.fullmatch(found):
        raise request.error(f"{name[:40]!r} is no encoding of text files", allowed="utf-8, utf-16, cp1252, iso8859-2, koi8-r, gb18030 ...")
    return found


def _undecodable(request: Request, encoding: str, error: UnicodeDecodeError, mark: bytes) -> Exception:
    from ...eval.encodings import likely_encoding  # reading a file should not cost what evaluation imports

    line = request.data.count(b"\n", 0, len(mark) + error.start) + 1 if not encoding.startswith(("utf-16", "utf-32")) else None
    guess = likely_encoding(request.data) if encoding == "utf-8" else None
    return request.error(
        f"not valid {encoding}",
        line,
        allowed="UTF-8, UTF-16 with a byte order mark, or an encoding given by name",
        hint=f"it may be {guess}: say so if it is (encoding {guess})" if guess else "name its encoding, or convert it to UTF-8",
    )
