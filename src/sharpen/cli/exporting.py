"""The verb that takes a sweep's figures elsewhere: export."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click

from sharpen.cli.terminal import echo
from sharpen.errors import UsageError
from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import ReportRow, RunRow, SweepRow, last_metrics

FORMATS = (".csv", ".jsonl")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
Row = Mapping[str, Any]


@click.command()
@click.argument("sweep")
@click.option("--steps", is_flag=True, help="A row for each logged step, in place of one for each run.")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write: a .csv or .jsonl file. [default: CSV on stdout]",
)
@click.option(
    "--spreadsheet-safe",
    is_flag=True,
    help="Put an apostrophe before texts that begin with = + - @, which a spreadsheet would work out.",
)
@click.pass_obj
def export(home: Path, sweep: str, steps: bool, file: Path | None, spreadsheet_safe: bool) -> None:
    """Write the runs of a sweep as a table, for a spreadsheet or a notebook.

    Columns begin with `config.` for parameters, `metric.` for what was logged last, and `summary.` for what a
    program said of the run as a whole. Dates are UTC. Numbers are as logged, NaN and Infinity among them.

    \b
      sharpen export last -o runs.csv
      sharpen export last --steps -o steps.jsonl
    """
    if file is not None and file.suffix not in FORMATS:
        raise UsageError(f"{file}: call it *{' or *'.join(FORMATS)}, which says how to write it")
    reader = Reader(home)
    row = reader.sweep(sweep)
    reports = reader.reports(sweep_id=row.id)
    runs = reader.runs(row.id)
    rows: Sequence[Row] = list(_step_rows(runs, reports) if steps else _run_rows(row, runs, reports))
    if spreadsheet_safe:
        rows = [_formula_free(each) for each in rows]
    if file is None:
        _write_csv(rows, sys.stdout)
        return
    try:
        with _replaced(file) as text:
            if file.suffix == ".csv":
                _write_csv(rows, text)
            else:
                text.writelines(json.dumps(row) + "\n" for row in rows)
    except OSError as problem:
        raise UsageError(f"cannot write {file}: {problem.strerror}") from problem
    echo(f"{len(rows)} rows: {file}", err=True)


def _run_rows(sweep: SweepRow, runs: Sequence[RunRow], reports: Sequence[ReportRow]) -> Iterator[Row]:
    last = last_metrics(reports)
    for run in runs:
        yield {
            "run": run.id,
            "number": run.number,
            "state": str(run.state),
            "reason": run.reason,
            "score": run.score,
            "violation": run.violation,
            "cost": run.cost,
            "origin": run.origin,
            "parent": run.parent,
            "repeat_of": run.repeat_of,
            "seed": seed_of(sweep, run),
            "started_at": _date(run.started_at),
            "ended_at": _date(run.ended_at),
            "tags": " ".join(run.tags),
            "note": run.note,
            **_columns("config", run.config),
            **_columns("metric", last.get(run.id, {})),
            **_columns("summary", run.summary),
        }


def _step_rows(runs: Sequence[RunRow], reports: Sequence[ReportRow]) -> Iterator[Row]:
    numbers = {run.id: run.number for run in runs}
    for report in reports:
        about = {"run": report.run_id, "number": numbers[report.run_id], "step": report.step}
        yield about | {"at": _date(report.at)} | _columns("metric", report.metrics)


def _columns(prefix: str, values: Row) -> dict[str, Any]:
    """Return values under prefixed names; those that are no scalars as JSON."""
    plain = (str, int, float, bool, type(None))
    return {f"{prefix}.{k}": v if isinstance(v, plain) else json.dumps(v) for k, v in values.items()}


def _date(seconds: float | None) -> str | None:
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    )


@contextlib.contextmanager
def _replaced(path: Path) -> Generator[TextIO]:
    """Give a file to write to, which takes the other's place when all of it is on the disk."""
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as text:
            yield text
            text.flush()
            os.fsync(text.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _formula_free(row: Row) -> Row:
    """Return a row in which no text and no name of a column is a formula to a spreadsheet."""
    return {_text(name): _text(value) for name, value in row.items()}


def _text(value: Any) -> Any:
    """Return a text with an apostrophe before it where a spreadsheet would work it out.

    >>> _text("=1+1"), _text("a=1"), _text(-1.5)
    ("'=1+1", 'a=1', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _write_csv(rows: Sequence[Row], text: TextIO) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
