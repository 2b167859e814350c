"""Printing for people and for programs: tables, or JSON on request.

What lays out tables is imported when there is one to lay out: JSON and lines need not wait for it.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sharpen.cli.terminal import echo
from sharpen.hints import printable
from sharpen.jsonable import null_for_nan

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NUMBER = re.compile(r"[-+−]?(\d[\d,]*(\.\d*)?(e[-+]?\d+)?|nan|inf)( … [-+−]?\d\S*)?|–|infeasible")
"""A cell that is a number, an interval, or what stands for one that is not there."""

MANY = 1000
"""Rows of which a table would take long to lay out."""

MOST_NAMES = 40
"""Names of a run that a person is shown."""

LONGEST_VALUE = 300
"""Letters of a run's value that a person is shown."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")


def stdout() -> Console:
    """Return a console on stdout; as wide as its lines need when nobody watches."""
    from sharpen.cli.consoles import Stdout  # noqa: PLC0415

    console = Stdout(highlight=False)
    return console if console.is_terminal else Stdout(highlight=False, width=200)


def stderr() -> Console:
    """Return a console on stderr, for words."""
    from sharpen.cli.consoles import SafeConsole  # noqa: PLC0415

    return SafeConsole(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that JSON lacks become null."""
    echo(json.dumps(null_for_nan(value), indent=2))


def print_json_list(values: Iterable[Any]) -> None:
    """Print values as one JSON list; each is written out before the next is wanted.

    >>> print_json_list([])
    []
    """
    before = "["
    for value in values:
        echo(f"{before}\n{textwrap.indent(json.dumps(null_for_nan(value), indent=2), '  ')}", nl=False)
        before = ","
    echo("[]" if before == "[" else "\n]")


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, empty: str) -> None:
    """Print rows of the same columns as a table, or as a JSON list.

    Args:
        rows: One mapping a row; values print as they are.
        as_json: Which of the two.
        empty: What to say on stderr when there are no rows.
    """
    if as_json:
        print_json_list(rows)
    elif not rows:
        echo(empty, err=True)
    elif len(rows) > MANY:
        _print_plainly(rows)
    else:
        stdout().print(table(rows))


def _print_plainly(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table does, in a small part of its time; lines are as long as they are."""
    from rich.cells import cell_len  # noqa: PLC0415

    cells_of = [[_cell(value) for value in row.values()] for row in rows]
    columns = [(_cell(name), [row[at] for row in cells_of]) for at, name in enumerate(rows[0])]
    widths = [max(map(cell_len, (name, *cells))) for name, cells in columns]
    to_the_right = [_are_numbers(cells) for _, cells in columns]
    for row in ([name for name, _ in columns], *cells_of):
        padded = (
            " " * (width - cell_len(cell)) + cell if right else cell + " " * (width - cell_len(cell))
            for cell, width, right in zip(row, widths, to_the_right, strict=True)
        )
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _are_numbers(cells: Sequence[str]) -> bool:
    """Return whether half or more of the cells that have words are numbers."""
    filled = [cell for cell in cells if cell]
    return 2 * sum(NUMBER.fullmatch(cell) is not None for cell in filled) >= max(1, len(filled))


def print_pairs(pairs: Mapping[str, Any]) -> None:
    """Print a line for each value that there is, its name in words before it; a unit at a name's end goes.

    >>> print_pairs({"run_cap": 20, "note": "", "elapsed_s": "1m05s"})
    run cap  20
    elapsed  1m05s
    """
    lines = {name.removesuffix("_s").replace("_", " "): shown(value) for name, value in pairs.items()}
    lines = {name: text for name, text in lines.items() if text}
    width = max(map(len, lines), default=0)
    for name, text in lines.items():
        echo(f"{name:<{width}}  {text}")


def print_values(heading: str, values: Mapping[str, Any]) -> None:
    """Print what a run keeps by name as a table, after an empty line; nothing when it keeps nothing.

    The first 40 are shown, long values cut, and stderr says how many more there are.

    Args:
        heading: The word over the names.
        values: By name.
    """
    if not values:
        return
    echo("")
    first = itertools.islice(values.items(), MOST_NAMES)
    stdout().print(table([{heading: name, "value": brief(value)} for name, value in first]))
    if len(values) > MOST_NAMES:
        echo(f"and {len(values) - MOST_NAMES:,} more: --json", err=True)


def print_files(files: Mapping[str, str]) -> None:
    """Print where the first 40 files kept with a run are, each after an empty line; stderr says of more."""
    for name, path in itertools.islice(files.items(), MOST_NAMES):
        echo(f"\n{name}: {path}")
    if len(files) > MOST_NAMES:
        echo(f"and {len(files) - MOST_NAMES:,} more: --json", err=True)


def brief(value: Any) -> str:
    """Return a value as people read it, cut where it is long.

    >>> brief(0.123456789), brief("x" * 400)[-2:], len(brief(10**400))
    ('0.1235', 'x…', 300)
    """
    text = shown(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def first_names(names: Iterable[str]) -> str:
    """Return the first 40 names as a list for people, and how many more there are.

    >>> first_names(map(str, range(42)))[-21:]
    '39 and 2 more: --json'
    """
    every = list(names)
    more = len(every) - MOST_NAMES
    return ", ".join(every[:MOST_NAMES]) + (f" and {more:,} more: --json" if more > 0 else "")


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return rows of the same columns as a table; columns of which half or more are numbers to the right."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    grid = Table(box=None, pad_edge=False, header_style="bold")
    cells_of = [{name: _cell(value) for name, value in row.items()} for row in rows]
    for name in rows[0]:
        is_number = _are_numbers([row.get(name, "") for row in cells_of])
        grid.add_column(Text(_cell(name)), justify="right" if is_number else "left", overflow="fold")
    for row in cells_of:
        grid.add_row(*map(Text, row.values()))  # Text: a "[word]" is no markup
    return grid


def _cell(value: Any) -> str:
    """Return a value as it will stand in a table, so that its width is known before the columns are."""
    encoding = sys.stdout.encoding or "utf-8"
    return printable(shown(value)).encode(encoding, "backslashreplace").decode(encoding)


def shown(value: Any) -> str:
    """Return a value as people read it.

    >>> shown(0.123456789), shown(None), shown(7), shown(float("nan"))
    ('0.1235', '', '7', 'nan')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def when(seconds: float | None) -> str:
    """Return a Unix time in local words, with the offset from UTC; empty for none, or what is no date."""
    try:
        return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return ""
