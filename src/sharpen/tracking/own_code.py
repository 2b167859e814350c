"""Which source files a program consists of, so that a sweep can tell when they changed while it ran."""

from __future__ import annotations

import hashlib
import os
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
    sources = {file for module in list(sys.modules.values()) if (file := _source(module))}
    places = {os.path.dirname(file) for file in sources}  # noqa: PTH120 - hundreds, in each run
    near = {place for place in places if _is_own(Path(place).resolve(), folder, installed)}
    files = {Path(file).resolve() for file in sources if os.path.dirname(file) in near}  # noqa: PTH120
    own = sorted(file for file in files if _is_own(file, folder, installed))
    return {file.relative_to(folder).as_posix(): digest for file in own if (digest := _digest(file))}


def _source(module: object) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) and file.endswith(".py") else None


def _is_own(path: Path, folder: Path, installed: list[Path]) -> bool:
    return path.is_relative_to(folder) and not any(path.is_relative_to(other) for other in installed)


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:DIGITS]
    except OSError:  # it was moved away after it was loaded
        return ""
