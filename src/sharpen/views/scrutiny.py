"""What a sceptic asks of a winner: its costs, its years, its luckiest days, its neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharpen import metrics
from sharpen.arrays import Floats
from sharpen.bars import bars_per_year
from sharpen.overfit import Neighbourhood, dependent_sharpe, neighbourhood
from sharpen.space import Space
from sharpen.space.encoding import cube_of
from sharpen.spec import Metric
from sharpen.store.configurations import Configuration
from sharpen.views.returns import Series

N_NEIGHBOURS = 5
N_BEST = 5


@dataclass(frozen=True, slots=True)
class Scrutiny:
    """Figures of a winner; NaN where its program kept too little to tell.

    Sharpe ratios are annual and over all out-of-sample bars.

    Attributes:
        first: The first of these bars.
        last: The last of them.
        n_bars: How many there are.
        sharpe: As traded.
        sharpe_dependent: With Lo's (2002) correction for autocorrelation.
        sharpe_double_costs: At costs twice as high.
        sharpe_one_bar_late: With each decision filled one bar later.
        turnover: What is traded in a year, in times of the capital.
        break_even_bps: The cost of what is traded, in basis points, that leaves nothing.
        by_year: Sharpe ratio of each calendar year.
        best_days_share: Share of the summed profit that the best five days made.
        best_trades_share: The same of the best five trades.
        neighbours: What the nearest configurations scored.
        seeds: Scores under each seed, the lowest first; empty for one seed.
    """

    first: str
    last: str
    n_bars: int
    sharpe: float
    sharpe_dependent: float
    sharpe_double_costs: float
    sharpe_one_bar_late: float
    turnover: float
    break_even_bps: float
    by_year: Mapping[int, float]
    best_days_share: float
    best_trades_share: float
    neighbours: Neighbourhood | None
    seeds: tuple[float, ...] = ()

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Each question with its answer, in words."""
        years = ", ".join(f"{year} {_two(value)}" for year, value in self.by_year.items())
        costs = f"break even at {_two(self.break_even_bps)} bps; {self.turnover:.1f} times the capital a year"
        return (
            ("which bars?", f"{self.first} to {self.last}, {self.n_bars:,} out of sample"),
            ("and by year?", f"Sharpe {years}"),
            ("with autocorrelation counted (Lo)?", f"Sharpe {_two(self.sharpe_dependent)}"),
            ("at which costs is nothing left?", costs if math.isfinite(self.turnover) else _KEPT),
            ("at twice the costs?", _sharpe_or(self.sharpe_double_costs)),
            ("filled one bar later?", _sharpe_or(self.sharpe_one_bar_late)),
            (f"without its best {N_BEST} days?", _share(self.best_days_share, "day")),
            (f"without its best {N_BEST} trades?", _share(self.best_trades_share, "trade")),
            ("with other settings nearby?", self._nearby),
            ("with another seed?", self._other_seeds),
        )

    @property
    def _nearby(self) -> str:
        near = self.neighbours
        if near is None or not near.n_neighbours:
            return "no other configuration has a score"
        sentence = f"the {near.n_neighbours} nearest have a median of {_two(near.median)}"
        return f"{sentence}, {near.share:.0%} of the winner's" if near.share > 0.0 else sentence

    @property
    def _other_seeds(self) -> str:
        if len(self.seeds) < 2:
            return "not known: repeats: 3 in the sweep file runs each configuration under three"
        return f"from {_two(self.seeds[0])} to {_two(self.seeds[-1])} over {len(self.seeds)} seeds"

    def figures(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them; None for what is not known."""
        names = ("n_bars", "sharpe", "sharpe_dependent", "sharpe_double_costs", "sharpe_one_bar_late")
        names = (*names, "turnover", "break_even_bps", "best_days_share", "best_trades_share")
        values: dict[str, Any] = {"first": self.first, "last": self.last}
        values |= {name: _known(getattr(self, name)) for name in names}
        values["by_year"] = {str(year): _known(value) for year, value in self.by_year.items()}
        near = self.neighbours
        values["neighbours"] = near and {"median": _known(near.median), "n": near.n_neighbours}
        return values | {"seeds": list(self.seeds)}


def scrutinise(
    series: Series, winner: Configuration, trades_share: float, near: Neighbourhood
) -> Scrutiny | None:
    """Return what a sceptic asks of a winner; None where it has fewer than two bars.

    Args:
        series: Its out-of-sample returns.
        winner: The configuration.
        trades_share: What it logged as the share of profit of its best trades; NaN where it did not.
        near: Its neighbourhood.
    """
    if len(series.time) < 2:
        return None
    per_year, net = bars_per_year(series.time), series.returns
    gross, turnover = series.stress.get("gross"), series.stress.get("turnover")
    double = math.nan if gross is None else metrics.sharpe(metrics.at_costs(gross, net, 2.0), per_year)
    delayed = series.stress.get("delayed")
    return Scrutiny(
        first=str(series.time[0].astype("datetime64[D]")),
        last=str(series.time[-1].astype("datetime64[D]")),
        n_bars=len(net),
        sharpe=metrics.sharpe(net, per_year),
        sharpe_dependent=dependent_sharpe(net, per_year),
        sharpe_double_costs=double,
        sharpe_one_bar_late=math.nan if delayed is None else metrics.sharpe(delayed, per_year),
        turnover=math.nan if turnover is None else float(turnover.mean()) * per_year,
        break_even_bps=_break_even(gross, turnover),
        by_year=metrics.sharpe_by_year(net, series.time, per_year),
        best_days_share=metrics.best_share(metrics.daily_returns(net, series.time), N_BEST),
        best_trades_share=trades_share,
        neighbours=near,
        seeds=winner.scores if len(winner.runs) > 1 else (),
    )


def neighbours_of(
    winner: Configuration, groups: Sequence[Configuration], space: Space, metric: Metric
) -> Neighbourhood:
    """Return what the configurations nearest to the winner scored, of those that have ended.

    One that is outside of the space, as a person may have added it, is nobody's neighbour.
    """
    placed = [one for one in (winner, *groups) if space.contains(one.row.config)]
    if winner not in placed:
        return neighbourhood(math.nan, np.empty(0), np.empty(0))
    ended = [one for one in placed if one.row.number != winner.row.number and one.row.ended_at is not None]
    cube = cube_of(space)
    own, others = cube.encode([winner.row.config]), cube.encode([one.row.config for one in ended])
    gap: Floats = np.where(cube.is_category, others != own, others - own) if len(others) else others
    distances: Floats = np.sqrt(np.mean(np.square(gap), axis=1)) if gap.size else np.zeros(len(ended))
    score = winner.row.score
    scores = [math.nan if one.row.score is None else metric.larger_is_better(one.row.score) for one in ended]
    best = math.nan if score is None else metric.larger_is_better(score)
    return neighbourhood(best, distances, np.array(scores, dtype=np.float64), N_NEIGHBOURS)


def _break_even(gross: Floats | None, turnover: Floats | None) -> float:
    if gross is None or turnover is None:
        return math.nan
    return metrics.break_even_cost_bps(gross, turnover)


_KEPT = "not known: the program kept no gross returns and no turnover"


def _sharpe_or(value: float) -> str:
    return f"Sharpe {_two(value)}" if math.isfinite(value) else "not known: the program did not keep it"


def _share(share: float, unit: str) -> str:
    if not math.isfinite(share):
        return f"not known: there was no profit, or no {unit} was kept"
    return f"they made {share:.0%} of the profit" + (": the rest lost" if share > 1.0 else "")


def _two(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
