"""Who may use the server: API keys for programs, users with passwords for the page. Only digests are kept, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..mt.errors import ConfigError

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_SHORTEST_KEY = 16
_SHORTEST_PASSWORD = 8


def digest(secret: str) -> str:
    """The SHA-256 of a key, as a key file may hold it behind `sha256:`."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Access:
    """Who is let in. Without keys and users everybody is.

    Attributes:
        keys: digest of each API key -> the name it goes by in the log and the rate limit.
        users: name -> digest of the password.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)

    @property
    def open_api(self) -> bool:
        """Whether the API asks for nothing."""
        return not self.keys and not self.users

    def key_name(self, key: str | None) -> str | None:
        """The name of an API key, None when it is none of ours. Every key is compared, so the time taken says nothing."""
        if not key:
            return None
        given, found = digest(key), None
        for known, name in self.keys.items():
            if hmac.compare_digest(known, given):
                found = name
        return found

    def user_name(self, authorization: str | None) -> str | None:
        """The user of an HTTP Basic `Authorization` header, None when name or password is wrong."""
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return None
        expected = self.users.get(name, digest("\0no such user"))
        return name if hmac.compare_digest(expected, digest(password)) and colon and name in self.users else None


def bearer(authorization: str | None) -> str | None:
    """The key in an `Authorization: Bearer KEY` header."""
    scheme, _, key = (authorization or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def read_keys(path: Path) -> dict[str, str]:
    """API keys from a file: one a line, `KEY` or `NAME KEY`; `sha256:DIGEST` may stand for a key; `#` begins a comment.

    Returns:
        Digest -> name (`key-N` for line N without one).

    Raises:
        ConfigError: no such file, no keys, a key that is too short to be one.
    """
    keys: dict[str, str] = {}
    for number, line in _lines(path):
        name, key = ([f"key-{number}", *line.split()])[-2:] if len(line.split()) <= 2 else ("", "")
        hashed = _DIGEST.fullmatch(key)
        if not hashed and len(key) < _SHORTEST_KEY:
            raise ConfigError(
                "not an API key",
                where=f"{path}:{number}",
                allowed=f"KEY or NAME KEY, with {_SHORTEST_KEY} characters or more without spaces",
            )
        keys[hashed[1] if hashed else digest(key)] = name
    if not keys:
        raise ConfigError("no API keys in it", where=path, hint='python -c "import secrets; print(secrets.token_urlsafe())"')
    return keys


def read_users(path: Path) -> dict[str, str]:
    """Users from a file: `USER:PASSWORD` a line; `USER:sha256:DIGEST` for one whose password shall not stand there.

    Returns:
        Name -> digest.

    Raises:
        ConfigError: no such file, no users, a line of another form, a password that is too short.
    """
    users: dict[str, str] = {}
    for number, line in _lines(path):
        name, _, password = line.partition(":")
        hashed = _DIGEST.fullmatch(password)
        if not name or (not hashed and len(password) < _SHORTEST_PASSWORD):
            allowed = f"USER:PASSWORD with a password of {_SHORTEST_PASSWORD} characters or more"
            raise ConfigError("not a user with a password", where=f"{path}:{number}", allowed=allowed)
        users[name] = hashed[1] if hashed else digest(password)
    if not users:
        raise ConfigError("no users in it", where=path, allowed="USER:PASSWORD, one a line")
    return users


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=path) from error
    return [(i, line.strip()) for i, line in enumerate(text.split("\n"), 1) if line.strip() and not line.lstrip().startswith("#")]
