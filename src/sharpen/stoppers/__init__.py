"""Early-stopping rules by name; adding one is a module and a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sharpen.errors import UsageError
from sharpen.spec import EarlyTerminate, Metric
from sharpen.stoppers.hyperband import UNNAMED, Hyperband
from sharpen.stoppers.never import Never
from sharpen.stoppers.port import Stopper

__all__ = ["STOPPERS", "Hyperband", "Never", "Stopper", "make"]

STOPPERS: Mapping[str, Callable[[EarlyTerminate, Metric], Stopper]] = {"hyperband": Hyperband}


def make(stop: EarlyTerminate | None, metric: Metric = UNNAMED) -> Stopper:
    """Return the rule that a sweep asks for, or the one that never stops a trial.

    Args:
        stop: The sweep's ``early_terminate``.
        metric: What the values are called in reasons, and which way round they are shown.

    Raises:
        UsageError: There is no rule of that name.

    >>> make(None)
    Never()
    """
    if stop is None:
        return Never()
    if stop.type not in STOPPERS:
        raise UsageError(f"no stop rule is called {stop.type!r}; known: {', '.join(STOPPERS)}")
    return STOPPERS[stop.type](stop, metric)
