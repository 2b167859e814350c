"""Early-stopping rules by name; adding one is a module and a row, or an entry point of another package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharpen.plugins import PluginFamily
from sharpen.spec import EarlyTerminate, Metric
from sharpen.spec.stopping import FIELDS
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

_FAMILY = PluginFamily("stop rule", GROUP, STOPPERS, port="should_stop(trial, history)", inner="metric")


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
        known = _FAMILY.settings(_FAMILY.load(stop.type))
        given = {name: getattr(stop, name) for name in FIELDS if name in known}
        options = {name: value for name, value in given.items() if value is not None}
    return build(stop.type, {**options, **stop.options}, metric)


def build(name: str, options: Mapping[str, Any] | None = None, metric: Metric = UNNAMED) -> Stopper:
    """Return the rule of a name with the given settings.

    Args:
        name: A name of the table, or of an entry point in the group ``sharpen.stoppers``: a dataclass of
            settings with a ``should_stop``.
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
    return _FAMILY.make(name, options, metric)


def names() -> tuple[str, ...]:
    """Return every rule's name, those of plugins last.

    >>> names()[:4]
    ('hyperband', 'asha', 'median', 'racing')
    """
    return _FAMILY.names()
