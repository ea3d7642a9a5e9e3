"""The spelling of byte-level BPE: each of the 256 bytes is written as one printable character (Radford et al. 2019).

Printable bytes of Latin-1 stand for themselves; the other 68 are numbered from U+0100 on, in order.
"""

from __future__ import annotations

from functools import cache

_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))


@cache
def byte_characters() -> tuple[str, ...]:
    """The character of each byte, 0 to 255."""
    others = [byte for byte in range(256) if byte not in _PRINTABLE]
    shifted = {byte: chr(0x100 + place) for place, byte in enumerate(others)}
    return tuple(shifted.get(byte, chr(byte)) for byte in range(256))


@cache
def _byte_of() -> dict[str, int]:
    return {character: byte for byte, character in enumerate(byte_characters())}


def spelled(content: bytes) -> str:
    """Bytes in the vocabulary's spelling: a space is `Ġ`."""
    table = byte_characters()
    return "".join(table[byte] for byte in content)


def unspelled(piece: str) -> bytes | None:
    """The bytes of a piece; None for text that is not in this spelling (an added token stands as it is)."""
    table = _byte_of()
    try:
        return bytes(table[character] for character in piece)
    except KeyError:
        return None


def is_aligned(content: bytes) -> bool:
    """Whether bytes are whole characters, or a beginning of one character: what a piece may hold.

    A piece that ends inside a second character could be decoded, embedded or shown only together with whatever follows it.
    """
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start == 0 and error.reason == "unexpected end of data"
    return True
