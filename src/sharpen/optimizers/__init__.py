"""Search methods by name; adding one is a module and a row, or an entry point of another package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharpen.optimizers.grid import GridSearch
from sharpen.optimizers.port import Answer, Done, Optimizer, Wait
from sharpen.optimizers.random import RandomSearch
from sharpen.plugins import PluginFamily

__all__ = [
    "GROUP",
    "OPTIMIZERS",
    "QUICK",
    "Answer",
    "Done",
    "GridSearch",
    "Optimizer",
    "RandomSearch",
    "Wait",
    "make",
    "names",
]

GROUP = "sharpen.optimizers"

OPTIMIZERS: Mapping[str, str] = {
    "random": "sharpen.optimizers.random:RandomSearch",
    "grid": "sharpen.optimizers.grid:GridSearch",
    "bayes": "sharpen.optimizers.gp:GaussianProcess",
    "gp": "sharpen.optimizers.gp:GaussianProcess",
    "tpe": "sharpen.optimizers.tpe:Tpe",
    "cmaes": "sharpen.optimizers.cmaes:CmaEs",
    "nsga2": "sharpen.optimizers.nsga2:Nsga2",
    "hyperband": "sharpen.optimizers.hyperband:Hyperband",
    "asha": "sharpen.optimizers.asha:Asha",
    "bohb": "sharpen.optimizers.bohb:Bohb",
    "dehb": "sharpen.optimizers.dehb:Dehb",
    "pbt": "sharpen.optimizers.pbt:Pbt",
    "pb2": "sharpen.optimizers.pb2:Pb2",
    "smac": "sharpen.optimizers.smac:Smac",
    "hebo": "sharpen.optimizers.hebo:Hebo",
    "queued": "sharpen.optimizers.queued:Queued",
}
"""Where each method is, as an entry point says it; a module is imported when its method is asked for."""

QUICK = frozenset(OPTIMIZERS) - {"smac", "hebo"}
"""Those that answer within milliseconds; any other is asked in another thread, and nobody waits for it."""

_FAMILY = PluginFamily("search method", GROUP, OPTIMIZERS, port="ask(space, history, n, rng)", inner="seed")


def names() -> tuple[str, ...]:
    """Return every method's name, those of plugins last."""
    return _FAMILY.names()


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
    sharpen.errors.UsageError: gp has no setting 'n_startup'; did you mean 'n_startup_trials'? ...
    """
    return _FAMILY.make(method, options, seed)
