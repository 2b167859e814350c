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
_elsewhere: dict[str, str] = {}  # source files by the name of a module, of those that were looked at


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
    sources = {*_elsewhere.values(), *([main] if main.endswith(".py") else [])}
    folders = {os.path.dirname(file) for file in sources}  # noqa: PTH120 - hundreds, in each run
    near = {candidate for candidate in folders if _is_own(Path(candidate).resolve(), folder)}
    files = {Path(file).resolve() for file in sources if os.path.dirname(file) in near}  # noqa: PTH120
    own = sorted(file for file in files if _is_own(file, folder))
    return {file.relative_to(folder).as_posix(): digest for file in own if (digest := _digest(file))}


def _look() -> None:
    """Look at the modules that have been loaded since the last time."""
    for name in sys.modules.keys() - _looked_at - {"__main__"}:
        _looked_at.add(name)
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and not file.startswith(INSTALLED):
            _elsewhere[name] = file


# a process that a fork server forks off for a run would copy the memory that it looks at
os.register_at_fork(before=_look)


def _is_own(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) and not f"{path}{os.sep}".startswith(INSTALLED)


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:DIGITS]
    except OSError:  # it was moved away after it was loaded
        return ""
