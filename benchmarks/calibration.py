"""How often the verdict calls noise real, and how often it finds an edge that is there.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py            the whole table, an hour or two
    OMP_NUM_THREADS=1 python benchmarks/calibration.py --quick    about five minutes on two cores

Every world is made up. A configuration is a bet on 15 factors without any edge, so a method that learns can
learn: there is a best bet on the noise, and cmaes finds it. In planted worlds every bet has the same true
Sharpe ratio on top. The search runs in memory through the methods of a sweep. What a store would have of it
goes through the functions that `sharpen report` calls: they count what was tried in this sweep and in others,
make the evidence, and judge it.

The cells are not every product of world, method, number of trials, fate of the losers and number of sweeps.
They hold every pair of two such settings, as far as the method is quick enough. A cell runs worlds until
its time is over, and says how many they were.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations, islice, product

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import signal

from sharpen.arrays import Bools, Floats, Times
from sharpen.optimizers import make
from sharpen.overfit import (
    Evidence,
    autocorrelation_factor,
    judge,
    luck_bar,
    moments,
    noise_variance,
    probability_above,
    share_interval,
    sharpe_interval,
)
from sharpen.report.model import Entry
from sharpen.report.returns import evidence_of
from sharpen.seeds import rng_for
from sharpen.space import Float, Space
from sharpen.store.rows import RunRow, SweepRow
from sharpen.trial import Trial, TrialState
from sharpen.views.family import Family
from sharpen.views.returns import Series
from sharpen.views.trials import ReturnsFigures, SweepTrials

YEAR = 252
N_FACTORS = 15
BATCH = 12  # trials that are asked for at once: a generation of cmaes over 15 parameters
SETTINGS: Mapping[str, tuple[object, ...]] = {
    "world": ("iid", "fat tails", "skewed", "autocorrelated", "garch", "regimes"),
    "method": ("random", "gp", "cmaes", "tpe"),
    "n": (1, 40, 300, 2000),
    "losers": ("honest", "failing", "shy", "late"),
    "sweeps": (1, 2),
}
SLOW = {"gp": 40, "tpe": 300}  # the most trials of methods that think long
REFERENCE = ("iid", "cmaes", 2000, "honest", 1)


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a table.

    Attributes:
        world: How the bars are made.
        method: What searches.
        n: How many configurations it tries.
        losers: What those below the median do: keep their returns, raise, keep none, or be stopped early.
        sweeps: With 2, the winner is tried again alone in a second sweep, and judged there.
        true_sharpe: Annual, of every configuration.
        n_bars: Of the validation windows together.
    """

    world: str
    method: str
    n: int
    losers: str
    sweeps: int
    true_sharpe: float = 0.0
    n_bars: int = 1672

    @property
    def names(self) -> tuple[str, ...]:
        """The settings as text."""
        return self.world, self.method, str(self.n), self.losers, str(self.sweeps)


@dataclass(frozen=True, slots=True)
class Count:
    """How often something was so, in how many worlds."""

    hits: int
    of: int

    @property
    def text(self) -> str:
        """The share, and its exact 95 % interval."""
        interval = share_interval(self.hits, self.of)
        return f"{self.hits / self.of:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def bars(kind: str, rng: np.random.Generator, n_bars: int, n: int) -> Floats:
    """Return independent series of mean 0 and variance 1. (T, n)."""
    if kind == "fat tails":
        return rng.standard_t(4, (n_bars, n)) / math.sqrt(2.0)
    if kind == "skewed":
        return (0.5 - rng.gamma(0.5, size=(n_bars, n))) / math.sqrt(0.5)
    shocks = rng.normal(size=(n_bars + 200, n))
    if kind == "autocorrelated":
        return signal.lfilter([1.0], [1.0, -0.4], shocks, axis=0)[200:] * math.sqrt(1 - 0.4**2)
    if kind == "garch":
        return _garch(shocks)[200:]
    if kind == "regimes":
        is_wild = (np.cumsum(rng.random(n_bars) < 1 / 60) % 2).astype(np.bool_)
        return shocks[200:] * np.where(is_wild, 1.9, 0.5)[:, None] / math.sqrt(0.5 * (1.9**2 + 0.5**2))
    return shocks[200:]


def _garch(shocks: Floats) -> Floats:
    # the variance of all factors rises together, as it does in a market
    made = np.empty_like(shocks)
    variance = 1.0
    for t in range(len(shocks)):
        made[t] = math.sqrt(variance) * shocks[t]
        variance = 0.05 + 0.1 * float((made[t] ** 2).mean()) + 0.85 * variance
    return made


def search(cell: Cell, factors: Floats, edge: float, seed: int) -> tuple[Floats, Bools]:
    """Return the returns of every configuration in its order, and which of them ended well. (T, N), (N,)."""
    n_factors = factors.shape[1]
    space = Space({f"x{d}": Float(0.0, 1.0) for d in range(n_factors)})
    optimizer = make(cell.method, seed=seed)
    history: list[Trial] = []
    columns: list[Floats] = []
    scores: list[float] = []
    while len(history) < cell.n:
        n_more = min(BATCH, cell.n - len(history))
        asked = optimizer.ask(space, history, n_more, rng_for(seed, "ask", len(history) + 1))
        for proposal in asked:
            weights = 2.0 * np.array([proposal.config[f"x{d}"] for d in range(n_factors)]) - 1.0
            column = factors @ (weights / max(float(np.linalg.norm(weights)), 1e-9)) + edge
            score = float(column.mean() / column.std(ddof=1))
            is_lost = len(scores) > 1 and score < float(np.median(scores))
            failed = cell.losers == "failing" and is_lost
            history.append(
                Trial(
                    len(history) + 1,
                    proposal.config,
                    TrialState.FAILED if failed else TrialState.FINISHED,
                    score=None if failed else score,
                    origin=proposal.origin,
                )
            )
            columns.append(column)
            scores.append(score)
    is_kept = np.array(scores) >= np.median(scores) if cell.losers != "honest" else np.ones(cell.n, np.bool_)
    return np.column_stack(columns), is_kept


def tried_in(sweep_id: str, text: str, cell: Cell, returns: Floats, is_kept: Bools) -> SweepTrials:
    """Return what a store has of a sweep: each run in the state that its kind of loser ends in."""
    fates = {"honest": TrialState.FINISHED, "shy": TrialState.FINISHED, "failing": TrialState.FAILED}
    lost = fates.get(cell.losers, TrialState.STOPPED)
    runs: list[RunRow] = []
    for k, is_good in enumerate(is_kept):
        state = TrialState.FINISHED if is_good else lost
        score = None if state is TrialState.FAILED else float(returns[:, k].mean() / returns[:, k].std())
        ends = {"created_at": 0.0, "started_at": 0.0, "ended_at": 1.0}
        blank = {"reason": "", "origin": "method", "exit_code": 0, "token": 1, "lost": 0, "agent_id": None}
        more = {"lease_key": None, "stop": "", "summary": {}, **blank, **ends}
        run_id = f"{sweep_id}-{k + 1}"
        runs.append(RunRow(run_id, sweep_id, k + 1, state, config={"x0": k}, score=score, **more))
    row = SweepRow(sweep_id, "bets", "done", "", text, "bets.yaml", "/", 0, None, 0.0, 1.0, {})
    return SweepTrials(row, tuple(runs), {}, frozenset())


def kept_of(cell: Cell, returns: Floats, is_kept: Bools, market: Floats) -> dict[int, Series]:
    """Return the returns that a sweep kept, by run number; of late losers every other one has a quarter."""
    n_short = len(returns) // 4 if cell.losers == "late" else 0
    n_bars = {k: len(returns) for k in np.flatnonzero(is_kept)}
    n_bars |= {k: n_short for k in np.flatnonzero(~is_kept)[::2] if n_short}
    time = np.busday_offset("1990-01-01", np.arange(len(returns)), roll="forward").astype("datetime64[us]")
    fold = np.ones(len(returns), dtype=np.int64)
    return {int(k) + 1: Series(time[:n], fold[:n], returns[:n, k], market[:n]) for k, n in n_bars.items()}


@dataclass(frozen=True)
class InMemory(Family):
    """A family whose other sweep's returns lie in memory, where a store has files."""

    series: tuple[Series, ...] = ()

    def series_elsewhere(self, time: Times, n_most: int) -> Iterator[Series]:
        """Return those that have these bars."""
        return islice((one for one in self.series if len(one.time) >= len(time)), n_most)


def evidence_in(cell: Cell, returns: Floats, is_kept: Bools, market: Floats, seed: int) -> Evidence:
    """Return the evidence that a report makes of a store with these sweeps."""
    varied = ", ".join(f"x{d}: {{min: 0.0, max: 1.0}}" for d in range(N_FACTORS))
    series = kept_of(cell, returns, is_kept, market)
    trials = tried_in("first", _sweep_file(cell.method, varied, seed), cell, returns, is_kept)
    figures = {f"first-{number}": ReturnsFigures.of(one) for number, one in series.items()}
    searched = replace(trials, figures=figures)
    entries = [Entry(run, TrialState(run.state), {}, {}) for run in trials.runs if is_kept[run.number - 1]]
    best = max(entries, key=lambda entry: entry.run.score or -math.inf)
    tried = Family(searched, ())
    if cell.sweeps == 2:
        own = returns[:, [best.number - 1]]
        text = _sweep_file("grid", "x0: {value: 0.5}", seed)
        alone = tried_in("alone", text, replace(cell, losers="honest"), own, np.ones(1, np.bool_))
        alone = replace(alone, figures={"alone-1": figures[f"first-{best.number}"]})
        tried = InMemory(alone, (searched,), series=tuple(series.values()))
        series = {1: series[best.number]}
        best = Entry(alone.runs[0], TrialState.FINISHED, {}, {})
    # of the finished ones the best alone, for the overfitting test decides nothing
    return evidence_of(best, [series[best.number].returns], series, tried)


def _sweep_file(method: str, parameters: str, seed: int) -> str:
    metric = "metric: {name: val/sharpe, goal: maximize}"
    return f"program: bets.py\nmethod: {method}\n{metric}\nseed: {seed}\nparameters: {{{parameters}}}\n"


def is_real(evidence: Evidence) -> bool:
    """Return whether the verdict is real; the rest of the judge's work is left out where one check fails."""
    best = evidence.best_returns
    inflation = autocorrelation_factor(best)
    floor = noise_variance(len(best), inflation)
    estimate = moments(best)
    bar = luck_bar(evidence.comparable_sharpes, evidence.columns, evidence.n_trials, floor, evidence.n_fitted)
    return probability_above(estimate, bar.sharpe, inflation) >= 0.95 and judge(evidence).kind == "real"


def world(cell: Cell, number: int) -> bool:
    """Return whether the verdict in one made-up world is real."""
    seed = int(rng_for(number, *cell.names, str(cell.true_sharpe), cell.n_bars).integers(2**31))
    rng = rng_for(seed, "bars")
    factors = 0.01 * bars(cell.world, rng, cell.n_bars, N_FACTORS)
    edge = 0.01 * cell.true_sharpe / math.sqrt(YEAR)
    market = rng.normal(0.0002, 0.01, cell.n_bars)
    returns, is_kept = search(cell, factors, edge, seed)
    return is_real(evidence_in(cell, returns, is_kept, market, seed))


def count(cell: Cell, seconds: float, most: int) -> Count:
    """Return how many worlds of a cell were called real, in the time given; at least eight are made."""
    warnings.simplefilter("ignore")
    end = time.monotonic() + seconds
    hits = of = 0
    while of < most and (of < 8 or time.monotonic() < end):
        hits += world(cell, of)
        of += 1
    return Count(hits, of)


def coverage(kind: str, n_bars: int, true_sharpe: float, seconds: float, most: int) -> tuple[Count, Count]:
    """Return how often the 95 % interval lies above the truth, and how often below."""
    end = time.monotonic() + seconds
    above = below = of = 0
    truth = true_sharpe / math.sqrt(YEAR)
    while of < most and (of < 20 or time.monotonic() < end):
        rng = rng_for(of, "coverage", kind, n_bars, str(true_sharpe))
        returns = bars(kind, rng, n_bars, 1)[:, 0] + truth
        interval = sharpe_interval(returns, 1.0, rng, n_resamples=1000)
        above += interval.low > truth
        below += interval.high < truth
        of += 1
    return Count(above, of), Count(below, of)


def cells(quick: bool) -> list[Cell]:
    """Return rows such that every two settings meet in one of them, as far as they may; greedily."""
    rows = [row for row in product(*SETTINGS.values()) if row[2] <= SLOW.get(str(row[1]), 2000)]  # type: ignore[operator]
    if quick:
        rows = [row for row in rows if row[2] <= (40 if row[1] in SLOW else 300)]  # type: ignore[operator]
    open_pairs = {pair for row in rows for pair in _pairs(row)}
    chosen = [] if quick else [REFERENCE]
    for row in chosen:
        open_pairs -= _pairs(row)
    while open_pairs:
        row = max(rows, key=lambda candidate: len(_pairs(candidate) & open_pairs))
        open_pairs -= _pairs(row)
        chosen.append(row)
    return [Cell(*row) for row in chosen]  # type: ignore[arg-type]


def _pairs(row: Sequence[object]) -> set[tuple[int, object, int, object]]:
    return {(i, row[i], j, row[j]) for i, j in combinations(range(len(row)), 2)}


def planted(quick: bool) -> list[Cell]:
    """Return the worlds with an edge: each size over each number of years, other settings in turn."""
    worlds, losers = SETTINGS["world"], SETTINGS["losers"]
    searches = (("random", 1), ("random", 40), ("cmaes", 40), ("random", 300), ("cmaes", 300))
    worlds_with_edge = [
        Cell(str(worlds[k % 6]), *searches[k % 5], str(losers[k % 4]), 1 + k % 2, true_sharpe, YEAR * years)
        for k, (true_sharpe, years) in enumerate(product((0.5, 1.0, 1.5, 2.0, 3.0), (3, 6, 10)))
    ]
    more = [Cell("iid", *search, "honest", 1, 1.5, YEAR * 10) for search in searches]
    return worlds_with_edge + (
        more if quick else [*more, Cell("iid", "random", 2000, "honest", 1, 1.5, YEAR * 10)]
    )


@click.command()
@click.option("--quick", is_flag=True, help="About five minutes: fewer worlds a cell, no 2,000 trials.")
@click.option("--seconds", type=float, help="Of each cell; by default 6 with --quick, else 90.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--reference", is_flag=True, help="Only cmaes with 2,000 trials on 15 factors of noise.")
@click.option("--only", default="", help="Only rows of noise with these words, as 'skewed 1'.")
def main(quick: bool, seconds: float | None, workers: int, reference: bool, only: str) -> None:
    """Print three tables: noise, planted edges, and the interval's coverage."""
    budget = seconds or (6.0 if quick else 90.0)
    most = 100 if quick else 1000
    noise = [Cell(*REFERENCE)] if reference else cells(quick)
    noise = [cell for cell in noise if set(only.split()) <= set(" ".join(cell.names).split())]
    is_whole = not (reference or only)
    edges = planted(quick) if is_whole else []
    kinds = () if not is_whole else tuple(product(SETTINGS["world"], (504, 2520), (0.0, 1.0)))
    with ProcessPoolExecutor(workers) as pool:
        real = [pool.submit(count, cell, budget, most) for cell in noise]
        power = [pool.submit(count, cell, budget, most) for cell in edges]
        covers = [pool.submit(coverage, *kind, budget / 2, 4 * most) for kind in kinds]
        _print_noise(noise, [future.result() for future in real])
        if not is_whole:
            return
        _print_power(edges, [future.result() for future in power])
        _print_coverage(kinds, [future.result() for future in covers])


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _print_noise(noise: Sequence[Cell], counts: Sequence[Count]) -> None:
    columns = ("world", "method", "trials", "losers", "sweeps", "worlds", "real (95% interval)")
    table = _table("Noise called real: wanted, 5% or less", *columns)
    for cell, count in zip(noise, counts, strict=True):
        table.add_row(*cell.names, str(count.of), count.text)
    total = Count(sum(one.hits for one in counts), sum(one.of for one in counts))
    table.add_row("all", "", "", "", "", str(total.of), total.text)
    Console(width=120).print(table)


def _print_power(edges: Sequence[Cell], counts: Sequence[Count]) -> None:
    columns = ("true Sharpe", "years", "world", "method", "trials", "losers", "sweeps", "worlds", "real")
    table = _table("Edges found", *columns)
    for cell, count in zip(edges, counts, strict=True):
        years = cell.n_bars // YEAR
        table.add_row(str(cell.true_sharpe), str(years), *cell.names, str(count.of), count.text)
    Console(width=120).print(table)


def _print_coverage(kinds: Sequence[tuple[object, ...]], counts: Sequence[tuple[Count, Count]]) -> None:
    columns = ("world", "bars", "true Sharpe", "worlds", "interval above the truth", "below")
    table = _table("The 95% interval: wanted, 2.5% on each side", *columns)
    for (kind, n_bars, sharpe), (above, below) in zip(kinds, counts, strict=True):
        table.add_row(str(kind), str(n_bars), str(sharpe), str(above.of), above.text, below.text)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
