"""Taking a store from one place to another, such as from its folder to a database, or back.

Rows are copied by :mod:`~sharpen.store.row_copy`; files by digest, and checked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from sharpen.errors import StoreError, UsageError
from sharpen.store import bucket
from sharpen.store.backup import copy_database, is_database, other_files
from sharpen.store.blobs import blob_path, put_file
from sharpen.store.location import FILE, SET_ASIDE, link
from sharpen.store.permissions import own_folder
from sharpen.store.references import checked
from sharpen.store.row_copy import Copied
from sharpen.store.uploads import announced


def copy_files(source: Path, target: Path, copied: Copied, *, is_passing: bool = False) -> None:
    """Check every file that the rows name, and copy it where the target is another folder.

    Args:
        source: The store's folder; a file of its bucket is fetched.
        target: The copy's; the same when both shall use these files.
        copied: What :func:`~sharpen.store.row_copy.copy_rows` returned; the files are counted in it.
        is_passing: Whether to leave nothing in the folders of what a bucket has.

    Raises:
        StoreError: A file cannot be written.
    """
    named = copied.named | announced(source).digests
    for digest, problem in checked(source, named, copied.needed):
        path = blob_path(source, digest)
        if problem:
            copied.damaged.append(problem)
            continue
        if source != target and put_file(target, path)[0] != digest:
            raise StoreError(f"{path} was changed while it was copied")
        copied.n_files += 1
        for home in (source, target):
            if is_passing and bucket.bucket_of(home) is not None:
                blob_path(home, digest).unlink(missing_ok=True)


@contextlib.contextmanager
def alone(home: Path) -> Generator[None]:
    """Keep all other processes from writing to a folder's store meanwhile.

    Raises:
        UsageError: Another process writes to it.
    """
    own_folder(home)
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as problem:
        who = os.pread(lock, 20, 0).decode(errors="replace").strip() or "?"
        raise UsageError(f"process {who} works with the store in {home}: end it first") from problem
    finally:
        os.close(lock)


def switch(home: Path, url: str) -> None:
    """Let a folder's store be in a database from now on; its own is kept under another name beside it.

    Args:
        home: The folder; no other process may use it meanwhile.
        url: The database, which has the same rows.
    """
    aside = home / SET_ASIDE
    if aside.exists():
        raise UsageError(f"{aside} is there already: put it elsewhere")
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            (home / f"{FILE}{ending}").replace(home / f"{SET_ASIDE}{ending}")
    (home / FILE).replace(aside)
    link(home, url)


def copy_others(source: Path, target: Path) -> None:
    """Copy what else is in a store's folder, such as keys and paper accounts."""
    if source == target:
        return
    for path in other_files(source):
        copy = target / path.relative_to(source)
        own_folder(copy.parent)
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            if is_database(path):
                copy_database(path, copy)
            else:
                shutil.copyfile(path, copy)
            copy.chmod(0o600)
