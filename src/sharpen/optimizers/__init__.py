"""Search methods by name; adding one is a module and a row."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from sharpen.errors import UsageError
from sharpen.optimizers.grid import GridSearch
from sharpen.optimizers.port import Optimizer
from sharpen.optimizers.random import RandomSearch

__all__ = ["OPTIMIZERS", "GridSearch", "Optimizer", "RandomSearch", "make"]


def _bayes() -> Optimizer:
    from sharpen.optimizers.bayes import Tpe  # noqa: PLC0415 - Optuna only for those who ask for it

    return Tpe()


OPTIMIZERS: Mapping[str, Callable[[], Optimizer]] = {
    "random": RandomSearch,
    "grid": GridSearch,
    "bayes": _bayes,
}


def make(method: str) -> Optimizer:
    """Return the search method of a name, in its default settings.

    Raises:
        UsageError: There is none of that name.
        MissingExtra: It needs a library that is not installed.

    >>> make("grid")
    GridSearch()
    """
    if method in OPTIMIZERS:
        return OPTIMIZERS[method]()
    close = difflib.get_close_matches(method, OPTIMIZERS, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"no search method is called {method!r}{hint} Known: {', '.join(OPTIMIZERS)}")
