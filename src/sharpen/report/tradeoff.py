"""The Pareto front of a sweep of several metrics: its table, and how the metrics trade against each other.

Two metrics make a plane with the front joined; three or more make parallel axes, the better end on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sharpen.report.cautions import varying
from sharpen.report.formatting import decimals_for, fixed, setting
from sharpen.report.model import Analysis, Entry
from sharpen.report.thinning import N_BEST, thinned
from sharpen.spec import Metric
from sharpen.trial import TrialState

Figure = dict[str, Any]
SHOWN_RUNS = 40
MAX_LINES = 1000  # runs beside the front: more cannot be told apart


@dataclass(frozen=True, slots=True)
class FrontRow:
    """A run of the front: its metrics and the parameters that differ, in words."""

    entry: Entry
    metrics: tuple[str, ...]
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrontTable:
    """The front as it is shown."""

    metrics: tuple[Metric, ...]
    parameters: tuple[str, ...]
    rows: tuple[FrontRow, ...]
    n_more: int


def front_table(analysis: Analysis, n: int = SHOWN_RUNS) -> FrontTable:
    """Return the front's runs with every metric, and the parameters in which they differ; all for one run.

    Args:
        analysis: Whose front.
        n: How many runs to show at most.
    """
    entries, metrics = analysis.front, analysis.spec.metrics
    dimensions = analysis.spec.space.dimensions
    names = [name for name in dimensions if len({_setting(entry, name) for entry in entries}) > 1]
    if len(entries) == 1:
        names = varying(analysis.spec.space)
    decimals = [decimals_for((e.run.scores[k] for e in entries[:n]), least=3) for k in range(len(metrics))]
    rows = [
        FrontRow(
            entry,
            tuple(fixed(value, places) for value, places in zip(entry.run.scores, decimals, strict=True)),
            tuple(_setting(entry, name) for name in names),
        )
        for entry in entries[:n]
    ]
    return FrontTable(metrics, tuple(names), tuple(rows), len(entries) - len(rows))


def _setting(entry: Entry, name: str) -> str:
    return setting(entry.run.config[name]) if name in entry.run.config else ""


def chart(analysis: Analysis) -> Figure:
    """Return every finished run's metrics as a chart, the front standing out."""
    return _plane(analysis) if len(analysis.spec.metrics) == 2 else _parallel(analysis)


def n_scored(analysis: Analysis) -> int:
    """Return how many finished runs the chart has: those of the front, and those behind it."""
    return len(analysis.front) + len(_others(analysis)) + sum(map(_is_known, analysis.broken))


def _plane(analysis: Analysis) -> Figure:
    across, up = analysis.spec.metrics
    others = thinned(_others(analysis), N_BEST)
    traces = [_points(others, analysis, "finished", {"size": 7, "color": "--stopped"})]
    if broken := thinned([entry for entry in analysis.broken if _is_known(entry)], N_BEST):
        points = _points(broken, analysis, "", {})
        marks = crosses(points["x"], points["y"], points["text"])
        traces.append(marks | {"hovertemplate": points["hovertemplate"]})
    chosen = _points(analysis.front, analysis, "front", {"size": 9, "color": "--accent"})
    traces.append(chosen | {"mode": "lines+markers", "line": {"color": "--accent", "width": 1.8}})
    return {"data": traces, "layout": {"xaxis": _titled(across), "yaxis": _titled(up)}}


def _titled(metric: Metric) -> Figure:
    return {"title": {"text": f"{metric.name} ({metric.goal})"}}


def _others(analysis: Analysis) -> list[Entry]:
    chosen = {entry.number for entry in analysis.front}
    finished = [e for e in analysis.ranked if e.state is TrialState.FINISHED and e.number not in chosen]
    return [entry for entry in finished if _is_known(entry)]


def _is_known(entry: Entry) -> bool:
    return bool(entry.run.scores) and all(map(math.isfinite, entry.run.scores))


def _points(entries: Sequence[Entry], analysis: Analysis, name: str, marker: Figure) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [entry.run.scores[0] for entry in entries],
        "y": [entry.run.scores[1] for entry in entries],
        "text": [_hover(entry, analysis) for entry in entries],
        "marker": marker,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover(entry: Entry, analysis: Analysis) -> str:
    pairs = zip(analysis.spec.metrics, entry.run.scores, strict=True)
    lines = [f"run {entry.run.id}", *(f"{metric.name} {value:.4g}" for metric, value in pairs)]
    broke = analysis.broke.get(entry.number)
    return "<br>".join([*lines, f"broke: {broke}"] if broke else lines)


def crosses(x: Sequence[Any], y: Sequence[Any], names: Sequence[str]) -> Figure:
    """Return the marks of runs that broke a constraint."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "broke a constraint",
        "x": list(x),
        "y": list(y),
        "text": list(names),
        "marker": {"size": 7, "symbol": "x-thin", "line": {"color": "--worse", "width": 1.6}},
        "hovertemplate": "%{text}<br>%{x}, %{y:.4~g}<extra></extra>",
    }


def _parallel(analysis: Analysis) -> Figure:
    metrics, others = analysis.spec.metrics, _others(analysis)[:MAX_LINES]
    shown = [*analysis.front, *others]
    ends = [_ends(metric, [entry.run.scores[k] for entry in shown]) for k, metric in enumerate(metrics)]
    traces = [
        _lines(others, ends, analysis, {"color": "--stopped", "width": 1})
        | {"name": "finished", "opacity": 0.5},
        _lines(analysis.front, ends, analysis, {"color": "--accent", "width": 2}) | {"name": "front"},
    ]
    names = [f"{metric.name}<br>({metric.goal})" for metric in metrics]
    across = {"tickmode": "array", "tickvals": list(range(len(metrics))), "ticktext": names}
    up = {"title": {"text": "worse to better"}, "showticklabels": False, "ticks": "", "showgrid": False}
    notes = [_end(k, y, pair[y]) for k, pair in enumerate(ends) for y in (0, 1)]
    layout = {
        "xaxis": across | {"range": [-0.3, len(metrics) - 0.7], "zeroline": False},
        "yaxis": up | {"range": [-0.14, 1.14], "zeroline": False},
        "annotations": notes,
    }
    return {"data": traces, "layout": layout}


def _ends(metric: Metric, values: Sequence[float]) -> tuple[float, float]:
    """Return the worst and the best of a metric's values."""
    order = sorted(values, key=metric.larger_is_better)
    return order[0], order[-1]


def _lines(
    entries: Sequence[Entry], ends: Sequence[tuple[float, float]], analysis: Analysis, line: Figure
) -> Figure:
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for entry in entries:
        for k, (value, (worst, best)) in enumerate(zip(entry.run.scores, ends, strict=True)):
            x.append(k)
            y.append(round((value - worst) / (best - worst), 4) if best != worst else 1.0)
        x.append(None)  # a gap between one run's line and the next one's
        y.append(None)
        text += [_hover(entry, analysis)] * (len(ends) + 1)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "text": text,
        "line": line,
        "marker": {"size": 5, "color": line["color"]},
        "hovertemplate": "%{text}<extra></extra>",
    }


def _end(x: int, y: int, value: float) -> Figure:
    position = {"x": x, "y": y, "yshift": 13 if y else -13, "showarrow": False}
    return position | {"text": f"{value:.4g}", "font": {"size": 11, "color": "--muted"}}
