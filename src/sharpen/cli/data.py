"""The verbs about market data: data ls, data check."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from sharpen.cli.printing import json_option, print_json, print_rows
from sharpen.cli.terminal import echo


@click.group()
def data() -> None:
    """Look at market data: what comes with sharpen, and whether a file is fit to use."""


@data.command("ls")
@json_option
def ls(as_json: bool) -> None:
    """List the data sets that need no file and no download."""
    from sharpen.data import catalog  # noqa: PLC0415 - polars and pyarrow take a moment to import

    brief = ("name", "what", "period", "licence")
    names = (*brief, "symbols", "source", "notes") if as_json else brief
    print_rows([{name: getattr(entry, name) for name in names} for entry in catalog()], as_json, "none")


@data.command("check")
@click.argument("name")
@click.option(
    "--map", "columns", default="", help="What columns are: THEIRS=OURS,... as date=time,tic=symbol."
)
@click.option("--zone", default="", help="Zone of times that carry none, as America/New_York.")
@click.option("--time-format", default="", help="How times are written, as '%d/%m/%Y'.")
@click.option("--calendar", default="", help="24/7, weekdays, or bars a year; else taken from the times.")
@json_option
def check(name: str, columns: str, zone: str, time_format: str, calendar: str, as_json: bool) -> None:
    """Say what is in NAME, a data set or a CSV or parquet file, and whether it is fit to use.

    A file has columns for time, open, high, low and close, and may have volume, symbol and adj_close; the
    usual names and spellings of dates are known, and a line says what was understood. Every problem is shown
    with the first rows that have it; the exit code is 2 when there is one.
    """
    from sharpen.data import ReadOptions  # noqa: PLC0415 - as above
    from sharpen.data import check as check_data  # noqa: PLC0415

    options = ReadOptions.of({"map": columns, "zone": zone, "time_format": time_format, "calendar": calendar})
    checked = check_data(name, options)
    if as_json:
        print_json(asdict(checked) | {"is_usable": checked.is_usable})
    else:
        rows = [asdict(symbol) for symbol in checked.symbols]
        print_rows([{k: v for k, v in row.items() if k != "problems"} for row in rows], False, "no rows")
        echo(f"\n{checked.provenance}")
        if checked.layout:
            echo(f"read as: {checked.layout}")
        for note in checked.notes:
            echo(f"warning: {note}", err=True, fg="yellow")
        for symbol in checked.symbols:
            for problem in symbol.problems:
                echo(f"{symbol.symbol}: {problem}", err=True, fg="red")
        for problem in checked.problems:
            echo(f"{checked.name}: {problem}", err=True, fg="red")
        echo("fit to use" if checked.is_usable else "not fit to use", err=True)
    if not checked.is_usable:
        sys.exit(2)
