"""The verb that takes a sweep's figures elsewhere: export."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import click

from sharpen import spec
from sharpen.cli.terminal import echo
from sharpen.errors import UsageError
from sharpen.extras import require_report
from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import ReportRow, RunRow, SweepRow

FORMATS = (".csv", ".jsonl", ".parquet")
ELSEWHERE = ("optuna", "deepcave")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
Row = Mapping[str, Any]


@click.command()
@click.argument("sweep")
@click.option("--steps", is_flag=True, help="A row for each logged step, in place of one for each run.")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where to write: a .csv, .jsonl or .parquet file, or what --to says. [default: CSV on stdout]",
)
@click.option(
    "--to",
    "kind",
    type=click.Choice(["csv", "parquet", *ELSEWHERE]),
    help="For whom: with optuna -o names a new SQLite file, with deepcave a folder. [default: as -o ends]",
)
@click.option(
    "--spreadsheet-safe",
    is_flag=True,
    help="Put an apostrophe before texts that begin with = + - @, which a spreadsheet would work out.",
)
@click.pass_obj
def export(
    home: Path, sweep: str, steps: bool, file: Path | None, kind: str | None, spreadsheet_safe: bool
) -> None:
    """Write the runs of a sweep as a table, for a spreadsheet or a notebook.

    Columns begin with `config.` for parameters, `metric.` for what was logged last, and `summary.` for what a
    program said of the run as a whole. Dates are UTC. Numbers are as logged, NaN and Infinity among them.

    \b
      sharpen export last -o runs.csv
      sharpen export last --steps -o steps.jsonl
      sharpen export last --to optuna -o study.db        # docs/hydra.md opens it in its dashboard
      sharpen export last --to deepcave -o deepcave/     # trials.csv and configspace.csv
    """
    reader = Reader(home)
    row = reader.sweep(sweep)
    if file is not None and file.is_dir() and kind != "deepcave":
        raise UsageError(f"{file} is a folder: name a file")
    if kind in ELSEWHERE:
        _write_elsewhere(kind, reader, row, file)
        return
    _check_names(kind, file)
    table = _steps(reader, row) if steps else _runs(reader, row)
    if spreadsheet_safe:
        table = _Table([_text(name) for name in table.names], map(_formula_free, table.rows))
    if file is None:
        _write_csv(table, sys.stdout)
        return
    try:
        n_rows = _write(table, file, file.suffix if kind is None else f".{kind}")
    except OSError as problem:
        raise UsageError(f"cannot write {file}: {problem.strerror}") from problem
    echo(f"{n_rows} rows: {file}", err=True)


@dataclass(frozen=True, slots=True)
class _Table:
    """The names of all columns, and rows that may come one by one: a run may have logged a million."""

    names: Sequence[str]
    rows: Iterable[Row]


def _write(table: _Table, file: Path, form: str) -> int:
    """Write rows in a form, which is called by the ending of its files; return how many."""
    if form == ".parquet":
        rows = list(table.rows)
        _write_parquet(rows, file)
        return len(rows)
    with _replaced(file) as text:
        if form == ".csv":
            return _write_csv(table, text)
        return sum(1 for row in table.rows if text.write(json.dumps(row) + "\n"))


def _check_names(kind: str | None, file: Path | None) -> None:
    """Refuse a file whose name says something else than --to, or nothing that is known."""
    if kind is not None and file is not None and file.suffix in set(FORMATS) - {f".{kind}"}:
        raise UsageError(f"{file}: --to {kind} writes a .{kind} file: name one")
    if file is None and kind == "parquet":
        raise UsageError("--to parquet needs -o FILE.parquet: a table of bytes is nothing to print")
    if kind is None and file is not None and file.suffix not in FORMATS:
        raise UsageError(f"{file}: call it *{' or *'.join(FORMATS)}, which says how to write it")


def _write_elsewhere(kind: str, reader: Reader, row: SweepRow, file: Path | None) -> None:
    """Write a sweep for another program's eyes."""
    if file is None:
        raise UsageError(f"--to {kind} needs -o: {'a new SQLite file' if kind == 'optuna' else 'a folder'}")
    read = spec.parse(row.spec, where=row.source)
    try:
        if kind == "optuna":
            from sharpen.report.optuna_study import write_study  # noqa: PLC0415 - it imports a lot

            if file.exists():
                raise UsageError(f"{file} is there already: name a new file")
            n_trials = write_study(read, row.name, reader.runs(row.id), file)
        else:
            from sharpen.report.deepcave_run import write_tables  # noqa: PLC0415

            n_trials = write_tables(read, reader.runs(row.id), file)
    except OSError as problem:
        raise UsageError(f"cannot write {file}: {problem.strerror}") from problem
    echo(f"{n_trials} trials: {file}", err=True)


def _write_parquet(rows: Sequence[Row], file: Path) -> None:
    """Write rows as Parquet; a column of several types as texts."""
    require_report()
    pa: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _of_one_type([row.get(name) for row in rows]) for name in names}
    parquet.write_table(pa.table(columns), file)


def _of_one_type(values: list[Any]) -> list[Any]:
    """Return the values of a column as one type: as they are, as real numbers, or else as texts.

    >>> _of_one_type([1, 2.5, None]), _of_one_type([1, "a"]), _of_one_type([True, None])
    ([1.0, 2.5, None], ['1', 'a'], [True, None])
    """
    kinds: set[Any] = {type(value) for value in values if value is not None}
    if len(kinds) < 2:
        return values
    kind = float if kinds == {int, float} else str
    return [None if value is None else kind(value) for value in values]


def _runs(reader: Reader, sweep: SweepRow) -> _Table:
    runs = reader.runs(sweep.id)
    last = reader.tracked.last_of_all([run.id for run in runs])
    rows = list(_run_rows(sweep, runs, last))
    return _Table(list(dict.fromkeys(name for row in rows for name in row)), rows)


def _steps(reader: Reader, sweep: SweepRow) -> _Table:
    runs = reader.runs(sweep.id)
    last = reader.tracked.last_of_all([run.id for run in runs])
    names = sorted({name for metrics in last.values() for name in metrics})
    columns = ["run", "number", "step", "at", *(f"metric.{name}" for name in names)]
    return _Table(columns, _step_rows(runs, reader.long_runs.each_report([run.id for run in runs])))


def _run_rows(
    sweep: SweepRow, runs: Sequence[RunRow], last: Mapping[str, Mapping[str, Any]]
) -> Iterator[Row]:
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


def _step_rows(runs: Sequence[RunRow], reports: Iterable[ReportRow]) -> Iterator[Row]:
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


def _write_csv(table: _Table, text: TextIO) -> int:
    """Write rows and return how many."""
    writer = csv.DictWriter(text, table.names, lineterminator="\n")
    writer.writeheader()
    n_rows = 0
    for row in table.rows:
        writer.writerow(row)
        n_rows += 1
    return n_rows
