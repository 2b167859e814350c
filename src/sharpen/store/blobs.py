"""Files kept by the hash of their content: written once, never changed, checked whenever they are read.

Programs and agents reach them through the port :class:`Blobs`, for the store may be on another machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from sharpen.errors import StoreError, Unreachable, UsageError
from sharpen.http import server_of
from sharpen.regular_file import open_file
from sharpen.store import bucket, cache_limit
from sharpen.store.permissions import own_folder
from sharpen.store.retry import PATIENCE_S, retry_when_full

CHUNK_BYTES = 1 << 20
DIGEST = re.compile(r"[0-9a-f]{64}")
BRING_BACK = "; bring it back from a copy of the store"


class Blobs(Protocol):
    """Where files are kept by the SHA-256 of their content."""

    def put(self, source: Path) -> tuple[str, int]:
        """Keep a copy of a file; return its digest and size in bytes.

        Raises:
            StoreError: It cannot be kept.
        """
        ...

    def fetch(self, digest: str) -> Path:
        """Return a file of this machine that holds a blob; not to be written to.

        Raises:
            StoreError: It is missing or damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalBlobs:
    """The blobs of a store on this machine.

    Attributes:
        home: The store's folder.
    """

    home: Path

    def put(self, source: Path) -> tuple[str, int]:
        """Keep a copy of a file; return its digest and size in bytes."""
        return put_file(self.home, source)

    def fetch(self, digest: str) -> Path:
        """Return the file of a blob, once its content has been checked."""
        return checked_path(self.home, digest)


def open_blobs(address: str) -> Blobs:
    """Return the blobs of the store whose coordinator has an address.

    Raises:
        UsageError: It is no address.

    >>> open_blobs("unix:/data/store")
    LocalBlobs(home=PosixPath('/data/store'))
    """
    kind, separator, location = address.partition(":")
    if not separator or kind not in KINDS:
        raise UsageError(f"{address!r} is no address of a store; there are: {', '.join(KINDS)}:…")
    return KINDS[kind](location)


def checked_path(home: Path, digest: str) -> Path:
    """Return the file of a blob whose content still has its digest.

    Raises:
        StoreError: It is missing, damaged, or no regular file.

    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "model.json").write_text("{}")
    >>> digest, _ = put_file(folder, folder / "model.json")
    >>> _ = blob_path(folder, digest).write_text("[]")
    >>> checked_path(folder, digest)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sharpen.errors.StoreError: blob 44136fa355b3 is damaged: its content is not what was kept; ...
    """
    if not DIGEST.fullmatch(digest):
        raise StoreError(f"{digest[:80]!r} is no digest of a blob")
    path = blob_path(home, digest)
    check_file(path, digest)
    return path


def check_file(path: Path, digest: str) -> None:
    """Refuse the file of a blob whose content no longer has its digest.

    In a folder that stands for a server, or with its files in a bucket, a missing one is fetched first.

    Raises:
        StoreError: It is missing, damaged, or no regular file.
    """
    home = path.parent.parent.parent
    if server_of(home):
        open_blobs(server_of(home)).fetch(digest)
        return
    try:
        actual = digest_of(path) if bucket.bucket_of(home) is None else _of_bucket(home, path, digest)
    except OSError as problem:
        why = "it is missing" if isinstance(problem, FileNotFoundError) else f"it cannot be read: {problem}"
        raise StoreError(f"blob {digest[:12]} is damaged: {why}{BRING_BACK} ({path})") from problem
    if actual != digest:
        why = "its content is not what was kept"
        raise StoreError(f"blob {digest[:12]} is damaged: {why}{BRING_BACK} ({path})")


def _of_bucket(home: Path, path: Path, digest: str) -> str:
    """Return the SHA-256 of the folder's copy of a file, which is fetched again when it is not what was kept.

    Raises:
        OSError: It cannot be read, or the bucket has none.
    """
    with contextlib.suppress(OSError):
        if digest_of(path) == digest:
            cache_limit.note_use(path)
            return digest
    return retry_when_full(
        lambda: _bring(home, digest), f"the copy of blob {digest[:12]} in {home / 'blobs'}"
    )


def _bring(home: Path, digest: str) -> str:
    actual = ""

    def keep(next_piece: Callable[[], bytes]) -> None:
        nonlocal actual
        with IncomingBlob(home) as blob:
            while chunk := next_piece():
                blob.write(chunk)
            actual = blob.digest
            if actual == digest:
                blob.put_in_place()

    bucket.bring(home, digest, keep)
    return actual


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a regular file."""
    return digest_and_size(path)[0]


def digest_and_size(path: Path) -> tuple[str, int]:
    """Return the SHA-256 of a regular file, and of how many bytes it is."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def blob_path(home: Path, digest: str) -> Path:
    """Return where a blob lies, whether it is there or not."""
    return home / "blobs" / digest[:2] / digest[2:]


def put_file(home: Path, source: Path, patience_s: float = PATIENCE_S) -> tuple[str, int]:
    """Copy a file into the store and return its SHA-256 digest and size in bytes.

    The blob appears under its name only when all of it is on the disk, so a crash leaves no half of one.
    While the disk is full it waits, holding no room.

    Raises:
        StoreError: The disk was full for ``patience_s``.

    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "model.json").write_text("{}")
    >>> digest, n_bytes = put_file(folder, folder / "model.json")
    >>> blob_path(folder, digest).read_text(), n_bytes
    ('{}', 2)
    """
    name = f"the copy of {source} in {home / 'blobs'}"
    return retry_when_full(lambda: _put(home, source), name, patience_s)


def _put(home: Path, source: Path) -> tuple[str, int]:
    with IncomingBlob(home) as blob, open_file(source) as file:
        while chunk := file.read(CHUNK_BYTES):
            blob.write(chunk)
        return blob.keep(), blob.n_bytes


class IncomingBlob:
    """A blob that comes in pieces; a context manager, which leaves nothing behind of one that is not kept.

    Args:
        home: The store's folder.

    Attributes:
        n_bytes: How many there are so far.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        own_folder(home / "blobs")
        descriptor, self._name = tempfile.mkstemp(dir=home / "blobs", prefix=".incoming-")
        self._file = os.fdopen(descriptor, "wb")
        self._sha256 = hashlib.sha256()
        self.n_bytes = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of what has come so far."""
        return self._sha256.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Take the next piece."""
        self._sha256.update(chunk)
        self._file.write(chunk)
        self.n_bytes += len(chunk)

    def keep(self) -> str:
        """Keep what has come under its digest, which is returned, once all of it is safe.

        Raises:
            Unreachable: The store has a bucket, and that does not answer.
            StoreError: The bucket does not take it.
        """
        self._file.flush()
        bucket.send(self._home, Path(self._name), self.digest)
        return self.put_in_place()

    def put_in_place(self) -> str:
        """Put what has come into the folder under its digest, which is returned, once it is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        path = blob_path(self._home, self.digest)
        own_folder(path.parent)
        Path(self._name).replace(path)
        _sync_folder(path.parent)
        if bucket.bucket_of(self._home) is not None:
            with contextlib.suppress(OSError, StoreError, Unreachable):  # looked through again in a minute
                cache_limit.bound(path.parent.parent, lambda digest: bucket.has(self._home, digest, 0.0))
        return self.digest

    def __enter__(self) -> IncomingBlob:
        return self

    def __exit__(self, *problem: object) -> None:
        with contextlib.suppress(OSError):  # what waits to be written, on a disk that is full
            self._file.close()
        Path(self._name).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Put a folder's own entries on the disk: a file that is safe under a name that is not is lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _local(path: str) -> Blobs:
    return LocalBlobs(Path(path))


def _http(location: str, kind: str) -> Blobs:
    from sharpen.store.http_blobs import HttpBlobs  # noqa: PLC0415 - most programs reach the folder

    return HttpBlobs(f"{kind}:{location}")


KINDS: dict[str, Callable[[str], Blobs]] = {
    "unix": _local,
    "http": partial(_http, kind="http"),
    "https": partial(_http, kind="https"),
}
