"""What a program imports before it does anything else, found without running it.

The walk goes through the module's statements as the interpreter would, and stops at the first that may have
an effect: ``os.environ["X"] = "1"`` before ``import torch`` has to come before it in a fork, too. Installed
packages are what it returns. Modules of the program's own are not imported ahead of a run, for they may look
at ``sys.argv`` or the environment; their own leading imports are found in the same way.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_PATHS = ("stdlib", "platstdlib", "purelib", "platlib")
OURS = Path(__file__).resolve().parents[2]
BRINGS = {"hydra": ("hydra._internal.hydra", "hydra_plugins.sharpen_sweeper._trial")}
"""What a library imports by itself in every run of a sweep."""


class _EffectReached(Exception):
    """The walk has come to a statement that does something."""


@dataclass
class _Walk:
    names: dict[str, None] = field(default_factory=dict[str, None])  # a set that keeps its order
    files: set[str] = field(default_factory=set[str])


def stamp_of(file: str | Path) -> list[int] | None:
    """Return what changes when a file does; None when it cannot be seen."""
    try:
        status = os.stat(file)  # noqa: PTH116 - hundreds of files, each time
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size, status.st_ino]


@cache
def installed_folders() -> tuple[str, ...]:
    """Return the folders of modules that do not change while a sweep runs."""
    folders = [*(sysconfig.get_path(name) for name in _PATHS), *site.getsitepackages()]
    return tuple(f"{Path(folder).resolve()}/" for folder in (*folders, site.getusersitepackages()))


def is_installed(file: str) -> bool:
    """Return whether a module's file belongs to Python or to an installed package."""
    return _holds_installed(os.path.dirname(file))  # noqa: PTH120 - hundreds of files


@cache
def _holds_installed(folder: str) -> bool:
    return f"{Path(folder).resolve()}/".startswith(installed_folders())


def leading_imports(source: bytes) -> tuple[list[str], set[str]]:
    r"""Return the installed modules that a program imports first, and the program's own files on the way.

    ``from a import b`` is ``a:b``, for only ``a`` can say whether ``b`` is a module.

    >>> source = b'import json\nimport os\nos.environ["A"] = "1"\nimport csv\n'
    >>> leading_imports(source)[0]
    ['json', 'os']
    """
    walk = _Walk()
    with contextlib.suppress(_EffectReached):
        _visit(walk, ast.parse(source), "")
    tops = {name.partition(":")[0].partition(".")[0] for name in walk.names}
    brought = [module for top in BRINGS if top in tops for module in BRINGS[top]]
    return [*walk.names, *brought], walk.files


def declares_preload(source: bytes) -> bool:
    """Return whether a program has a function ``preload()`` at its top level, and can be imported to call it.

    That is, it does its work under ``if __name__ == "__main__":``.
    """
    body = ast.parse(source).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "preload"]
    takes_nothing = any(ast.unparse(node.args) == "" for node in functions)
    return takes_nothing and any(
        isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in body
    )


def only_calls_hydra(source: bytes, is_importable: bool) -> bool:
    r"""Return whether a program does nothing but call its function for Hydra, as the main program.

    Args:
        source: The program.
        is_importable: Whether it says itself that it can be imported without harm, see `declares_preload`.

    >>> program = b'import hydra\n@hydra.main(version_base=None)\ndef f(cfg): pass\n'
    >>> guarded = b'if __name__ == "__main__":\n    f()\n'
    >>> only_calls_hydra(program + guarded, False), only_calls_hydra(program + b"f()\n" + guarded, False)
    (True, False)
    """
    tree = ast.parse(source)
    functions = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and [ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list] == ["hydra.main"]
    }
    guard = tree.body[-1] if tree.body else None
    if not isinstance(guard, ast.If) or "__name__" not in ast.unparse(guard.test):
        return False
    if [ast.unparse(node) for node in guard.body] not in [[f"{name}()"] for name in functions]:
        return False
    others = [node for node in tree.body[:-1] if getattr(node, "name", None) not in functions]
    try:
        if not is_importable:
            _visit(_Walk(), ast.Module(others, []), "")
    except _EffectReached:
        return False
    return True


def _visit(walk: _Walk, tree: ast.AST, package: str) -> None:
    body: list[ast.stmt] = getattr(tree, "body", [])
    for node in body:
        if isinstance(node, ast.Try):
            _visit(walk, node, package)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for module, name in _names(node, package):
                _import(walk, module, name)
        elif not _is_harmless(node):
            raise _EffectReached


def _names(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """Return (module, name in it) of everything that a statement imports; the name may be a module too."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parents, base] if base else parents)
    if base != "__future__":
        yield from ((base, "" if alias.name == "*" else alias.name) for alias in node.names)


def _import(walk: _Walk, module: str, name: str) -> None:
    top = module.partition(".")[0]
    if top in sys.builtin_module_names:
        return
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        raise _EffectReached from None
    if spec is None:
        return  # the run will say that it is missing
    origin = spec.origin or ""
    if origin == "frozen" or (origin and (Path(origin).is_relative_to(OURS) or is_installed(origin))):
        walk.names[f"{module}:{name}" if name else module] = None
    elif top == module and origin.endswith(".py"):
        if origin not in walk.files:
            walk.files.add(origin)
            _visit(walk, ast.parse(Path(origin).read_bytes()), top if spec.submodule_search_locations else "")
    else:  # inside a package of the program's own, or no Python at all
        raise _EffectReached


def _is_harmless(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            harmless = not node.decorator_list and all(map(_is_plain, node.args.defaults))
        case ast.ClassDef():
            harmless = not node.decorator_list and all(map(_is_harmless, node.body))
        case ast.Assign(targets=targets, value=value):
            value_is_harmless = _is_plain(value) or ast.unparse(value).startswith("logging.getLogger(")
            harmless = all(isinstance(target, ast.Name) for target in targets) and value_is_harmless
        case ast.AnnAssign(target=ast.Name(), value=value):
            harmless = value is None or _is_plain(value)
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.If(test=ast.Attribute(attr="TYPE_CHECKING")):
            harmless = True
        case ast.Expr(value=ast.Constant()):  # a docstring
            harmless = True
        case _:
            harmless = isinstance(node, ast.Pass | ast.Import | ast.ImportFrom)
    return harmless


def _is_plain(value: ast.expr) -> bool:
    acts = ast.Call | ast.Await | ast.NamedExpr | ast.Subscript
    return not any(isinstance(node, acts) for node in ast.walk(value))
