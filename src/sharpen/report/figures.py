"""The report's charts, as plotly specifications without plotly.

Colours are names of the page's custom properties (``--accent``): the page resolves them, and draws anew,
when it turns dark or goes to the printer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.report import tradeoff
from sharpen.report.cautions import varying
from sharpen.report.formatting import setting
from sharpen.report.model import Analysis, Entry, HistoryPoint
from sharpen.report.thinning import MAX_DOTS, N_BEST, thinned
from sharpen.space import Choice, Float, Int
from sharpen.trial import TrialState

if TYPE_CHECKING:
    from sharpen.views.importances import Importances

Figure = dict[str, Any]
MAX_BARS = 8
MAX_POINTS = 3000  # of a curve: more cannot be seen
LOG_GROWTH = 4.0  # a curve that grows by more is drawn on a logarithmic axis

_DOUBLINGS: Figure = {
    "type": "log",
    "tickmode": "array",
    "tickvals": [2.0**k for k in range(-10, 31)],
    "ticktext": [f"{2.0**k:,.4g}" for k in range(-10, 31)],
}


def figures(analysis: Analysis, mattered: Importances | None = None) -> dict[str, Figure]:
    """Return every chart that has something to show, by the id of its place in the page."""
    charts: dict[str, Figure] = {}
    if analysis.history:
        charts["history"] = _history(analysis)
    if analysis.front and tradeoff.n_scored(analysis) > 1:
        charts["front"] = tradeoff.chart(analysis)
    if analysis.gap:
        charts["gap"] = _gap(analysis)
    if analysis.best_series is not None:
        charts["equity"] = _equity(analysis)
    if mattered is not None:
        charts["importance"] = _importance(mattered)
    if len(analysis.ranked) > 1:
        drawn = thinned(analysis.ranked, N_BEST)
        scores = [e.run.score for e in analysis.ranked if e.run.score is not None]
        span = min(scores), max(scores)
        for index, name in enumerate(varying(analysis.spec.space)):
            charts[f"slice-{index}"] = _slice(analysis, drawn, span, name)
    return {index: _plain(figure) for index, figure in charts.items()}


def _importance(mattered: Importances) -> Figure:
    single = [one for one in mattered.rows if len(one.names) == 1][:MAX_BARS][::-1]
    methods = {"fANOVA": ("fanova", "--accent"), "around the best": ("local", "--muted")}
    methods |= {"PED-ANOVA": ("ped_anova", "--faint")}
    traces: list[Figure] = []
    for label, (method, colour) in methods.items():
        labelled = [(one.label, share) for one in single if (share := getattr(one, method)) is not None]
        ends = {
            "type": "data",
            "symmetric": False,
            "array": [share.high - share.value for _, share in labelled],
            "arrayminus": [share.value - share.low for _, share in labelled],
            "color": "--ink",
            "thickness": 1,
            "width": 0,
        }
        bars = {"x": [share.value for _, share in labelled], "y": [name for name, _ in labelled]}
        traces.append({"type": "bar", "orientation": "h", "name": label, **bars, "error_x": ends})
        traces[-1]["marker"] = {"color": colour}
    share = {**_titled("share"), "range": [0, 1]}
    return {"data": traces, "layout": {"barmode": "group", "xaxis": share, "yaxis": {"type": "category"}}}


def _plain(value: Any) -> Any:
    """Return a part of a figure whose texts are shown as they are: Plotly reads tags and links in them."""
    if isinstance(value, str):
        return value.replace("&", "&amp;").replace("<", "&lt;").replace("&lt;br>", "<br>")
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {name: part if name == "hovertemplate" else _plain(part) for name, part in items}
    return [_plain(part) for part in cast("list[Any]", value)] if isinstance(value, list | tuple) else value


def _history(analysis: Analysis) -> Figure:
    points = thinned(analysis.history)
    metric = analysis.spec.metric.name
    feasible = [p for p in points if not p.broke]
    traces = [
        _dots(
            [p.order for p in feasible if p.state is state],
            [p.score for p in feasible if p.state is state],
            [f"run {p.number}, {p.state}" for p in feasible if p.state is state],
            state,
        )
        for state in (TrialState.STOPPED, TrialState.FINISHED)
    ]
    broke = [p for p in points if p.broke]
    if broke:
        names = [f"run {p.number}, broke a constraint" for p in broke]
        traces.append(tradeoff.crosses([p.order for p in broke], [p.score for p in broke], names))
    led = _led(analysis.history)
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": [p.order for p in led],
        "y": [p.best for p in led],
        "line": {"color": "--accent", "width": 2.5, "shape": "hv"},
        "hovertemplate": "best so far %{y:.4~g}<extra></extra>",
    }
    layout = {"xaxis": {"title": {"text": "runs ended"}, "rangemode": "tozero"}, "yaxis": _titled(metric)}
    return {"data": [*traces, line], "layout": layout}


def _led(points: Sequence[HistoryPoint]) -> Sequence[HistoryPoint]:
    """Return the points of the line of the best; of very many only where it steps, and the last."""
    led = [p for p in points if p.best is not None]
    if len(led) <= MAX_DOTS:
        return led
    steps = [p for before, p in pairwise(led) if p.best != before.best]
    return [led[0], *steps, led[-1]]


def _gap(analysis: Analysis) -> Figure:
    low = min(min(p.train, p.validation) for p in analysis.gap)
    high = max(max(p.train, p.validation) for p in analysis.gap)
    train, validation = analysis.gap_metrics
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "name": "no gap",
        "x": [low, high],
        "y": [low, high],
        "line": {"color": "--faint", "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
    }
    traces = [diagonal]
    for state in (TrialState.STOPPED, TrialState.FINISHED):
        points = [p for p in thinned(analysis.gap, N_BEST) if p.state is state]
        names = [f"run {p.number}, {state}" for p in points]
        traces.append(_dots([p.train for p in points], [p.validation for p in points], names, state))
    best = [p for p in analysis.gap if analysis.best and p.number == analysis.best.number]
    traces.append(_ring([p.train for p in best], [p.validation for p in best]))
    return {"data": traces, "layout": {"xaxis": _titled(train), "yaxis": _titled(validation)}}


def _equity(analysis: Analysis) -> Figure:
    series = analysis.best_series
    assert series is not None and analysis.best is not None  # noqa: S101, PT018 - the caller looked
    own, holding = _growth(series.returns), _growth(series.baseline)
    shown: Ints = np.unique(np.linspace(0, len(own) - 1, min(len(own), MAX_POINTS)).astype(np.int64))
    time = [str(t) for t in series.time[shown].astype("datetime64[s]")]
    both = np.concatenate([own, holding])
    is_log = both.min() > 0.0 and both.max() / both.min() > LOG_GROWTH
    starts = np.flatnonzero(np.diff(series.fold, prepend=series.fold[:1] - 1))
    return {
        "data": [
            _curve("buy-and-hold", time, holding[shown], "--faint", 1.6),
            _curve(f"run {analysis.best.number}", time, own[shown], "--accent", 2.2),
        ],
        "layout": {
            "xaxis": {"type": "date"},
            "yaxis": {"title": {"text": "growth of 1"}} | (_DOUBLINGS if is_log else {}),
            "shapes": [_boundary(str(series.time[i].astype("datetime64[s]"))) for i in starts[1:]],
            "annotations": [
                _fold_name(str(series.time[i].astype("datetime64[s]")), int(series.fold[i])) for i in starts
            ],
        },
    }


def _growth(returns: Floats) -> Floats:
    return np.multiply.accumulate(1.0 + returns, dtype=np.float64)


def _slice(analysis: Analysis, drawn: Sequence[Entry], span: tuple[float, float], name: str) -> Figure:
    dimension = analysis.spec.space.dimensions[name]
    axis: Figure = {"title": {"text": name}, "nticks": 5, "tickangle": 0}
    if isinstance(dimension, Float | Int):
        axis |= {"type": "log" if dimension.log else "linear", "range": _padded(dimension)}
        if dimension.log and dimension.high >= 10 * dimension.low:
            axis |= {"dtick": 1}  # powers of ten alone: there is no room for more
    else:
        options = [setting(option) for option in dimension.options] if isinstance(dimension, Choice) else []
        axis |= {"type": "category", "categoryorder": "array", "categoryarray": options}
    traces: list[Figure] = []
    for state in (TrialState.STOPPED, TrialState.FINISHED):
        entries = [e for e in drawn if e.state is state and name in e.run.config]
        traces.append(_slice_dots(entries, name, state, is_category="categoryarray" in axis))
    best = analysis.best
    if best is not None and name in best.run.config:
        value = best.run.config[name]
        traces.append(_ring([setting(value) if "categoryarray" in axis else value], [best.run.score]))
    low, high = span
    pad = 0.08 * (high - low) or 0.1
    layout = {"xaxis": axis, "yaxis": {"range": [low - pad, high + pad], "nticks": 5}, "showlegend": False}
    return {"data": traces, "layout": layout}


def _slice_dots(entries: Sequence[Entry], name: str, state: TrialState, is_category: bool) -> Figure:
    values = [setting(e.run.config[name]) if is_category else e.run.config[name] for e in entries]
    return _dots(
        values, [e.run.score for e in entries], [f"run {e.number}, {e.state}" for e in entries], state
    )


def _padded(dimension: Float | Int) -> list[float]:
    low, high = float(dimension.low), float(dimension.high)
    if dimension.log:
        low, high = math.log10(low), math.log10(high)
    pad = 0.06 * (high - low)
    return [low - pad, high + pad]


def _dots(x: Sequence[Any], y: Sequence[Any], names: Sequence[str], state: TrialState) -> Figure:
    stopped = state is TrialState.STOPPED
    marker: Figure = {"size": 7, "color": "--accent", "opacity": 0.75}
    if stopped:
        marker = {"size": 7, "symbol": "circle-open", "color": "--stopped", "line": {"width": 1.4}}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "stopped" if stopped else "finished",
        "x": list(x),
        "y": list(y),
        "text": list(names),
        "marker": marker,
        "hovertemplate": "%{text}<br>%{x}, %{y:.4~g}<extra></extra>",
    }


def _ring(x: Sequence[Any], y: Sequence[Any]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "best",
        "x": list(x),
        "y": list(y),
        "marker": {"size": 14, "symbol": "circle-open", "color": "--ink", "line": {"width": 2}},
        "hoverinfo": "skip",
    }


def _curve(name: str, time: Sequence[str], values: Floats, color: str, width: float) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(time),
        "y": [round(float(value), 6) for value in values],
        "line": {"color": color, "width": width},
        "hovertemplate": "%{y:.3f}",
    }


def _boundary(at: str) -> Figure:
    line = {"color": "--rule", "width": 1, "dash": "dot"}
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": line,
        "layer": "below",
    }


def _fold_name(at: str, fold: int) -> Figure:
    position = {"x": at, "y": 1, "yref": "paper", "xanchor": "left", "yanchor": "top", "xshift": 2}
    return position | {"text": str(fold), "showarrow": False, "font": {"size": 10, "color": "--muted"}}


def _titled(name: str) -> Figure:
    return {"title": {"text": name}}
