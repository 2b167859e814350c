"""Files kept by the hash of their content: written once, never changed, shared by whoever names them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from sharpen.store.permissions import own_folder
from sharpen.store.room import PATIENCE_S, when_there_is_room

CHUNK_BYTES = 1 << 20


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
    what = f"the copy of {source} in {home / 'blobs'}"
    return when_there_is_room(lambda: _put(home, source), what, patience_s)


def _put(home: Path, source: Path) -> tuple[str, int]:
    room = home / "blobs"
    own_folder(room)
    sha256 = hashlib.sha256()
    n_bytes = 0
    descriptor, name = tempfile.mkstemp(dir=room, prefix=".incoming-")
    try:
        with os.fdopen(descriptor, "wb") as target, source.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                sha256.update(chunk)
                target.write(chunk)
                n_bytes += len(chunk)
            target.flush()
            os.fsync(target.fileno())
        path = blob_path(home, sha256.hexdigest())
        own_folder(path.parent)
        Path(name).replace(path)
        _sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return sha256.hexdigest(), n_bytes


def _sync_folder(folder: Path) -> None:
    """Put a folder's own entries on the disk: a file that is safe under a name that is not is lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
