"""Which source files a program consists of, so that a sweep can tell when they changed while it ran."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from functools import cache
from pathlib import Path

DIGITS = 12


@cache
def own_code() -> dict[str, str]:
    """Return the digest of the program's own source files that are loaded now, by path below its folder.

    The program itself, and the modules that lie in its folder or below; no installed package.
    """
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is None:  # an interactive session
        return {}
    folder = Path(main).resolve().parent
    installed = [Path(path).resolve() for path in {*sysconfig.get_paths().values(), sys.prefix}]
    files = {Path(file).resolve() for module in list(sys.modules.values()) if (file := _source(module))}
    own = sorted(file for file in files if file.is_relative_to(folder) and not _is_in(file, installed))
    return {file.relative_to(folder).as_posix(): digest for file in own if (digest := _digest(file))}


def _source(module: object) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) and file.endswith(".py") else None


def _is_in(file: Path, folders: list[Path]) -> bool:
    return any(file.is_relative_to(folder) for folder in folders)


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:DIGITS]
    except OSError:  # it was moved away after it was loaded
        return ""
