"""The files of a git commit, kept in the store for agents whose machine does not have them.

Each file is a blob of its own, so what two commits share is sent and kept once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sharpen.errors import NotFound, UsageError
from sharpen.http import cache_folder
from sharpen.store.blobs import Blobs, open_blobs
from sharpen.store.collection_rows import VersionRow, versions
from sharpen.store.queries import Reader
from sharpen.store.version_contents import StoredFile, check_file_name
from sharpen.wire import Client, address_of

TYPE = "bundle"


@dataclass(frozen=True, slots=True)
class Commit:
    """What is shipped: a commit's files.

    Attributes:
        id: The commit.
        subfolder: Where in it programs run, relative to its top; empty for the top.
        changed: Files of the working folder that are not as the commit has them, which are not shipped.
    """

    id: str
    subfolder: str
    changed: tuple[str, ...]


def commit_of(folder: Path) -> Commit:
    """Return the commit that a folder is at.

    Raises:
        UsageError: It is in no git repository, or has no commit.
    """
    commit_id = _git(folder, "rev-parse", "HEAD").decode().strip()
    subfolder = _git(folder, "rev-parse", "--show-prefix").decode().strip().rstrip("/")
    changed = _git(folder, "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    names = [entry[3:] for entry in changed.decode(errors="replace").split("\0") if entry]
    return Commit(commit_id, subfolder, tuple(names))


def keep_bundle(home: Path, client: Client, sweep_id: str, folder: Path, who: str) -> tuple[Commit, int]:
    """Keep the files of the commit that a folder is at with a sweep; return the commit and how many.

    Links are left out.

    Raises:
        UsageError: It is in no git repository, or has no commit.
        StoreError: A file cannot be kept.
    """
    commit = commit_of(folder)
    blobs = open_blobs(address_of(home.absolute()))
    files: list[StoredFile] = []
    executables: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sharpen-bundle-") as name:
        top = Path(name)
        archive, path = top / "archive.tar", top / "file"
        root = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
        archive.write_bytes(_git(root, "archive", "--format=tar", commit.id))
        with tarfile.open(archive) as tar:
            for member in tar:
                if not member.isfile():
                    continue
                archived = tar.extractfile(member)
                assert archived is not None  # noqa: S101 - it is a file
                with archived, path.open("wb") as file:
                    shutil.copyfileobj(archived, file)
                files.append(StoredFile(member.name, *blobs.put(path)))
                if member.mode & 0o100:
                    executables.append(member.name)
    record = {"commit": commit.id, "subfolder": commit.subfolder, "executables": executables}
    content: dict[str, Any] = {"files": [asdict(file) for file in files], "record": record, "run_id": None}
    client.call("register", collection=_collection(sweep_id), type=TYPE, content=content, who=who)
    return commit, len(files)


def shipped_folder(home: Path, sweep_id: str) -> Path:
    """Return the folder in which the programs of a sweep run on this machine, written from its bundle.

    Raises:
        NotFound: The sweep was made without one.
        StoreError: A file is missing or damaged.
    """
    found = versions(Reader(home), _collection(sweep_id))
    if not found:
        raise NotFound(
            f"sweep {sweep_id} was made without --ship: 'sharpen sweep FILE --ship' keeps its files"
        )
    row = found[-1]
    folder = cache_folder() / "bundles" / row.digest
    if not folder.is_dir():
        _write(open_blobs(address_of(home.absolute())), row, folder)
    inner = folder / str(row.record.get("subfolder") or "")
    if not inner.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"the bundle of sweep {sweep_id} names a folder outside of it")
    return inner


def _write(blobs: Blobs, row: VersionRow, folder: Path) -> None:
    """Write a bundle under another name first: several agents may, and one may be killed."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name[:12]}-", dir=folder.parent))
    executables: Sequence[str] = row.record.get("executables", ())
    try:
        for file in row.files:
            check_file_name(file.name)
            path = new / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(blobs.fetch(file.digest), path)
            if file.name in executables:
                path.chmod(path.stat().st_mode | 0o100)
        _move(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _move(new: Path, folder: Path, rename: Callable[[Path, Path], object] = os.rename) -> None:
    try:
        rename(new, folder)
    except OSError:
        if not folder.is_dir():  # another agent has written the same
            raise


def _collection(sweep_id: str) -> str:
    return f"{TYPE}/{sweep_id}"


def _git(folder: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as problem:
        raise UsageError("--ship needs git") from problem
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"git {words[0]} failed"
        raise UsageError(f"--ship: {folder}: {why}: it sends the files of a git commit, so commit them first")
    return done.stdout
