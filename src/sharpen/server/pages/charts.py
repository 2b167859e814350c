"""Charts as numbers that a template draws: axes, paths, points; all places in SVG units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sharpen.server.pages.scales import Scale, thinned
from sharpen.space import Choice, Constant, Space
from sharpen.spec import Metric
from sharpen.trial import TrialState
from sharpen.views.run_lines import BestPoint, RunLine, is_scored

if TYPE_CHECKING:
    from sharpen.paper.report import Growth

WIDTH, HEIGHT = 640.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 12.0, 12.0, 32.0
MOST_DOTS = 1500
MOST_LINES = 240
MOST_AXES = 9
N_SHADES = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """A line or a cloud of dots: an SVG path, and the class that gives it its colour."""

    kind: str
    path: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template draws.

    Attributes:
        title: What it shows, for who cannot see it.
        curves: From the back to the front.
        x_ticks: (place, words).
        y_ticks: (place, words).
        points: (x, y, run) of what can be pointed at.
        n_left_out: How many points were thinned away.
    """

    title: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    points: tuple[tuple[float, float, str, str], ...] = ()
    n_left_out: int = 0
    width: float = WIDTH
    height: float = HEIGHT


def history(metric: Metric, points: Sequence[BestPoint]) -> Chart | None:
    """Return each run's score in the order of ending, and the best so far; None without a score."""
    scored = [point for point in points if point.run.score is not None]
    if not scored:
        return None
    x = Scale.of([1.0, float(scored[-1].order)], LEFT, WIDTH - RIGHT)
    y = Scale.of([point.run.score or 0.0 for point in scored], HEIGHT - BOTTOM, TOP, robust=True)
    shown = thinned(scored, MOST_DOTS)
    placed = [(x.place(p.order), y.place(p.run.score or 0.0), p.run) for p in shown]
    finished = [(a, b) for a, b, run in placed if run.state == TrialState.FINISHED]
    stopped = [(a, b) for a, b, run in placed if run.state != TrialState.FINISHED]
    return Chart(
        title=f"{metric.name} of each run in the order of ending, and the best so far",
        curves=(
            Curve("dots stopped", dots(stopped), "stopped early"),
            Curve("dots finished", dots(finished), "finished"),
            Curve("line best", _steps(scored, x, y), "best so far"),
        ),
        x_ticks=x.ticks(whole=True),
        y_ticks=y.ticks(),
        points=tuple((a, b, run.id, f"run {run.number}: {run.score:.6g}") for a, b, run in placed),
        n_left_out=len(scored) - len(shown),
    )


def _steps(points: Sequence[BestPoint], x: Scale, y: Scale) -> str:
    """Return the best so far as stairs: a corner only where it changes."""
    path, last = "", None
    for point in points:
        if point.best is not None and point.best != last:
            at, height = x.place(point.order), y.place(point.best)
            path += f"M{at:g} {height:g}" if not path else f"H{at:g}V{height:g}"
            last = point.best
    return path and f"{path}H{x.place(points[-1].order):g}"


def dots(places: Sequence[tuple[float, float]]) -> str:
    """Return dots as one path; round line ends draw them.

    >>> dots([(1.0, 2.0)])
    'M1 2h0'
    """
    return "".join(f"M{a:g} {b:g}h0" for a, b in places)


@dataclass(frozen=True, slots=True)
class Line:
    """A numeric series of a run, by step, or by whatever ``along`` names."""

    name: str
    points: tuple[tuple[float, float], ...]
    along: str = "step"


def line(series: Line) -> Chart:
    """Return the chart of one metric of a run."""
    x = Scale.of([a for a, _ in series.points], LEFT, WIDTH - RIGHT)
    y = Scale.of([b for _, b in series.points], HEIGHT - BOTTOM, TOP)
    places = [(x.place(a), y.place(b)) for a, b in series.points]
    kinds = [Curve("line own", _path(places))]
    if len(places) <= 60:
        kinds.append(Curve("dots finished", dots(places)))
    labels = [f"{series.along} {a:.6g}: {b:.6g}" for a, b in series.points]
    points = tuple((a, b, "", w) for (a, b), w in zip(places, labels, strict=True))
    return Chart(series.name, tuple(kinds), x.ticks(whole=series.along == "step"), y.ticks(), points)


def growth(curves: Growth) -> Chart:
    """Return the chart of an account's return, in front of the backtest's and its band."""
    x = Scale.of([0.0, len(curves.bars) - 1.0], LEFT, WIDTH - RIGHT)
    percents = [
        [100.0 * value for value in row] for row in (curves.paper, curves.backtest, curves.low, curves.high)
    ]
    y = Scale.of([value for row in percents for value in row], HEIGHT - BOTTOM, TOP)
    own, tested, low, high = (
        [(x.place(float(t)), y.place(value)) for t, value in enumerate(row)] for row in percents
    )
    band = "M" + "L".join(f"{a:g} {b:g}" for a, b in [*high, *reversed(low)]) + "Z"
    labels = [
        f"{_date(bar)}: {mine:.2f} %, the backtest {its:.2f} %"
        for bar, mine, its in zip(curves.bars, percents[0], percents[1], strict=True)
    ]
    at = thinned(range(len(curves.bars)), 5)
    return Chart(
        title="Total return of the account and of the backtest, in %, with 90 % of its resampled bars",
        curves=(
            Curve("band", band, "90 % of the backtest's resampled bars"),
            Curve("line beside", _path(tested), "the backtest"),
            Curve("line own", _path(own), "the account"),
        ),
        x_ticks=tuple((x.place(float(t)), _date(curves.bars[t])) for t in at),
        y_ticks=tuple((height, f"{label} %") for height, label in y.ticks()),
        points=tuple((a, b, "", w) for (a, b), w in thinned(list(zip(own, labels, strict=True)), MOST_DOTS)),
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a:g} {b:g}" for a, b in places)


def _date(bar: str) -> str:
    """Return the day of a bar's name.

    >>> _date("20240105T2100")
    '2024-01-05'
    """
    return f"{bar[:4]}-{bar[4:6]}-{bar[6:8]}"


@dataclass(frozen=True, slots=True)
class ParallelAxis:
    """One upright axis: its name, its place, and words along it."""

    name: str
    at: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Parallel coordinates: each run a line across its parameters to its score."""

    title: str
    axes: tuple[ParallelAxis, ...]
    curves: tuple[Curve, ...]
    n_runs: int
    n_shown: int
    n_axes_left_out: int
    width: float
    height: float = 320.0


def parallel(metric: Metric, space: Space, runs: Sequence[RunLine]) -> Parallel | None:
    """Return the parallel coordinates of the runs with a score; None for fewer than two of them."""
    names = [name for name, d in space.dimensions.items() if not isinstance(d, Constant)]
    scored = [run for run in runs if is_scored(run)]
    if len(scored) < 2 or not names:
        return None
    scored.sort(key=lambda run: metric.larger_is_better(run.score or 0.0), reverse=True)
    shown = [*scored[: MOST_LINES // 2], *thinned(scored[MOST_LINES // 2 :], MOST_LINES // 2)]
    chosen = names[: MOST_AXES - 1]
    width = 130.0 * (len(chosen) + 1) + 40.0
    low, high = 320.0 - 30.0, 40.0
    score = Scale.of([run.score or 0.0 for run in scored], low, high, robust=True)
    places = [70.0 + 130.0 * k for k in range(len(chosen) + 1)]
    axes = [
        ParallelAxis(name, at, _axis_ticks(space.dimensions[name], low, high))
        for name, at in zip(chosen, places, strict=False)
    ]
    axes.append(ParallelAxis(metric.name, places[-1], score.ticks()))
    paths = [""] * N_SHADES
    for rank, run in reversed(list(enumerate(shown))):
        shade = min(N_SHADES - 1, rank * N_SHADES // len(shown))
        ups = [_up(space.dimensions[name], run.config.get(name), low, high) for name in chosen]
        paths[shade] += _across(places, [*ups, score.place(run.score or 0.0)])
    curves = [Curve(f"line shade-{k}", paths[k]) for k in reversed(range(N_SHADES))]
    best = [_up(space.dimensions[name], shown[0].config.get(name), low, high) for name in chosen]
    curves.append(Curve("line best", _across(places, [*best, score.place(shown[0].score or 0.0)])))
    return Parallel(
        title=f"Each run's parameters and its {metric.name}; the best in front",
        axes=tuple(axes),
        curves=tuple(curves),
        n_runs=len(scored),
        n_shown=len(shown),
        n_axes_left_out=len(names) - len(chosen),
        width=width,
    )


def _axis_ticks(dimension: Any, low: float, high: float) -> tuple[tuple[float, str], ...]:
    if isinstance(dimension, Choice):
        options = dimension.options[:12]
        return tuple((_up(dimension, option, low, high) or low, str(option)[:18]) for option in options)
    units = (0.0, 0.5, 1.0)
    return tuple((low + (high - low) * u, _short(dimension.from_unit(u))) for u in units)


def _up(dimension: Any, value: Any, low: float, high: float) -> float | None:
    """Return the place of a value on its axis; None for one that the space no longer has."""
    if value is None or not dimension.contains(value):
        return None
    if isinstance(dimension, Choice):
        n = len(dimension.options)
        unit = dimension.index(value) / (n - 1) if n > 1 else 0.5
    else:
        unit = min(max(float(dimension.to_unit(value)), 0.0), 1.0)
    return round(low + (high - low) * unit, 1)


def _across(places: Sequence[float], ups: Sequence[float | None]) -> str:
    points = [(a, b) for a, b in zip(places, ups, strict=True) if b is not None]
    return "M" + "L".join(f"{a:g} {b:g}" for a, b in points) if len(points) > 1 else ""


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) and math.isfinite(value) else str(value)[:18]
