"""Parts of the page, worked out: the ruler, the leaderboard, the parameters, the commands."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharpen import spec
from sharpen.arrays import Floats
from sharpen.facts import BASELINE
from sharpen.permutation_null import PermutationTest
from sharpen.report import formatting
from sharpen.report.model import Analysis, Entry, Estimate
from sharpen.space import Choice, Constant, Dimension, Float, Int

SHOWN_RUNS = 40
SHOWN_STEPS = 24
TICKS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the ruler of Sharpe ratios; places are in per cent of its width."""

    name: str
    kind: str
    label: str
    at: float
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Ruler:
    """Sharpe ratios and their intervals on one scale, beside zero and what luck would show."""

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    luck: float | None
    luck_label: str


def ruler(analysis: Analysis) -> Ruler | None:
    """Return the best run beside buy-and-hold on one scale; None when either has no Sharpe ratio."""
    best, judgement = analysis.best, analysis.judgement
    if best is None or best.sharpe is None or best.baseline is None or not analysis.judgement.checks:
        return None
    luck = judgement.luck_sharpe
    rows = ((f"Run {best.number}", "own", best.sharpe), ("Buy-and-hold", "holding", best.baseline))
    ends = [x for _, _, e in rows for x in (e.value, e.interval.low, e.interval.high)]
    finite = [x for x in (0.0, luck, *ends) if math.isfinite(x)]
    pad = 0.04 * (max(finite) - min(finite)) or 0.1
    scale = _Scale(min(finite) - pad, max(finite) + pad)
    return Ruler(
        marks=tuple(_mark(name, kind, estimate, scale) for name, kind, estimate in rows),
        ticks=scale.ticks(),
        zero=scale.place(0.0),
        luck=scale.place(luck) if math.isfinite(luck) and judgement.n_trials > 1 else None,
        luck_label=f"best of {judgement.n_trials} by luck: {formatting.fixed(luck)}",
    )


@dataclass(frozen=True, slots=True)
class Strip:
    """A run's score among those on permuted histories, on one scale; places are in per cent of its width."""

    number: int
    test: PermutationTest
    own: float
    dots: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]
    score: str
    spread: str


def strips(analysis: Analysis) -> tuple[Strip, ...]:
    """Return a strip for each run that was compared with permuted histories."""
    return tuple(_strip(number, test) for number, test in analysis.permutations)


def _strip(number: int, test: PermutationTest) -> Strip:
    finite = [value for value in (*test.scores, test.score) if math.isfinite(value)]
    pad = 0.04 * (max(finite) - min(finite)) or 0.1
    scale = _Scale(min(finite) - pad, max(finite) + pad)
    decimals = formatting.decimals_for(finite)
    low, middle, high = (formatting.fixed(value, decimals) for value in test.own.spread)
    return Strip(
        number=number,
        test=test,
        own=scale.place(test.score),
        dots=tuple(scale.place(value) for value in test.scores if math.isfinite(value)),
        ticks=scale.ticks(),
        score=formatting.fixed(test.score, decimals),
        spread=f"{low} to {high}, median {middle}",
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def place(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 3)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        step = next((s for s in TICKS if (self.high - self.low) / s <= 7), 20.0)
        values = [step * k for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return tuple((self.place(value), f"{value:g}".replace("-", "−")) for value in values)


def _mark(name: str, kind: str, estimate: Estimate, scale: _Scale) -> Mark:
    interval, value = estimate.interval, estimate.value
    left, right = (scale.place(x if math.isfinite(x) else value) for x in (interval.low, interval.high))
    label = f"{formatting.fixed(value)} ({formatting.span(interval)})"
    return Mark(name, kind, label, scale.place(value), left, round(right - left, 3))


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of one step; ``heat`` is in 0..1, on the better or the worse side of the middle."""

    text: str
    side: str
    heat: float


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the leaderboard."""

    entry: Entry
    is_best: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The leaderboard as it is shown: its first rows, and steps thinned to what fits."""

    steps: tuple[int, ...]
    is_thinned: bool
    rows: tuple[Row, ...]
    holding: tuple[Cell, ...]
    n_more: int
    has_sharpe: bool
    has_baseline: bool


def board(analysis: Analysis) -> Board:
    """Return the leaderboard, each step's figure with its heat.

    Heat is distance from zero, or from the median where all figures have one sign.
    """
    entries = analysis.ranked[:SHOWN_RUNS]
    chosen = _spread(len(analysis.steps), SHOWN_STEPS)
    steps = tuple(analysis.steps[k] for k in chosen)
    values = analysis.fold_values[: len(entries)][:, chosen]
    heat = _Heat.of(values, analysis.spec.metric.larger_is_better(1.0))
    best = -1 if analysis.best is None else analysis.best.number
    holding = tuple(heat.cell(analysis.baseline_steps.get(step, math.nan)) for step in steps)
    return Board(
        steps=steps,
        is_thinned=len(steps) < len(analysis.steps),
        rows=tuple(
            Row(entry, entry.number == best, tuple(heat.cell(value) for value in row.tolist()))
            for entry, row in zip(entries, values, strict=True)
        ),
        holding=holding if analysis.baseline_steps else (),
        n_more=len(analysis.ranked) - len(entries),
        has_sharpe=any(entry.sharpe is not None for entry in entries),
        has_baseline=any(BASELINE in entry.metrics for entry in entries),
    )


def _spread(n: int, most: int) -> list[int]:
    """Return so many places of n, evenly spread, the first and the last among them."""
    return sorted({round(float(k)) for k in np.linspace(0, n - 1, min(n, most))}) if n else []


@dataclass(frozen=True, slots=True)
class _Heat:
    """How far a figure is from the middle: zero, or the median of figures that all have one sign."""

    middle: float
    reach: float
    turned: float
    decimals: int | None

    @classmethod
    def of(cls, values: Floats, turned: float) -> _Heat:
        finite = values[np.isfinite(values)]
        if not len(finite):
            return cls(0.0, 0.0, turned, 2)
        one_sided = bool((finite > 0.0).all() or (finite < 0.0).all())
        middle = float(np.median(finite)) if one_sided else 0.0
        reach = float(np.quantile(np.abs(finite - middle), 0.95))
        return cls(middle, reach, turned, formatting.decimals_for(finite.tolist()))

    def cell(self, value: float) -> Cell:
        if not math.isfinite(value):
            return Cell(formatting.UNKNOWN, "", 0.0)
        away = (value - self.middle) * self.turned
        heat = min(abs(away) / self.reach, 1.0) if self.reach > 0.0 else 0.0
        side = "better" if away > 0.0 else "worse"
        return Cell(formatting.fixed(value, self.decimals), side, round(heat, 3))


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter's best value, and what it might have been; ``at`` is its place in that, in per cent."""

    name: str
    value: Any
    searched: str
    at: float | None


def settings(analysis: Analysis) -> tuple[Setting, ...]:
    """Return the best run's parameters, constants included; none without a best run."""
    if analysis.best is None:
        return ()
    config = analysis.best.run.config
    return tuple(
        Setting(name, config[name], _searched(dimension), _place(dimension, config[name]))
        for name, dimension in analysis.spec.space.dimensions.items()
        if name in config
    )


def _place(dimension: Dimension, value: Any) -> float | None:
    if isinstance(dimension, Float | Int) and dimension.contains(value):
        return round(100 * min(max(dimension.to_unit(value), 0.0), 1.0), 2)
    return None


def _searched(dimension: Dimension) -> str:
    match dimension:
        case Float(low, high, log) | Int(low, high, log):
            return f"{formatting.setting(low)} to {formatting.setting(high)}{', log scale' if log else ''}"
        case Choice(options):
            return ", ".join(formatting.setting(option) for option in options)
        case Constant():
            return "fixed"
        case _:
            return ""


def commands(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Return (what for, command) pairs that repeat the sweep and take its result further."""
    sweep, best = analysis.sweep, analysis.best
    again = ["sharpen", "run", sweep.source, "--seed", str(sweep.seed)]
    purpose = "the sweep, from the file below"
    if analysis.spec.method not in ("random", "grid") or analysis.spec.stop is not None:
        again += ["--agents", "1"]
        purpose += "; with several agents it depends on which run reports first, and no seed repeats it"
    if sweep.run_cap is not None and sweep.run_cap != analysis.spec.run_cap:
        again += ["--trials", str(sweep.run_cap)]
    pairs = [
        ("the folder that programs ran in", shlex.join(["cd", sweep.workdir])),
        (purpose, shlex.join(again)),
        ("this report, from the store", shlex.join(["sharpen", "report", sweep.id])),
    ]
    if best is not None:
        alone = spec.command_line(analysis.spec, best.run.config, sweep.seed)
        permute = shlex.join(["sharpen", "permute", best.run.id])
        look = shlex.join(["sharpen", "validate", best.run.id])
        pairs.append((f"run {best.number}'s program alone", alone))
        if analysis.best_series is not None:  # a program that keeps no returns knows of no other bars
            pairs.append(("its score on permuted bars", permute))
            pairs.append(("its score on the lockbox; every look is counted", look))
    return tuple(pairs)
