"""Early-stopping rules by name; adding one is a module and a row, or an entry point of another package."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sharpen.errors import MissingExtra, UsageError
from sharpen.spec import EarlyTerminate, Metric
from sharpen.stoppers.never import Never
from sharpen.stoppers.port import Stopper
from sharpen.stoppers.reports import UNNAMED

__all__ = ["GROUP", "STOPPERS", "Never", "Stopper", "build", "make", "names"]

GROUP = "sharpen.stoppers"

STOPPERS: Mapping[str, str] = {
    "hyperband": "sharpen.stoppers.hyperband:Hyperband",
    "asha": "sharpen.stoppers.asha:Asha",
    "median": "sharpen.stoppers.median:Median",
    "racing": "sharpen.stoppers.racing:Racing",
}
"""Where each rule is, as an entry point says it; a module is imported when its rule is asked for."""

WRITTEN = ("min_iter", "max_iter", "s", "eta", "strict")  # settings that a sweep's early_terminate has itself


def make(stop: EarlyTerminate | None, metric: Metric = UNNAMED) -> Stopper:
    """Return the rule that a sweep asks for, or the one that never stops a trial.

    Args:
        stop: The sweep's ``early_terminate``. A rule of sharpen's own takes those of its fields that it has
            settings for, and its ``options``; a plugin takes its ``options``.
        metric: What the values are called in reasons, and which way round they are shown.

    Raises:
        UsageError: As for :func:`build`.

    >>> make(None)
    Never()
    >>> make(EarlyTerminate(min_iter=2, type="median"))
    Median(min_iter=2, min_runs=5, interval=1, values='running_mean', ...)
    """
    if stop is None:
        return Never()
    options: dict[str, Any] = {}
    if stop.type in STOPPERS:
        known = _settings(_load(stop.type))
        given = {name: getattr(stop, name) for name in WRITTEN if name in known}
        options = {name: value for name, value in given.items() if value is not None}
    return build(stop.type, {**options, **getattr(stop, "options", {})}, metric)


def build(name: str, options: Mapping[str, Any] | None = None, metric: Metric = UNNAMED) -> Stopper:
    """Return the rule of a name with the given settings.

    Args:
        name: A name of the table, or of an entry point in the group ``sharpen.stoppers``: a dataclass of
            settings with a ``judge``.
        options: Settings by name, for those that are not to be the rule's own defaults.
        metric: Given to rules with a setting ``metric``, for their reasons' words.

    Raises:
        UsageError: There is none of that name, it has no such setting, a setting is of the wrong type or
            makes no sense, or a plugin cannot be loaded.
        MissingExtra: It needs a library that is not installed.

    >>> build("asha", {"min_iter": 2})
    Asha(min_iter=2, eta=3.0, ...)
    >>> build("racing", {"levle": 0.1})
    Traceback (most recent call last):
    sharpen.errors.UsageError: racing has no setting 'levle'; did you mean 'level'? It has: level, ...
    """
    kind = _load(name)
    settings = _settings(kind)
    given = dict(options or {})
    for option, value in given.items():
        _check(name, settings, option, value)
    if any(f.name == "metric" for f in _fields(kind)):
        given["metric"] = metric
    return kind(**given)


def names() -> tuple[str, ...]:
    """Return every rule's name, those of plugins last.

    >>> names()[:4]
    ('hyperband', 'asha', 'median', 'racing')
    """
    return (*STOPPERS, *(name for name in _plugins() if name not in STOPPERS))


def _load(name: str) -> Any:
    if name in STOPPERS:
        return EntryPoint(name, STOPPERS[name], GROUP).load()
    plugins = _plugins()
    if name not in plugins:
        known = names()
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ";"
        raise UsageError(f"no stop rule is called {name!r}{hint} known: {', '.join(known)}")
    return _loaded(plugins[name])


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> Any:
    package = f"package {point.dist.name} {point.dist.version}" if point.dist else "a plugin"
    where = f"stop rule {point.name!r} of {package} ({point.value})"
    try:
        kind = point.load()
    except MissingExtra:
        raise
    except Exception as error:
        raise UsageError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}. Mend or uninstall the package.",
            entry_point=point.value,
        ) from error
    if not isinstance(kind, type) or not callable(getattr(kind, "judge", None)):
        raise UsageError(
            f"{where} is not a stop rule: it must be a class with judge(trial, history)",
            entry_point=point.value,
        )
    return kind


def _fields(kind: Any) -> Sequence[dataclasses.Field[Any]]:
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def _settings(kind: Any) -> dict[str, Any]:
    """Return what a sweep file may set, with types; the metric is the sweep's."""
    hints = get_type_hints(kind) if _fields(kind) else {}
    may_set = (f.name for f in _fields(kind) if f.init and not f.name.startswith("_"))
    return {name: hints[name] for name in may_set if name != "metric"}


def _check(rule: str, settings: Mapping[str, Any], name: str, value: Any) -> None:
    if name not in settings:
        close = difflib.get_close_matches(name, settings, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ";"
        known = ", ".join(settings) or "none"
        raise UsageError(f"{rule} has no setting {name!r}{hint} It has: {known}", rule=rule, setting=name)
    if not _fits(value, settings[name]):
        raise UsageError(
            f"{rule}: {name} must be {_words(settings[name])}, not {value!r}", rule=rule, setting=name
        )


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value from a file fits an annotation; True for annotations that are not plain."""
    if get_origin(kind) in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind in (int, float):
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return not isinstance(kind, type) or isinstance(value, kind)


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_words(part) for part in get_args(kind))
    known = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a text",
        type(None): "nothing",
    }
    return known.get(kind, str(kind))
