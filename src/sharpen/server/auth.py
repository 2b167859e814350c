"""Keys, and addresses that are signed and expire.

A key is random and shown once; the file ``keys.json`` of the store keeps its SHA-256. A slow hash would add
nothing: nobody can guess 160 random bits.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sharpen.errors import NotFound, StoreError, UsageError
from sharpen.store.permissions import own_folder

FILE = "keys.json"
SCOPES = ("read", "agent", "admin")
KEY_BYTES = 20  # 40 letters, the fewest that the wandb client takes
URL_LIFE_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key.

    Attributes:
        id: What to call it, in lists and to revoke it.
        name: Whose it is, for people.
        scope: ``read``; ``agent``: also runs, files and sweeps; ``admin``: also steering and deletion.
        sha256: Of the key.
        created_at: Unix seconds.
    """

    id: str
    name: str
    scope: str
    sha256: str
    created_at: float

    def allows(self, scope: str) -> bool:
        """Return whether it may do what a scope may.

        >>> key = ApiKey("a", "", "agent", "", 0.0)
        >>> key.allows("read"), key.allows("admin")
        (True, False)
        """
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The keys of a store, and the secret that signs addresses.

    Attributes:
        home: The store's folder.
    """

    home: Path

    def all(self) -> list[ApiKey]:
        """Return every key, the oldest first."""
        return [ApiKey(**row) for row in self._read()["keys"]]

    def add(self, name: str = "", scope: str = "admin") -> str:
        """Make a key and return it; it is shown this once.

        Raises:
            UsageError: There is no such scope.
        """
        if scope not in SCOPES:
            raise UsageError(f"no scope {scope!r}; there are: {', '.join(SCOPES)}")
        key = secrets.token_hex(KEY_BYTES)
        new = ApiKey(secrets.token_hex(4), name, scope, _sha256(key), time.time())
        with _locked(self.home):
            content = self._read()
            self._write(content | {"keys": [*content["keys"], asdict(new)]})
        return key

    def remove(self, key_id: str) -> None:
        """Revoke a key: it is refused from now on.

        Raises:
            NotFound: There is none of this id.
        """
        with _locked(self.home):
            content = self._read()
            left = [row for row in content["keys"] if row["id"] != key_id]
            if len(left) == len(content["keys"]):
                raise NotFound(f"no key {key_id!r}: 'sharpen key ls' lists them")
            self._write(content | {"keys": left})

    def find(self, key: str) -> ApiKey | None:
        """Return what is kept of a key; None when it is none of this store."""
        digest = _sha256(key)
        try:
            file = (self.home / FILE).stat()
        except OSError:
            return None
        stamp = file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns
        matches = [
            candidate for candidate in _keys(self, stamp) if hmac.compare_digest(candidate.sha256, digest)
        ]
        return matches[0] if matches else None

    def secret(self) -> bytes:
        """Return what signs addresses; it outlives the process, as the addresses must."""
        with _locked(self.home):
            content = self._read()
            if not content["secret"]:
                content |= {"secret": secrets.token_hex(32)}
                self._write(content)
        return bytes.fromhex(content["secret"])

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads((self.home / FILE).read_text())
        except FileNotFoundError:
            return {"secret": "", "keys": []}
        except (OSError, ValueError) as problem:
            raise StoreError(f"cannot read the keys in {self.home / FILE}: {problem}") from problem

    def _write(self, content: Mapping[str, Any]) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.home, prefix=f".{FILE}-")  # of mode 0600
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self.home / FILE)


@lru_cache(64)
def _keys(file: KeyFile, stamp: tuple[int, ...]) -> tuple[ApiKey, ...]:
    """Return the keys of a file that is as its stamp says; one that has changed is read anew."""
    return tuple(file.all())


class _locked:  # noqa: N801 - used as a function
    """Keeps other processes from changing the keys."""

    def __init__(self, home: Path) -> None:
        own_folder(home)
        self._path = home / f"{FILE}.lock"

    def __enter__(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *problem: object) -> None:
        os.close(self._file)


def key_of(authorization: str) -> str:
    """Return the key of an Authorization header, Basic or Bearer; empty when it has none.

    >>> key_of("Basic " + base64.b64encode(b"api:secret").decode()), key_of("Bearer secret"), key_of("")
    ('secret', 'secret', '')
    """
    kind, _, credentials = authorization.partition(" ")
    if kind.lower() == "bearer":
        return credentials.strip()
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes tokens that say what may be done, and until when.

    Attributes:
        secret: What nobody else has.
    """

    secret: bytes

    def sign(self, claims: Mapping[str, Any], now: float, life_s: float = URL_LIFE_S) -> str:
        """Return a token for a URL's path, or a cookie; it is good for so many seconds."""
        body = json.dumps({**claims, "until": now + life_s}, separators=(",", ":")).encode()
        return f"{_letters(body)}.{_letters(self._mac(body))}"

    def check(self, token: str, now: float) -> dict[str, Any] | None:
        """Return what a token says; None when it is not ours, or too old.

        >>> signer = Signer(b"secret")
        >>> token = signer.sign({"run": "a-1"}, now=0.0)
        >>> signer.check(token, now=1.0)["run"], signer.check(token, now=1e6), signer.check("x" + token, 1.0)
        ('a-1', None, None)
        """
        first, _, second = token.partition(".")
        try:
            body, mac = _bytes(first), _bytes(second)
        except (binascii.Error, ValueError):
            return None
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        claims: dict[str, Any] = json.loads(body)
        return claims if claims["until"] >= now else None

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self.secret, body, "sha256")


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
