"""A stored model as a strategy. Its digest is checked before anything parses the file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sharpen.arrays import Floats
from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.features import compute
from sharpen.objectives.boosted.booster import Model, make
from sharpen.objectives.boosted.scoring import decide
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.paper.orders import bar_name
from sharpen.paper.ports import Strategy
from sharpen.regular_file import open_file


@dataclass(frozen=True, eq=False)
class BoostedStrategy:
    """A boosted classifier that decides as it did in its backtest.

    Attributes:
        digest: SHA-256 of the model file.
        symbols: What it was trained on, in order.
        settings: Its configuration.
        model: The trained trees.
        feature_names: What it was trained with, in order.
    """

    digest: str
    symbols: tuple[str, ...]
    settings: ClassifierSettings
    model: Model
    feature_names: tuple[str, ...]

    def targets(self, panel: Panel, first_bar: int) -> Floats:
        """Return the position wanted at the close of each bar from the first on: (T, S).

        Raises:
            UsageError: The panel has other symbols, or this version computes other features.
        """
        if panel.symbols != self.symbols:
            raise UsageError(
                f"the model trades {', '.join(self.symbols)}; the bars are of {', '.join(panel.symbols)}"
            )
        features = compute(panel)
        if features.names != self.feature_names:
            raise UsageError(
                "this version of sharpen computes other features than the model was trained with"
            )
        return decide(self.settings, self.model, features.values[first_bar:])


def load_strategy(path: Path, digest: str, facts: Mapping[str, Any]) -> BoostedStrategy:
    """Return the strategy of a model file.

    Args:
        path: The file.
        digest: The SHA-256 that it must have.
        facts: What was stored with it: settings, symbols, feature_names.

    Raises:
        UsageError: The file is not the one that was stored, or the facts do not describe a classifier.
    """
    check_digest(path, digest)
    try:
        settings = ClassifierSettings.of(facts["settings"])
        names, symbols = tuple(facts["feature_names"]), tuple(facts["symbols"])
    except (KeyError, TypeError) as problem:
        raise UsageError(
            f"what was stored with {path} does not describe a classifier: {problem!r}"
        ) from problem
    return BoostedStrategy(digest, symbols, settings, make(settings.model).load(path), names)


def check_digest(path: Path, digest: str) -> None:
    """Refuse a file that is not the one that was stored.

    Raises:
        UsageError: Its SHA-256 is another one, or it cannot be read.
    """
    actual = file_digest(path)
    if actual != digest:
        raise UsageError(
            f"{path} has the digest {actual[:12]}, not {digest[:12]}: it was changed or cut off after it was"
            " stored, so it is not loaded; get the stored file again"
        )


def suffix_of(facts: Mapping[str, Any]) -> str:
    """Return what the name of a model file must end in for its library to read it.

    Raises:
        UsageError: The facts name no model.
    """
    try:
        return make(str(facts["settings"]["model"])).suffix
    except (KeyError, TypeError) as problem:
        raise UsageError(f"what was stored with the model does not name its kind: {problem!r}") from problem


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises:
        UsageError: There is no such file.
    """
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise UsageError(f"cannot read the model {path}: {problem.strerror}") from problem


@dataclass(frozen=True, eq=False)
class HoldStrategy:
    """Always fully invested: the baseline, and what a trader is tried out with.

    >>> HoldStrategy(("AAPL",)).digest
    'hold0000'
    """

    symbols: tuple[str, ...]
    digest: str = "hold0000"

    def targets(self, panel: Panel, first_bar: int) -> Floats:
        """Return 1 for every bar and symbol."""
        return np.ones((len(panel) - first_bar, len(self.symbols)))


@dataclass(frozen=True, eq=False)
class SwitchedStrategy:
    """What an account decided by whose model changed: each model up to its last bar, then the next.

    Attributes:
        earlier: The name of a model's last bar, and the model; the oldest first.
        newest: The model since then.
    """

    earlier: tuple[tuple[str, Strategy], ...]
    newest: Strategy

    @property
    def digest(self) -> str:
        """SHA-256 of the newest model file."""
        return self.newest.digest

    @property
    def symbols(self) -> tuple[str, ...]:
        """What the newest model trades."""
        return self.newest.symbols

    def targets(self, panel: Panel, first_bar: int) -> Floats:
        """Return the position wanted at the close of each bar from the first on, by its model: (T, S)."""
        names = np.array([bar_name(time) for time in panel.time[first_bar:]])
        positions = self.newest.targets(panel, first_bar)
        for last, strategy in reversed(self.earlier):
            positions = np.where((names <= last)[:, None], strategy.targets(panel, first_bar), positions)
        return positions
