"""An artifact: files under a name, whose every content is a version."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
import weakref
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.registry.files import write_files
from sharpen.regular_file import refuse_unreadable
from sharpen.store.blobs import open_blobs
from sharpen.store.collection_rows import VersionRow, aliases
from sharpen.store.queries import Reader
from sharpen.store.version_contents import NEWEST, check_collection_name, check_file_name
from sharpen.wandb.media import Media
from sharpen.wire import Client, address_of

MANIFEST = "wandb_manifest.json"
"""What the stock client keeps beside the files of a version; no file of its user."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version in a store: the store's folder, and the version."""

    home: Path
    row: VersionRow


class Artifact:
    """Files under a name: made here and then logged, or a version that was logged.

    Args:
        name: Letters, digits, ``_``, ``-`` and ``.``.
        type: What it is for, such as ``model`` or ``dataset``.
        description: Text of its user.
        metadata: Facts about it that JSON can hold.

    Attributes:
        files: The path of each file by its name in the artifact; empty for a version that was logged.
        aliases: The names that point at it; :meth:`save` keeps what is added.
    """

    def __init__(
        self,
        name: str,
        type: str,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_more: Any,
    ) -> None:
        check_collection_name(name)
        self._name = name
        self.type = type
        self.description = description
        self.metadata = dict(metadata or {})
        self.files: dict[str, Path] = {}
        self.aliases: list[str] = []
        self.kept: StoredVersion | None = None
        self._folder: Path | None = None

    @property
    def name(self) -> str:
        """Its name, with its version once it is logged: ``model:v3``."""
        return self._name if self.kept is None else f"{self._name}:{self.version}"

    @property
    def version(self) -> str:
        """Its version, such as ``v3``."""
        return f"v{self.need().row.version}"

    @property
    def qualified_name(self) -> str:
        """Its name with entity and project."""
        return f"local/{self.need().row.collection}:{self.version}"

    @property
    def digest(self) -> str:
        """What tells its content from others: that of the stock client, or the store's own."""
        row = self.need().row
        return str(row.record.get("digest") or row.digest)

    @property
    def size(self) -> int:
        """The bytes of all files."""
        if self.kept is None:
            return sum(path.stat().st_size for path in self.files.values())
        return sum(file.n_bytes for file in self.kept.row.files if file.name != MANIFEST)

    def need(self) -> StoredVersion:
        """Return where it is kept.

        Raises:
            UsageError: It has not been logged.
        """
        if self.kept is None:
            raise UsageError(f"artifact {self._name} has not been logged: run.log_artifact(artifact)")
        return self.kept

    def add_file(self, local_path: str | Path, name: str | None = None, **_more: Any) -> None:
        """Add a file, under its own name or another."""
        path = Path(local_path)
        refuse_unreadable("add_file", path)
        check_file_name(name or path.name)
        self.files[name or path.name] = path

    def add_dir(self, local_path: str | Path, name: str | None = None, **_more: Any) -> None:
        """Add all files of a folder."""
        folder = Path(local_path)
        if not folder.is_dir():
            raise UsageError(f"add_dir: there is no folder {folder}")
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            inner = path.relative_to(folder).as_posix()
            self.add_file(path, f"{name}/{inner}" if name else inner)

    def add(self, obj: Any, name: str | None = None, **_more: Any) -> None:
        """Add a file, a folder, a table or an image."""
        if isinstance(obj, str | Path):
            (self.add_dir if Path(obj).is_dir() else self.add_file)(obj, name)
        elif isinstance(obj, Media):
            ending = obj.suffix
            self.add_file(obj.write(self._room()), f"{(name or 'media').removesuffix(ending)}{ending}")
        else:
            raise UsageError(f"an artifact holds files, folders, tables and images, not {obj!r:.60}")

    @contextmanager
    def new_file(self, name: str, mode: str = "w", encoding: str | None = None) -> Generator[IO[Any]]:
        """Give a new file to write to, and add it."""
        check_file_name(name)
        path = self._room() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding=encoding) as file:
            yield file
        self.files[name] = path

    def add_reference(self, uri: str, *_args: Any, **_more: Any) -> None:
        """Refuse: what a reference points at may change.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"add_reference({uri!r:.60}): an artifact holds its files; add_file keeps a copy")

    def _room(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sharpen-artifact-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def wait(self, timeout: float | None = None) -> Artifact:
        """Return it: what is logged is there at once."""
        return self

    def download(self, root: str | Path | None = None, **_more: Any) -> str:
        """Write its files into a folder, each checked against its hash; return the folder."""
        kept = self.need()
        folder = Path(root) if root else Path("artifacts") / f"{self._name}:{self.version}"
        folder.mkdir(parents=True, exist_ok=True)
        files = [file for file in kept.row.files if file.name != MANIFEST]
        write_files(open_blobs(address_of(kept.home.absolute())), files, folder)
        return str(folder)

    def file(self, root: str | Path | None = None) -> str:
        """Return the path of its only file.

        Raises:
            UsageError: It has several.
        """
        names = [file.name for file in self.need().row.files if file.name != MANIFEST]
        if len(names) != 1:
            raise UsageError(f"{self.name} has {len(names)} files: download() writes them all")
        return str(Path(self.download(root)) / names[0])

    def save(self) -> None:
        """Keep aliases, metadata and description as they are now.

        Raises:
            Refused: Somebody else moved an alias meanwhile, or it has a gate.
        """
        kept = self.need()
        with connect(kept.home) as client:
            move_aliases(client, kept, self.aliases)
            figures = {**kept.row.figures, "metadata": self.metadata, "description": self.description}
            if figures != kept.row.figures:
                about = {"collection": kept.row.collection, "version": kept.row.version, "figures": figures}
                client.call("describe_version", **about, who=person())


def move_aliases(client: Client, kept: StoredVersion, wanted: Sequence[str]) -> None:
    """Point the wanted aliases at a version, and take away all others that point at it.

    Raises:
        Refused: Somebody else moved one meanwhile, or it has a gate.
    """
    row = kept.row
    pointed = {one.alias: one.version for one in aliases(Reader(kept.home), row.collection)}
    move = {"collection": row.collection, "version": row.version, "digest": row.digest, "who": person()}
    for alias in wanted:
        if alias != NEWEST and pointed.get(alias) != row.version:
            request = {**move, "alias": alias, "expected": pointed.get(alias), "via": "program"}
            client.call("alias", move=request)
    for alias, version in pointed.items():
        if version == row.version and alias not in wanted:
            request = {**move, "alias": alias, "expected": version, "via": "program"}
            client.call("alias", move=request, remove=True)


def person() -> str:
    """Return who runs this program: the name in SHARPEN_USER, or the machine's."""
    return os.environ.get("SHARPEN_USER", "").strip() or getpass.getuser()


def artifact_of(home: Path, row: VersionRow, type: str) -> Artifact:
    """Return a version that is kept."""
    figures = row.figures
    name = row.collection.rpartition("/")[2]
    made = Artifact(name, type, figures.get("description"), figures.get("metadata"))
    made.kept = StoredVersion(home, row)
    pointing = aliases(Reader(home), row.collection)
    made.aliases = [one.alias for one in pointing if one.version == row.version]
    return made
