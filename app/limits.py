"""How much one request, one client and one server may ask for: every bound in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ..mt.errors import ConfigError, DragomanError


class TooLargeError(DragomanError):
    """A request beyond a limit."""


@dataclass(frozen=True)
class Limits:
    """What is refused, and where.

    Attributes:
        body: bytes of a request, counted while it arrives.
        body_seconds: in which the whole body must have arrived.
        characters: of text in a request.
        segments: lines (or sentences of long lines) in a request.
        texts: entries of an array.
        context: characters of the text that precedes.
        instruction: characters of an instruction in words.
        beams: of a request's beam search.
        alternatives: further translations of a text.
        streams: translations shown while they are generated, at once and a model.
        requests: being answered at once; uploads that wait count too.
        file_jobs: files being translated at once.
        file_segments: texts in a file.
        files: translated files kept for download at once.
        file_seconds: for which they are kept.
        requests_per_minute, characters_per_minute: of one client; None is no limit.
    """

    body: int = 10 << 20
    body_seconds: float = 30.0
    characters: int = 200_000
    segments: int = 4096
    texts: int = 2048
    context: int = 4000
    instruction: int = 500
    beams: int = 8
    alternatives: int = 3
    streams: int = 2
    requests: int = 512
    file_jobs: int = 4
    file_segments: int = 10_000
    files: int = 100
    file_seconds: float = 1800.0
    requests_per_minute: int | None = None
    characters_per_minute: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value < (0 if name == "alternatives" else 1):
                raise ConfigError(f"`{name}` is {value}", where="limits", allowed="1 or more")
