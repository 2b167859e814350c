"""What the page of a run shows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa

from sharpen.server.lineage import used_by
from sharpen.server.pages import charts
from sharpen.store import schema
from sharpen.store.queries import Reader
from sharpen.store.rows import ArtifactRow, RunRow, TrackedRun

MOST_POINTS = 400
MOST_CHARTS = 24
MOST_NAMES = 200
MOST_LOG_CHARS = 60_000
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version of a collection that the run made or used."""

    collection: str
    version: int
    type: str = ""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Everything that the page of a run shows.

    Attributes:
        run: As its program tells of it.
        row: As a run of its sweep; None for a run of no sweep.
        charts: One for each metric that is a number.
        n_charts_left_out: How many metrics have none here.
        machine: A chart of each figure of the machine that it ran on, by minutes since its start.
        n_rows: How many rows its history has.
        config: The first 200 names of its configuration, without what a client keeps there for itself.
        n_config_left_out: How many names there are beyond those.
        summary: The first 200 names of its summary, and the last value of each metric.
        n_summary_left_out: How many names there are beyond those.
        log: The end of what it printed.
        is_log_cut: Whether there was more.
        files: What is kept with it.
        versions: What it added to collections.
        used: What it used of collections.
    """

    run: TrackedRun
    row: RunRow | None
    charts: tuple[charts.Chart, ...]
    n_charts_left_out: int
    machine: tuple[charts.Chart, ...]
    n_rows: int
    config: Mapping[str, Any]
    n_config_left_out: int
    summary: Mapping[str, Any]
    n_summary_left_out: int
    log: str
    is_log_cut: bool
    files: tuple[ArtifactRow, ...]
    versions: tuple[VersionLine, ...]
    used: tuple[VersionLine, ...]


def run_page(reader: Reader, run: TrackedRun) -> RunPage:
    """Return what the page of a run shows.

    Args:
        reader: The store.
        run: Which.
    """
    rows, n_rows = history(reader, run)
    lines = series(rows)
    log = reader.console(run.id)
    config, last = configuration(run), summary(reader, run, rows)
    return RunPage(
        run=run,
        row=reader.run(run.id) if run.sweep_id else None,
        charts=tuple(charts.line(one) for one in lines[:MOST_CHARTS]),
        n_charts_left_out=max(0, len(lines) - MOST_CHARTS),
        machine=tuple(charts.line(one) for one in machine(reader, run)[:MOST_CHARTS]),
        n_rows=n_rows,
        config=dict(islice(config.items(), MOST_NAMES)),
        n_config_left_out=max(0, len(config) - MOST_NAMES),
        summary=dict(islice(last.items(), MOST_NAMES)),
        n_summary_left_out=max(0, len(last) - MOST_NAMES),
        log=without_colours(log[-MOST_LOG_CHARS:]),
        is_log_cut=len(log) > MOST_LOG_CHARS,
        files=tuple(reader.artifacts(run_id=run.id)),
        versions=_versions(reader, run.id),
        used=tuple(map(_named, used_by(run))),
    )


def history(reader: Reader, run: TrackedRun) -> tuple[list[tuple[int, Mapping[str, Any]]], int]:
    """Return (step, metrics) of what a run logged, thinned to what a chart needs, and how many rows."""
    if run.n_lines:
        rows = reader.tracked.history(run.id, n_points=MOST_POINTS)
        return [(row.step, row.metrics) for row in rows], run.n_lines
    reports, n_rows = reader.long_runs.thinned(run.id, MOST_POINTS)
    return [(report.step, report.metrics) for report in reports], n_rows


def series(rows: Iterable[tuple[int, Mapping[str, Any]]]) -> list[charts.Line]:
    """Return the numbers that were logged under each name, by name; the client's own bookkeeping left out.

    >>> [line.name for line in series([(0, {"loss": 1.0, "_runtime": 3, "kind": "a"})])]
    ['loss']
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for step, metrics in rows:
        for name, value in metrics.items():
            if not name.startswith("_") and is_number(value):
                points.setdefault(name, []).append((float(step), float(value)))
    return [charts.Line(name, tuple(points[name])) for name in sorted(points)]


def without_colours(log: str) -> str:
    r"""Return what a program printed without the colours of a terminal; a bar drawn anew is a new line.

    >>> without_colours("\x1b[31mred\x1b[0m\r\n1 %\r2 %\n")
    'red\n1 %\n2 %\n'
    """
    return COLOURS.sub("", log).replace("\r\n", "\n").replace("\r", "\n")


def machine(reader: Reader, run: TrackedRun) -> list[charts.Line]:
    """Return the figures of the machine that a run ran on, by name and minutes since its start."""
    rows = reader.machine.thinned(run.id, MOST_POINTS)
    began = run.started_at or (rows[0].at if rows else 0.0)
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.figures.items():
            if is_number(value):
                points.setdefault(name, []).append(((row.at - began) / 60.0, float(value)))
    return [
        charts.Line(name.removeprefix("system."), tuple(points[name]), "minute") for name in sorted(points)
    ]


def is_number(value: Any) -> bool:
    """Return whether a value can be drawn.

    >>> is_number(1), is_number(True), is_number(float("nan")), is_number(10**400)
    (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def configuration(run: TrackedRun) -> dict[str, Any]:
    """Return a run's configuration, without what a client keeps there for itself."""
    return {name: value for name, value in run.config.items() if not name.startswith("_")}


def summary(reader: Reader, run: TrackedRun, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return a run's summary: what it was told to keep, over the last value of each metric."""
    last = reader.tracked.last_values(run.id) if run.n_lines else {}
    if not last:
        for _, metrics in rows:
            last |= metrics
    every = {**last, **run.summary}
    return {name: every[name] for name in sorted(every) if not name.startswith("_")}


def stamp(reader: Reader, run_id: str) -> str:
    """Return a text that differs once anything that the page of a run shows has changed."""
    r, p, c = schema.runs.c, schema.reports.c, schema.console.c
    columns = (r.state, r.n_lines, r.n_reports, r.token, r.ended_at, r.note, r.tags, r.summary)
    last_step = sa.select(p.step).where(p.run_id == run_id, p.token == r.token).order_by(p.step.desc())
    query = sa.select(*columns, last_step.limit(1).correlate(schema.runs).scalar_subquery().label("last"))
    run = [tuple(row.values()) for row in reader.rows(query.where(r.id == run_id))]
    printed = sa.select(sa.func.count().label("n"), sa.func.max(c.first_line).label("last"))
    lines = [tuple(row.values()) for row in reader.rows(printed.where(c.run_id == run_id))]
    return repr((run, lines))


def _named(name: str) -> VersionLine:
    """Return a version of a name as in ``quantbot/bars:v3``."""
    collection, _, version = name.rpartition(":v")
    return VersionLine(collection, int(version))


def _versions(reader: Reader, run_id: str) -> tuple[VersionLine, ...]:
    v, c = schema.versions.c, schema.collections.c
    query = sa.select(v.collection, v.version, c.type).join(schema.collections, c.name == v.collection)
    query = query.where(v.run_id == run_id, v.deleted_at.is_(None)).order_by(v.collection, v.version)
    return tuple(VersionLine(row["collection"], row["version"], row["type"]) for row in reader.rows(query))
