"""Files of models: formats that hold nothing but numbers and trees, and a digest that is checked first.

No library ever sees a file that has not got the digest it was stored with: a LightGBM file that was cut off
ends the whole process, and one changed digit loads without a word.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from sharpen.errors import UsageError
from sharpen.regular_file import open_file
from sharpen.store.blobs import Blobs, blob_path, check_file
from sharpen.store.collection_rows import VersionRow
from sharpen.store.version_contents import StoredFile, check_file_name

PICKLES = (b"\x80", b"c", b"(", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x89HDF")
LARGEST_HEADER_BYTES = 100_000_000


def _is_safetensors(start: bytes) -> bool:
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < LARGEST_HEADER_BYTES


FORMATS: dict[str, Callable[[bytes], bool]] = {
    ".txt": lambda start: start.startswith(b"tree\n"),
    ".ubj": lambda start: start.startswith(b"{L"),
    ".json": lambda start: start.lstrip()[:1] == b"{",
    ".safetensors": _is_safetensors,
}
"""What a model may be stored as, and how such a file begins; the first that fits is it."""


def suffix_of(path: Path) -> str:
    """Return what the name of a model's file must end in, by its content.

    Raises:
        UsageError: It has no format that is known to be safe, or cannot be read.
    """
    try:
        with open_file(path) as file:
            start = file.read(16)
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror}") from problem
    for suffix, fits in FORMATS.items():
        if fits(start):
            return suffix
    is_code = any(start.startswith(mark) for mark in PICKLES)
    why = ": it looks like a pickle or an archive, which can run code when it is loaded" if is_code else ""
    safe_formats = "XGBoost's .json and .ubj, LightGBM's .txt, .safetensors"
    raise UsageError(f"{path} has no format that is safe to load{why}; save it as {safe_formats}")


def checked_files(home: Path, row: VersionRow) -> dict[str, Path]:
    """Return the path of each file of a version, once its content has its digest.

    Raises:
        StoreError: One is missing or damaged.
    """
    paths: dict[str, Path] = {}
    for file in row.files:
        path = blob_path(home, file.digest)
        check_file(path, file.digest)
        paths[file.name] = path
    return paths


def write_files(blobs: Blobs, files: Iterable[StoredFile], folder: Path) -> list[Path]:
    """Write files of a version into a folder under their names; return where they are.

    One that is there already with the same content is left as it is.

    Raises:
        StoreError: One is missing or damaged.
        UsageError: The folder cannot be written, or has another file of the name.
    """
    written: list[Path] = []
    for file in files:
        check_file_name(file.name)
        path, source = folder / file.name, blobs.fetch(file.digest)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                shutil.copyfile(source, path)
            elif _sha256(path) != file.digest:
                raise UsageError(
                    f"{path} is there already with another content: name a new folder with --root"
                )
        except OSError as problem:
            raise UsageError(f"cannot write {path}: {problem.strerror}") from problem
        written.append(path)
    return written


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
