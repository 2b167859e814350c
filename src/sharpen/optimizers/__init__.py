"""Search methods by name; adding one is a module and a row, or an entry point of another package."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from sharpen.errors import MissingExtra, UsageError
from sharpen.optimizers.grid import GridSearch
from sharpen.optimizers.port import Optimizer
from sharpen.optimizers.random import RandomSearch

__all__ = ["GROUP", "OPTIMIZERS", "GridSearch", "Optimizer", "RandomSearch", "make", "names"]

GROUP = "sharpen.optimizers"

OPTIMIZERS: Mapping[str, str] = {
    "random": "sharpen.optimizers.random:RandomSearch",
    "grid": "sharpen.optimizers.grid:GridSearch",
    "bayes": "sharpen.optimizers.gp:GaussianProcess",
    "gp": "sharpen.optimizers.gp:GaussianProcess",
    "tpe": "sharpen.optimizers.tpe:Tpe",
    "cmaes": "sharpen.optimizers.cmaes:CmaEs",
    "nsga2": "sharpen.optimizers.nsga2:Nsga2",
}
"""Where each method is, as an entry point says it; a module is imported when its method is asked for."""


def names() -> tuple[str, ...]:
    """Return every method's name, those of plugins last."""
    return tuple(OPTIMIZERS) + tuple(name for name in _plugins() if name not in OPTIMIZERS)


def make(method: str, options: Mapping[str, Any] | None = None, seed: int | None = None) -> Optimizer:
    """Return the search method of a name.

    Args:
        method: A name of the table, or of an entry point in the group ``sharpen.optimizers``: a dataclass
            of settings with an ``ask``.
        options: Settings by name, for those that are not to be the method's own defaults.
        seed: The sweep's seed; methods that want to know trial ``n``'s place in a sequence take it.

    Raises:
        UsageError: There is none of that name, it has no such setting, a setting is of the wrong type, or
            a plugin cannot be loaded.
        MissingExtra: It needs a library that is not installed.

    >>> make("grid")
    GridSearch(retries=0)
    >>> make("gp", {"n_startup": 5})
    Traceback (most recent call last):
    sharpen.errors.UsageError: gp has no option 'n_startup'; did you mean 'n_startup_trials'? ...
    """
    kind = _load(method)
    options = dict(options or {})
    settings = _settings(kind)
    for name, value in options.items():
        _check(method, settings, name, value)
    if seed is not None and any(f.name == "seed" for f in _fields(kind)):
        options["seed"] = seed
    return kind(**options)


def _load(method: str) -> Any:
    if method in OPTIMIZERS:
        return EntryPoint(method, OPTIMIZERS[method], GROUP).load()
    plugins = _plugins()
    if method not in plugins:
        known = names()
        close = difflib.get_close_matches(method, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"no search method is called {method!r}{hint} Known: {', '.join(known)}")
    return _loaded(plugins[method])


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> Any:
    package = f"package {point.dist.name} {point.dist.version}" if point.dist else "a plugin"
    where = f"search method {point.name!r} of {package} ({point.value})"
    try:
        kind = point.load()
    except MissingExtra:
        raise
    except Exception as error:
        raise UsageError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}. Mend or uninstall the package.",
            entry_point=point.value,
        ) from error
    if not callable(kind) or not callable(getattr(kind, "ask", None)):
        raise UsageError(
            f"{where} is not a search method: it must be a class with ask(space, history, n, rng)",
            entry_point=point.value,
        )
    return kind


def _fields(kind: Any) -> Sequence[dataclasses.Field[Any]]:
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def _settings(kind: Any) -> dict[str, Any]:
    """Return what a sweep file may set, with types; the seed is the sweep's."""
    hints = get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    return {
        f.name: hints[f.name]
        for f in _fields(kind)
        if not f.name.startswith("_") and f.name != "seed" and f.init
    }


def _check(method: str, settings: Mapping[str, Any], name: str, value: Any) -> None:
    if name not in settings:
        close = difflib.get_close_matches(name, settings, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ";"
        known = ", ".join(settings) or "none"
        raise UsageError(f"{method} has no option {name!r}{hint} It has: {known}", option=name, method=method)
    if not _fits(value, settings[name]):
        wanted = getattr(settings[name], "__name__", str(settings[name]))
        raise UsageError(
            f"{method}'s option {name} must be of type {wanted}, not {value!r}", option=name, method=method
        )


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value from a file fits an annotation; True for annotations that are not plain."""
    if get_origin(kind) in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(kind))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return not isinstance(kind, type) or kind not in (bool, str, NoneType) or isinstance(value, kind)
