"""The port that a boosting library fills, and the table of names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from sharpen.arrays import Bools, Floats
from sharpen.errors import NotFound
from sharpen.objectives.boosted.settings import ClassifierSettings


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Examples to train on. Axes: ``N`` examples, ``F`` features.

    Attributes:
        features: May hold NaN where a feature is not known. (N, F)
        is_up: Whether the price reached the upper barrier first. (N,)
        weight: (N,)
        names: Of the features. (F,)
    """

    features: Floats
    is_up: Bools
    weight: Floats
    names: tuple[str, ...]


class Model(Protocol):
    """A trained booster."""

    def predict(self, features: Floats) -> Floats:
        """Return the probability of "up" for each row. (N, F) -> (N,)."""
        ...

    def save(self, path: Path) -> None:
        """Write the model in the library's own format, which holds data and no code."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Fitted:
    """A model, and what it says of the rows that it was trained on, which training knows by the way.

    Attributes:
        model: The model.
        p_up: What :meth:`Model.predict` returns for those rows, to the bit. (N,)
        n_nodes: Splits and leaves of all of its trees.
    """

    model: Model
    p_up: Floats
    n_nodes: int


class Booster(Protocol):
    """A boosting library."""

    @property
    def version(self) -> str:
        """The library's version."""
        ...

    @property
    def suffix(self) -> str:
        """What the name of a model file ends in."""
        ...

    def cut(self, features: Floats, settings: ClassifierSettings) -> Any:
        """Return where the histogram bins of each feature end; of the settings only ``max_bin`` may matter.

        Args:
            features: Of every bar that may be trained on, whatever its label. (M, F)
            settings: The configuration.
        """
        ...

    def fit(self, rows: TrainingRows, cuts: Any, settings: ClassifierSettings, seed: int) -> Fitted:
        """Return a model trained on one thread, on rows in the bins of :meth:`cut`, which stay as they are.

        The same arguments give the same model.
        """
        ...

    def load(self, path: Path) -> Model:
        """Return the model that :meth:`Model.save` wrote."""
        ...


def _xgboost() -> Booster:
    return cast("Booster", import_module("sharpen.objectives.boosted.xgboost").XGBoost())


def _lightgbm() -> Booster:
    return cast("Booster", import_module("sharpen.objectives.boosted.lightgbm").LightGBM())


BOOSTERS: Mapping[str, Callable[[], Booster]] = {"xgboost": _xgboost, "lightgbm": _lightgbm}


def make(name: str) -> Booster:
    """Return the booster of a name.

    Raises:
        NotFound: No booster has that name.
        MissingExtra: Its library is not installed.

    >>> make("catboost")
    Traceback (most recent call last):
    sharpen.errors.NotFound: no model 'catboost': choose from lightgbm, xgboost
    """
    if name not in BOOSTERS:
        raise NotFound(f"no model {name!r}: choose from {', '.join(sorted(BOOSTERS))}", name=name)
    return BOOSTERS[name]()


@contextmanager
def lean_imports() -> Generator[None]:
    """Import libraries without scikit-learn, pandas and polars, which they would load but not need here.

    It takes about 1.5 seconds off the start of a training process, and polars would start a thread, after
    which no process can be forked. The price: in such a process the boosting library's scikit-learn classes
    (``XGBClassifier`` and the like) stay unusable, and so does TA-Lib with data frames; this is for a
    program that owns its process. What is imported already is left alone.
    """
    hidden = [name for name in ("sklearn", "pandas", "polars") if name not in sys.modules]
    modules = cast("dict[str, object]", sys.modules)
    modules.update(dict.fromkeys(hidden))  # None makes an import of it fail
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
