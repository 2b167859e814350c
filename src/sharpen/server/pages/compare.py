"""Chosen runs side by side: what differs in their configurations, and each metric in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sharpen.errors import NotFound, UsageError
from sharpen.server.pages import charts
from sharpen.server.pages.run import MOST_CHARTS, MOST_NAMES, configuration, history, series, summary
from sharpen.server.pages.scales import Scale
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun

MOST_RUNS = 12


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter or a metric: its value in each run, and whether they differ."""

    name: str
    values: tuple[Any, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Runs side by side; of more than 200 parameters or metrics those that differ come first, the rest go."""

    runs: tuple[TrackedRun, ...]
    config: tuple[Row, ...]
    summary: tuple[Row, ...]
    charts: tuple[charts.Chart, ...]


def compare(reader: Reader, ids: Sequence[str]) -> RunComparison:
    """Return chosen runs side by side.

    Raises:
        UsageError: There are fewer than two of them, or too many.
        NotFound: One is not there.
    """
    chosen = list(dict.fromkeys(ids))
    if not 2 <= len(chosen) <= MOST_RUNS:
        raise UsageError(f"choose 2 to {MOST_RUNS} runs to compare; these are {len(chosen)}")
    runs = [_run(reader, run_id) for run_id in chosen]
    logged = [history(reader, run)[0] for run in runs]
    lines_of = [{line.name: line for line in series(rows)} for rows in logged]
    names = sorted({name for lines in lines_of for name in lines})[:MOST_CHARTS]
    return RunComparison(
        tuple(runs),
        _rows([configuration(run) for run in runs]),
        _rows([summary(reader, run, rows) for run, rows in zip(runs, logged, strict=True)]),
        tuple(_chart(name, [lines.get(name) for lines in lines_of]) for name in names),
    )


def _run(reader: Reader, run_id: str) -> TrackedRun:
    run = reader.tracked.run(run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id[:80]!r}")
    return run


def _rows(columns: Sequence[dict[str, Any]]) -> tuple[Row, ...]:
    names = dict.fromkeys(name for values in columns for name in values)
    rows = [(name, tuple(values.get(name) for values in columns)) for name in names]
    lines = [Row(name, values, len({repr(value) for value in values}) > 1) for name, values in rows]
    if len(lines) > MOST_NAMES:
        lines.sort(key=lambda line: not line.differs)
    return tuple(lines[:MOST_NAMES])


def _chart(name: str, lines: Sequence[charts.Line | None]) -> charts.Chart:
    points = [point for line in lines if line is not None for point in line.points]
    x = Scale.of([a for a, _ in points], charts.LEFT, charts.WIDTH - charts.RIGHT)
    y = Scale.of([b for _, b in points], charts.HEIGHT - charts.BOTTOM, charts.TOP)
    curves: list[charts.Curve] = []
    for k, line in enumerate(lines):
        if line is None:
            continue
        places = [(x.place(a), y.place(b)) for a, b in line.points]
        path = "M" + "L".join(f"{a:g} {b:g}" for a, b in places)
        kind = "line" if len(places) > 1 else "dots"
        curves.append(charts.Curve(f"{kind} run-{k}", path if len(places) > 1 else charts.dots(places)))
    return charts.Chart(name, tuple(curves), x.ticks(whole=True), y.ticks())
