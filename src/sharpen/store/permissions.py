"""A store is its user's alone: folders of mode 0700, files of mode 0600."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

OWN_FOLDERS = frozenset({"blobs", "configs", "finalists", "gpus", "logs", "permuted", "scratch"})
OWN_FILES = frozenset({"database", "lock", "socket"})
DATABASE_PREFIX = "store.db"  # the database, its log, and the copies that migrations leave


def own_folder(path: Path) -> None:
    """Make a folder that only this user can enter, unless it is there; and so those on the way to it.

    Raises:
        OSError: It cannot be made.
    """
    if path.is_dir():
        return
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    path.mkdir(exist_ok=True)  # which is an error where a file is in its place


def tighten(home: Path) -> None:
    """Close the store's files and folders to other users, those of an older sharpen included.

    The store's folder is closed too where it holds nothing but the store. Somebody may have named a folder
    with other things in it; of such a one only sharpen's own entries are closed.
    """
    entries = [entry for entry in os.scandir(home) if not entry.is_symlink()]
    own = [entry for entry in entries if _is_own(entry.name)]
    for entry in own:
        _close(Path(entry.path))
    if len(own) == len(entries):
        _close(home)


def open_to_others(home: Path) -> list[Path]:
    """Return what of a store other users can read, write or enter."""
    if not home.is_dir():
        return []
    own = [home, *(Path(entry.path) for entry in os.scandir(home) if _is_own(entry.name))]
    return [
        path for path in own if path.stat(follow_symlinks=False).st_mode & 0o077 and not path.is_symlink()
    ]


def _is_own(name: str) -> bool:
    return name in OWN_FOLDERS or name in OWN_FILES or name.startswith(DATABASE_PREFIX)


def _close(path: Path) -> None:
    """Take from group and others what they may do with a file or folder of this user's."""
    with contextlib.suppress(OSError):  # it has gone meanwhile, or lies on a disk without modes
        status = path.stat(follow_symlinks=False)
        if status.st_uid == os.geteuid() and status.st_mode & 0o077 and not stat.S_ISLNK(status.st_mode):
            path.chmod(stat.S_IMODE(status.st_mode) & 0o700)
