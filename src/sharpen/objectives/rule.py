"""A rule of one's own as an objective: a function from bars to positions. It imports little at first."""
# ruff: noqa: PLC0415 - as just said

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sharpen.errors import UsageError
from sharpen.objectives.program import flag, library_versions

if TYPE_CHECKING:
    import numpy as np

    from sharpen.arrays import Floats
    from sharpen.bars import Panel
    from sharpen.folds import Fold, WalkForward
    from sharpen.objectives.fold_score import FoldScore, TradedPanel
    from sharpen.objectives.port import SavedModel

COSTS: Mapping[str, tuple[float, str]] = {
    "cost_bps": (5.0, "cost of trading, in 1/10000 of the value traded"),
    "delisting_return": (0.0, "what a holder earns after the last close of a symbol that was delisted"),
    "risk_free_rate": (0.0, "what the capital could earn without risk, a year"),
    "borrow_rate": (0.0, "what it costs to borrow what is sold short, a year"),
}


@dataclass(frozen=True, eq=False)
class Decided:
    """Bars, the configuration that meets them, and what they cost to trade."""

    panel: Panel
    config: Mapping[str, Any]
    market: TradedPanel


@dataclass(frozen=True)
class Rule:
    """Positions by a function, and by what another function has learnt from a fold's training bars.

    On the first fold it is checked that the rule does not look ahead: positions must stay as they are when
    later prices change.

    Attributes:
        decide: ``decide(panel, config, model)`` returns the position wanted at the close of each bar, in
            [-1, 1], by bars up to that one; NaN is none. (T, S)
        fit: ``fit(panel, config, rng)`` returns a model from the training bars, which is all that it sees;
            None where nothing is learnt, and the model is None.
        options: The names of the settings and their default values, whose types are the settings'. An option
            of every walk-forward program, such as ``min_trades``, gets another default.
        warmup_bars: Bars at the beginning without positions.
        libraries: Packages whose versions can change a figure.

    >>> import numpy as np
    >>> rule = Rule(lambda panel, config, model: np.ones(panel.close.shape), options={"fast_bars": 10})
    >>> rule.options["fast_bars"]
    10
    """

    decide: Callable[[Panel, Mapping[str, Any], Any], Floats]
    fit: Callable[[Panel, Mapping[str, Any], np.random.Generator], Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    warmup_bars: int = 0
    libraries: tuple[str, ...] = ("numpy",)

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the rule's settings, and what trading costs; of options that are there, change the default."""
        for name, value in self.options.items():
            if parser.get_default(name) is not None:
                parser.set_defaults(**{name: value})
                continue
            kind = cast("Callable[[str], Any]", flag if isinstance(value, bool) else type(value))
            parser.add_argument(f"--{name}", type=kind, default=value, help="a setting of the rule")
        for name, (value, help_text) in COSTS.items():
            if name not in self.options:
                parser.add_argument(f"--{name}", type=float, default=value, help=help_text)

    def versions(self, config: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the versions of the rule's libraries."""
        return library_versions(*self.libraries)

    def prepare(self, config: Mapping[str, Any], panel: Panel) -> Decided:
        """Return the bars, with what they cost to trade."""
        from sharpen.objectives.fold_score import TradedPanel

        costs = {name: float(config[name]) for name in COSTS}
        return Decided(panel, config, TradedPanel(panel, bars_per_year=panel.bars_per_year, **costs))

    def first_bar(self, examples: Decided) -> int:
        """Return how many bars warm up."""
        return self.warmup_bars

    def score(self, examples: Decided, fold: Fold, seed: int) -> FoldScore:
        """Return what the rule earns on a fold.

        Raises:
            UsageError: Positions are of the wrong shape, or outside [-1, 1], or they look ahead.
        """
        return self.score_model(examples, fold, self._model(examples, fold, seed))

    def score_model(self, examples: Decided, fold: Fold, model: Any) -> FoldScore:
        """Return what the rule earns on a fold with a model that has been trained.

        Raises:
            UsageError: As of :meth:`score`.
        """
        from sharpen.objectives.fold_score import score_decisions

        seen = examples.panel.slice(0, fold.val_stop)
        position = self._positions(seen, examples.config, model)
        if fold.number <= 1:
            self._refuse_look_ahead(examples, fold, model)
        inside, outside = (fold.train_start, fold.train_stop), (fold.val_start, fold.val_stop)
        return score_decisions(examples.market, fold, position[slice(*inside)], position[slice(*outside)])

    def save_model(self, examples: Decided, seed: int, folder: Path) -> SavedModel | None:
        """Keep nothing: how to save what ``fit`` returns, only the program knows."""
        return None

    def rehearse(self, config: Mapping[str, Any], panel: Panel, plan: WalkForward) -> None:
        """Do nothing ahead: what the functions need, the program has imported."""

    def _model(self, examples: Decided, fold: Fold, seed: int) -> Any:
        if self.fit is None:
            return None

        from sharpen.seeds import rng_for

        bars = examples.panel.slice(fold.train_start, fold.train_stop)
        return self.fit(bars, examples.config, rng_for(seed, "fold", fold.number))

    def _positions(self, panel: Panel, config: Mapping[str, Any], model: Any) -> Floats:
        import numpy as np

        position = np.asarray(self.decide(panel, config, model), dtype=np.float64)
        if position.shape != panel.close.shape:
            raise UsageError(
                f"decide returned positions of shape {position.shape} for {len(panel)} bars of "
                f"{len(panel.symbols)} symbols: return one of shape {panel.close.shape}"
            )
        return position

    def _refuse_look_ahead(self, examples: Decided, fold: Fold, model: Any) -> None:
        import numpy as np

        panel = examples.panel.slice(0, fold.val_stop)
        middle = (fold.val_start + fold.val_stop) // 2
        higher, lower = (
            self._positions(_from_then_on(panel, middle, factor), examples.config, model)[:middle]
            for factor in (10.0, 0.1)
        )
        differs = ~np.isclose(higher, lower, equal_nan=True).all(axis=1)
        if differs.any():
            time = str(panel.time[int(np.flatnonzero(differs)[0])].astype("datetime64[s]"))
            raise UsageError(
                f"the rule looks ahead: its position at {time} changes when the prices from "
                f"{panel.time[middle].astype('datetime64[s]')} on do. Decide by bars up to that one: no "
                "centred windows, no figures of the whole panel such as its mean, no shift(-1)"
            )


def _from_then_on(panel: Panel, first: int, factor: float) -> Panel:
    """Return a panel whose prices and volumes are multiplied by a factor from a bar on."""
    import numpy as np

    scale = np.where(np.arange(len(panel)) >= first, factor, 1.0)[:, None]
    names = ("open", "high", "low", "close", "volume")
    return replace(panel, **{name: getattr(panel, name) * scale for name in names})
