"""What the page of a sweep shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sharpen import spec
from sharpen.report import formatting
from sharpen.server.pages import charts
from sharpen.server.pages.projects import PAGE, parsed, project_of
from sharpen.server.pages.render import in_project
from sharpen.space import Constant
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow
from sharpen.trial import TrialState
from sharpen.views.run_lines import RunLine, best_line, best_points, ordered, run_lines

MOST_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class RunsQuery:
    """Which part of the runs a page shows, and in which order."""

    sort: str = "number"
    order: str = "desc"
    state: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Column:
    """A column that can be sorted by: where its head leads, and whether it is the one that is."""

    name: str
    key: str
    href: str
    direction: str


@dataclass(frozen=True, slots=True)
class RunsTable:
    """A page of the runs.

    Attributes:
        rows: Those of this page.
        columns: What can be sorted by.
        parameters: Which parameters are shown.
        n: How many runs fit in all.
        n_pages: How many pages that makes.
        page: Which one this is, from 1.
        decimals: Of a score.
    """

    rows: tuple[RunLine, ...]
    columns: tuple[Column, ...]
    parameters: tuple[str, ...]
    n: int
    n_pages: int
    page: int
    decimals: int | None
    runs_query: RunsQuery


@dataclass(frozen=True, slots=True)
class SweepPage:
    """Everything that the page of a sweep shows at once; what takes long comes after it."""

    row: SweepRow
    spec: spec.Sweep | None
    problem: str
    table: RunsTable
    best: RunLine | None
    history: charts.Chart | None
    parallel: charts.Parallel | None
    n_ended: int


def sweep_page(reader: Reader, row: SweepRow, runs_query: RunsQuery) -> SweepPage:
    """Return what the page of a sweep shows.

    Args:
        reader: The store.
        row: The sweep.
        runs_query: Which runs.
    """
    read, problem = parsed(row.spec, row.source)
    runs = run_lines(reader, row.id)
    table = runs_table(row, read, runs, runs_query)
    ended = sum(TrialState(run.state).is_final for run in runs)
    if read is None:
        return SweepPage(row, None, problem, table, None, None, None, ended)
    return SweepPage(
        row=row,
        spec=read,
        problem="",
        table=table,
        best=best_line(read.metric, runs) if len(read.metrics) <= 1 else None,
        history=charts.history(read.metric, best_points(read.metric, runs)),
        parallel=charts.parallel(read.metric, read.space, runs),
        n_ended=ended,
    )


def varying(read: spec.Sweep | None) -> list[str]:
    """Return the names of the parameters that vary."""
    if read is None:
        return []
    return [name for name, d in read.space.dimensions.items() if not isinstance(d, Constant)]


def runs_table(
    row: SweepRow, read: spec.Sweep | None, runs: Sequence[RunLine], runs_query: RunsQuery
) -> RunsTable:
    """Return a page of a sweep's runs.

    Args:
        row: The sweep.
        read: Its file.
        runs: All of its runs.
        runs_query: Which of them, in which order.
    """
    chosen = [run for run in runs if not runs_query.state or run.state == runs_query.state]
    inorder = ordered(chosen, runs_query.sort, runs_query.order == "desc")
    n_pages = max(1, -(-len(inorder) // PAGE))
    page = min(max(runs_query.page, 1), n_pages)
    parameters = tuple(varying(read)[:MOST_COLUMNS])
    metric = read.metric.name if read is not None and read.has_metric else "score"
    columns = [("run", "number"), ("state", "state"), (metric, "score"), ("took", "took")]
    columns += [(name, f"config.{name}") for name in parameters]
    return RunsTable(
        rows=tuple(inorder[(page - 1) * PAGE : page * PAGE]),
        columns=tuple(_column(row, replace(runs_query, page=page), *column) for column in columns),
        parameters=parameters,
        n=len(inorder),
        n_pages=n_pages,
        page=page,
        decimals=formatting.decimals_for([run.score for run in inorder[(page - 1) * PAGE : page * PAGE]]),
        runs_query=replace(runs_query, page=page),
    )


def _column(row: SweepRow, runs_query: RunsQuery, name: str, key: str) -> Column:
    is_sorted = runs_query.sort == key
    other = "asc" if is_sorted and runs_query.order == "desc" else "desc"
    query = {"sort": key, "order": other, "state": runs_query.state}
    href = in_project(project_of(row), "sweeps", row.id, **query) + "#runs"
    return Column(
        name, key, href, {"asc": "ascending", "desc": "descending"}[runs_query.order] if is_sorted else ""
    )
