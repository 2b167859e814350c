"""Checkpoints that newer ones have replaced, and which nothing names any more: they are removed at once.

A replaced checkpoint is noted before the newer one is written down, and removed after that: whoever dies in
between leaves a note, and the next host of the store looks at it. A note is an empty file, named by a digest.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import sqlalchemy as sa

from sharpen.store import schema
from sharpen.store.blobs import DIGEST, blob_path
from sharpen.store.bucket import forget
from sharpen.store.permissions import own_folder
from sharpen.store.queries import Reader
from sharpen.store.references import IN_TEXT
from sharpen.store.uploads import announced

FOLDER = ".replaced"
ASIDE = "aside"
LOCK = "lock"
YOUNG_S = 60.0
"""A blob is there before what names it: one that was put so lately may be about to be named again."""
AT_ONCE = 200


def note(home: Path, digest: str) -> None:
    """Note that a checkpoint is about to be replaced.

    Args:
        home: The store's folder.
        digest: Of the old one.
    """
    own_folder(_folder(home))
    (_folder(home) / digest).touch()


@contextlib.contextmanager
def keeping_replaced(home: Path) -> Generator[None]:
    """Keep replaced checkpoints while a copy of the store is made, which may still need them."""
    with contextlib.ExitStack() as until_the_end:
        with contextlib.suppress(OSError):  # a folder to read only: nobody removes anything from it
            until_the_end.enter_context(_locked(home, fcntl.LOCK_SH))
        yield


@contextlib.contextmanager
def _locked(home: Path, how: int) -> Generator[None]:
    own_folder(_folder(home))
    lock = os.open(_folder(home) / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)


def are_noted(home: Path) -> bool:
    """Return whether there are notes of replaced checkpoints."""
    return any(True for _ in _noted(home))


def remove_replaced(reader: Reader, now: float | None = None) -> int:
    """Remove the noted checkpoints that nothing names, and return how many; a named one loses its note.

    They are put aside first, and brought back where something has come to name them meanwhile.

    Args:
        reader: The store.
        now: Unix seconds; notes and blobs younger than a minute are left for later.

    Raises:
        OSError: One cannot be moved.
    """
    home, now = reader.home, time.time() if now is None else now
    if not are_noted(home):
        return 0
    try:
        with _locked(home, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _remove(reader, now)
    except BlockingIOError:  # somebody copies the store
        return 0


def _remove(reader: Reader, now: float) -> int:
    home, folder = reader.home, _folder(reader.home)
    own_folder(folder / ASIDE)
    for left in (folder / ASIDE).iterdir():  # of a host that died here
        _bring_back(home, left)
    old = [digest for digest in sorted(_noted(home)) if _age_s(folder / digest, now) >= YOUNG_S][:AT_ONCE]
    needed = _named(reader, old)
    aside = [digest for digest in old if digest not in needed and _put_aside(home, digest, now)]
    named_meanwhile = _named(reader, aside)
    for digest in aside:
        if digest in named_meanwhile:
            _bring_back(home, folder / ASIDE / digest)
        else:
            forget(home, digest, now - YOUNG_S)
        (folder / ASIDE / digest).unlink(missing_ok=True)
    for digest in {*needed, *aside}:
        (folder / digest).unlink(missing_ok=True)
    return len(set(aside) - named_meanwhile)


def _folder(home: Path) -> Path:
    return home / "blobs" / FOLDER


def _noted(home: Path) -> Generator[str]:
    with contextlib.suppress(FileNotFoundError):
        yield from (path.name for path in _folder(home).iterdir() if DIGEST.fullmatch(path.name))


def _put_aside(home: Path, digest: str, now: float) -> bool:
    """Move a blob out of the way; return False for one that is so young that it may be about to be named."""
    aside = _folder(home) / ASIDE / digest
    with contextlib.suppress(FileNotFoundError):  # somebody else has removed it: its note is of no use
        blob_path(home, digest).replace(aside)
        if _age_s(aside, now) < YOUNG_S:
            _bring_back(home, aside)
            return False
    return True


def _bring_back(home: Path, aside: Path) -> None:
    path = blob_path(home, aside.name)
    if path.exists():  # it was put once more
        aside.unlink()
    else:
        aside.replace(path)


def _age_s(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _named(reader: Reader, digests: Iterable[str]) -> set[str]:
    """Return those of some digests that a run, a kept file, a version or an announced one names."""
    wanted_digests = set(digests)
    if not wanted_digests:
        return set()
    a, r, v = schema.artifacts.c, schema.runs.c, schema.versions.c
    referenced = {
        row["digest"] for row in reader.rows(sa.select(a.digest).where(a.digest.in_(wanted_digests)))
    }
    has_one = sa.or_(r.checkpoint.is_not(None), r.resumed.is_not(None))
    for row in reader.rows(sa.select(r.checkpoint, r.resumed).where(has_one)):
        referenced.update(IN_TEXT.findall(f"{row['checkpoint']} {row['resumed']}"))
    for row in reader.rows(sa.select(v.files)):
        referenced.update(IN_TEXT.findall(row["files"]))
    return wanted_digests & (referenced | announced(reader.home).digests)
