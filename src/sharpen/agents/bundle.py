"""The files of a git commit and data beside them, kept in the store for agents whose machine has neither.

Each file is a blob of its own, so what two commits share is sent and kept once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.errors import NotFound, UsageError
from sharpen.http import cache_folder
from sharpen.store.blobs import Blobs, digest_of, open_blobs
from sharpen.store.collection_rows import BUNDLE, VersionRow, bundle_of, versions
from sharpen.store.queries import Reader
from sharpen.store.version_contents import StoredFile, check_file_name
from sharpen.wire import Client, address_of

MOST_DATA_BYTES = 2 << 30
NEVER_SENT = frozenset({".git", ".sharpen"})  # a store has keys in it
LINK = b"120000"  # as git writes the mode of one


@dataclass(frozen=True, slots=True)
class Commit:
    """What is shipped: a commit's files, and data that a sweep names.

    Attributes:
        id: The commit.
        subfolder: Where in it programs run, relative to its top; empty for the top.
        changed: Files of the working folder that are not as the commit has them, which are not shipped.
        untracked: Python files that git does not hold, which are not shipped.
        data: Files that the sweep names and git does not hold, which are: relative to the commit's top.
    """

    id: str
    subfolder: str
    changed: tuple[str, ...]
    untracked: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


def commit_of(folder: Path, sweep: spec.Sweep) -> Commit:
    """Return the commit that a folder is at, and which files beside it a sweep needs.

    Raises:
        UsageError: It is in no git repository, has no commit, or has one without the sweep's program; or the
            data is too much.
    """
    commit_id = _git(folder, "rev-parse", "HEAD").decode().strip()
    subfolder = _git(folder, "rev-parse", "--show-prefix").decode().strip().rstrip("/")
    changed = _git(folder, "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    names = [entry[3:] for entry in changed.decode(errors="replace").split("\0") if entry]
    top = _top(folder)
    beside = _git(top, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
    untracked = tuple(os.fsdecode(name) for name in beside if name.endswith(b".py"))
    held = _held(top, commit_id)
    module = [f"{sweep.program.replace('.', '/')}{end}" for end in (".py", "/__main__.py")]
    for name in _beside(top, folder, module if spec.is_module(sweep) else [sweep.program], held):
        raise UsageError(f"--ship: {name} is not in commit {commit_id[:12]}: 'git add' and commit it first")
    data = tuple(_beside(top, folder, _named(sweep), held))
    if (n_bytes := sum((top / name).stat().st_size for name in data)) > MOST_DATA_BYTES:
        raise UsageError(
            f"--ship: {', '.join(data)}: {n_bytes / 2**30:.1f} GiB, and data that goes with a sweep has at "
            f"most {MOST_DATA_BYTES >> 30} GiB: have it on each machine, and name it by its full path"
        )
    return Commit(commit_id, subfolder, tuple(names), untracked, data)


def _named(sweep: spec.Sweep) -> Iterator[str]:
    """Yield the words of a sweep that may name files: of its command, and values of its parameters."""
    yield from sweep.command
    for dimension in sweep.space.dimensions.values():
        values = dimension.grid()
        if values is not None and not isinstance(values, range):
            yield from (value for value in values if isinstance(value, str))
    for config in sweep.prior:
        yield from (value for value in config.values() if isinstance(value, str))


def _beside(top: Path, folder: Path, names: Iterable[str], held: Collection[str]) -> Iterator[str]:
    """Yield once, relative to the top, which of some names are files below it that a commit does not hold.

    Full paths are left out: a program that is told one looks there, wherever it runs.
    """
    where = folder.resolve().relative_to(top.resolve())
    for name in dict.fromkeys(os.path.normpath(where / name) for name in names if not name.startswith("/")):
        parts = Path(name).parts
        if parts[:1] == ("..",) or not NEVER_SENT.isdisjoint(parts) or name in held:
            continue
        if os.path.isfile(top / name):  # noqa: PTH113 - says no to names too long for a file
            yield name


def _held(top: Path, commit_id: str) -> Collection[str]:
    """Return the names of a commit's files, links left out."""
    listed = _git(top, "ls-tree", "-r", "-z", commit_id).split(b"\0")
    pairs = [entry.partition(b"\t") for entry in listed if entry]
    return {os.fsdecode(name) for about, _, name in pairs if not about.startswith(LINK)}


def _top(folder: Path) -> Path:
    return Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())


def keep_bundle(
    home: Path, client: Client, sweep_id: str, folder: Path, sweep: spec.Sweep, who: str
) -> tuple[Commit, int]:
    """Keep the files of the commit that a folder is at, and data, with a sweep; return what and how many.

    Links of the commit are left out.

    Raises:
        UsageError: As :func:`commit_of`.
        StoreError: A file cannot be kept.
    """
    commit = commit_of(folder, sweep)
    blobs = open_blobs(address_of(home.absolute()))
    files: list[StoredFile] = []
    executables: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sharpen-bundle-") as name:
        top = Path(name)
        archive, path = top / "archive.tar", top / "file"
        root = _top(folder)
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
    for data in commit.data:
        path = (root / data).resolve()
        files.append(StoredFile(data, *blobs.put(path)))
        executables += [data] if os.access(path, os.X_OK) else []
    record = {"commit": commit.id, "subfolder": commit.subfolder, "executables": executables}
    content: dict[str, Any] = {"files": [asdict(file) for file in files], "record": record, "run_id": None}
    client.call("register", collection=bundle_of(sweep_id), type=BUNDLE, content=content, who=who)
    return commit, len(files)


def shipped_folder(home: Path, sweep_id: str) -> Path:
    """Return the folder in which the programs of a sweep run on this machine, written from its bundle.

    Files of it that a program has changed since are written again.

    Raises:
        NotFound: The sweep was made without one.
        StoreError: A file is missing or damaged.
    """
    rows = versions(Reader(home), bundle_of(sweep_id))
    if not rows:
        raise NotFound(
            f"sweep {sweep_id} was made without --ship: 'sharpen sweep FILE --ship' keeps its files"
        )
    row = rows[-1]
    folder = cache_folder() / "bundles" / row.digest
    blobs = open_blobs(address_of(home.absolute()))
    if not folder.is_dir():
        _write(blobs, row, folder)
    _mend(blobs, row, folder)
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
            _write_file(blobs, file, path, is_executable=file.name in executables)
        _move(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _mend(blobs: Blobs, row: VersionRow, folder: Path) -> None:
    """Write the files anew whose content has not their digest, each at once: other programs may run."""
    executables: Sequence[str] = row.record.get("executables", ())
    for file in row.files:
        path = folder / file.name
        if _is_kept(path, file.digest):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".mend-", dir=folder.parent) as name:
            new = Path(name) / "file"
            _write_file(blobs, file, new, is_executable=file.name in executables)
            new.replace(path)


def _is_kept(path: Path, digest: str) -> bool:
    try:
        return digest_of(path) == digest
    except FileNotFoundError:
        return False


def _write_file(blobs: Blobs, file: StoredFile, path: Path, *, is_executable: bool) -> None:
    shutil.copyfile(blobs.fetch(file.digest), path)
    if is_executable:
        path.chmod(path.stat().st_mode | 0o100)


def _move(new: Path, folder: Path, rename: Callable[[Path, Path], object] = os.rename) -> None:
    try:
        rename(new, folder)
    except OSError:
        if not folder.is_dir():  # another agent has written the same
            raise


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as problem:
        raise UsageError("--ship needs git") from problem
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"git {arguments[0]} failed"
        raise UsageError(
            f"--ship: {folder}: {why}: it sends the files of a git commit, so commit them first ('git init', "
            "'git add FILES', 'git commit'), or have the folder at the same place on each machine and leave "
            "--ship out"
        )
    return done.stdout
