"""Which source files a program consists of, so that a sweep can tell when they changed while it ran."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from functools import cache
from pathlib import Path

DIGITS = 12
_GIVEN = {*sysconfig.get_paths().values(), sys.prefix}
INSTALLED = tuple(sorted({path + os.sep for given in _GIVEN for path in (given, os.path.realpath(given))}))
"""Where packages lie; of the hundreds of modules of a run few are elsewhere."""
_looked_at: set[str] = set()
_elsewhere: dict[str, tuple[str, str]] = {}
"""Folder, without links, and source file by the name of a module, of those that were looked at."""


@cache
def own_code() -> dict[str, str]:
    """Return the digest of the program's own source files that are loaded now, by path below its folder.

    The program itself, and the modules that lie in its folder or below; no installed package.
    """
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is None:  # an interactive session
        return {}
    folder = Path(main).resolve().parent
    _look()
    near = [source for below, source in _elsewhere.values() if _is_own(below, str(folder))]
    files = {Path(source).resolve() for source in (*near, *([main] if main.endswith(".py") else []))}
    own = sorted(file for file in files if _is_own(str(file), str(folder)))
    return {file.relative_to(folder).as_posix(): digest for file in own if (digest := _digest(file))}


def _look() -> None:
    """Look at the modules that have been loaded since the last time."""
    for name in sys.modules.keys() - _looked_at - {"__main__"}:
        _looked_at.add(name)
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and not file.startswith(INSTALLED):
            _elsewhere[name] = _real(os.path.dirname(file)), file  # noqa: PTH120 - hundreds of files


@cache
def _real(folder: str) -> str:
    return os.path.realpath(folder)


# a process that a fork server forks off for a run would copy the memory that it looks at, and ask the disk
os.register_at_fork(before=_look)


def _is_own(path: str, folder: str) -> bool:
    below = folder.rstrip(os.sep) + os.sep
    return f"{path}{os.sep}".startswith(below) and not f"{path}{os.sep}".startswith(INSTALLED)


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:DIGITS]
    except OSError:  # it was moved away after it was loaded
        return ""
