"""Files on their way into a version that is not made yet: notes in a folder beside the store's blobs.

Whoever announces a version says which files it will have; until it is made, only these notes name its blobs.
So they count for whoever clears or copies a store. Files are known by their MD5, too: what has been put
before need not be put again.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.regular_file import read_file, read_text
from sharpen.store.blobs import DIGEST, blob_path

FOLDER = "uploads"
ANNOUNCED = re.compile(r"pending-[0-9a-f]{32}")
MD5 = re.compile(r"[0-9a-f]{32}")
LIST_ENDING = ".files"
FORGOTTEN_AFTER_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Announced:
    """What is announced and not made yet.

    Attributes:
        notes: The content of each file of the folder that says so, by its name; also of what was made.
        digests: The blobs that have been put for what is not made yet.
    """

    notes: Mapping[str, bytes]
    digests: frozenset[str]


def remember(home: Path, md5: str, digest: str, n_bytes: int) -> None:
    """Note which blob has an MD5."""
    write_note(_of_md5(home, md5), {"digest": digest, "n_bytes": n_bytes})


def known(home: Path, md5: str) -> dict[str, Any] | None:
    """Return the blob of an MD5 in hex digits; None when none was put, or it is gone."""
    note = read_note(_of_md5(home, md5)) if MD5.fullmatch(md5) else None
    return note if note and blob_path(home, note["digest"]).exists() else None


def _of_md5(home: Path, md5: str) -> Path:
    return home / FOLDER / "md5" / md5[:2] / md5[2:]


def new_name() -> str:
    """Return the name of a new announcement."""
    return f"pending-{secrets.token_hex(16)}"


def announcement(home: Path, name: str) -> Path:
    """Return the note of an announcement.

    Raises:
        UsageError: It is no name of one.
    """
    if not ANNOUNCED.fullmatch(name):
        raise UsageError("no such artifact")
    return home / FOLDER / f"{name}.json"


def expect(home: Path, name: str, md5s: Iterable[str]) -> None:
    """Note that an announced version has files of these MD5s, whether they have been put or not.

    To be called before it is looked which of them are there: then none of these is cleared away.
    """
    path = announcement(home, name).with_suffix(LIST_ENDING)
    with path.open("a", encoding="ascii") as file:
        file.write("".join(f"{md5}\n" for md5 in md5s))


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Write a note; whoever reads meanwhile sees the old one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    new.write_text(json.dumps(note))
    new.replace(path)


def read_note(path: Path) -> dict[str, Any] | None:
    """Return what a note says; None when there is none."""
    try:
        note: Any = json.loads(read_text(path))
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", note) if isinstance(note, dict) else None


def announced(home: Path, now: float | None = None) -> Announced:
    """Return what is announced and not made yet.

    Args:
        home: The store's folder.
        now: Unix seconds, to leave out what was not touched for a week; None for all.
    """
    notes: dict[str, bytes] = {}
    digests: set[str] = set()
    for path in sorted((home / FOLDER).glob("pending-*.json")):
        note, listed = read_note(path), path.with_suffix(LIST_ENDING)
        if note is None or (now is not None and _age_s(path, now) > FORGOTTEN_AFTER_S):
            continue
        notes[path.name] = json.dumps(note).encode()
        if note.get("version"):
            continue
        md5s: list[str] = []
        with contextlib.suppress(OSError):
            notes[listed.name] = read_file(listed)
            md5s = notes[listed.name].decode("ascii", "replace").split()
        # wherever they are: whoever clears the store puts them aside first, and brings back what is named
        blobs = [note.get("manifest"), *(read_note(_of_md5(home, md5)) for md5 in md5s)]
        digests |= {str(blob["digest"]) for blob in blobs if blob}
    return Announced(notes, frozenset(digest for digest in digests if DIGEST.fullmatch(digest)))


def forget(home: Path, now: float) -> int:
    """Remove the notes that are of no use any more; return how many.

    These are announcements that were not touched for a week, and the MD5s of blobs that are gone.
    """
    old = [path for path in (home / FOLDER).glob("*.*") if _age_s(path, now) > FORGOTTEN_AFTER_S]
    gone = [path for path in (home / FOLDER / "md5").glob("*/*") if _names_nothing(home, path)]
    for path in old + gone:
        path.unlink(missing_ok=True)
    return len(old) + len(gone)


def _names_nothing(home: Path, path: Path) -> bool:
    md5 = path.parent.name + path.name
    return bool(MD5.fullmatch(md5)) and known(home, md5) is None


def _age_s(path: Path, now: float) -> float:
    """Return how long ago an announcement, or its list of files, was written to; 0 for one that is gone."""
    times: list[float] = []
    for file in (path, path.with_suffix(".json"), path.with_suffix(LIST_ENDING)):
        with contextlib.suppress(FileNotFoundError):
            times.append(file.stat().st_mtime)
    return now - max(times) if times else 0.0
