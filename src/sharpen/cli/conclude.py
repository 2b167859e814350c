"""How a sweep ends on the terminal: the leaderboard, the verdict, the report; and the verb report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sharpen.cli.printing import json_option, print_json, stdout
from sharpen.cli.terminal import echo
from sharpen.errors import UsageError
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow

if TYPE_CHECKING:
    from sharpen.report import Analysis
    from sharpen.views.importances import Importances

N_LEADERS = 10


def get_ready() -> None:
    """Import and compile what :func:`conclude` needs, while there is nothing else to do."""
    from sharpen.report.html import template  # noqa: PLC0415 - it imports a lot

    template()


def conclude(
    reader: Reader,
    sweep: SweepRow,
    report_path: Path,
    as_json: bool = False,
    *,
    with_importance: bool = False,
) -> None:
    """Write the report, and print the leaderboard, or the front of several metrics, and the verdict.

    With importance the report says which parameters mattered, too, which takes some seconds.

    A file that is no report of ours is left as it is: the report then gets a name with the sweep's id.
    """
    from sharpen.report import analyse, verdict_figures, write_html  # noqa: PLC0415 - it imports a lot
    from sharpen.report.html import is_replaceable  # noqa: PLC0415

    analysis = analyse(reader, sweep)
    if not is_replaceable(report_path):
        echo(f"{report_path} is no report of sharpen's, so it is left as it is", err=True)
        report_path = report_path.with_name(f"{report_path.stem}-{sweep.id}{report_path.suffix}")
    mattered = _mattered(reader, sweep) if with_importance else None
    write_html(analysis, report_path, mattered)  # first: whoever reads stdout may leave
    if as_json:
        print_json(verdict_figures(analysis))
    else:
        _print(analysis)
    echo(f"\nreport: {report_path}", err=True)


def _mattered(reader: Reader, sweep: SweepRow) -> Importances | None:
    """Return which parameters mattered; None where the trials are too few, or a library is missing."""
    from sharpen.views.importances import importances  # noqa: PLC0415 - it imports a lot

    try:
        return importances(reader, sweep)
    except UsageError:
        return None


def _print(analysis: Analysis) -> None:
    from sharpen.report import front, leaderboard, verdict  # noqa: PLC0415 - it imports a lot

    console = stdout()
    leaders = front if analysis.front else leaderboard
    console.print(leaders(analysis, N_LEADERS))
    for line in verdict(analysis):
        console.print(line, markup=False)


@click.command()
@click.argument("sweep")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="Where to write it.",
)
@json_option
@click.pass_obj
def report(home: Path, sweep: str, output: Path, as_json: bool) -> None:
    """Print a sweep's leaderboard and verdict, and write its report: one HTML file that needs no network.

    From ten finished runs on it says which parameters mattered, where the extra 'importance' is installed.
    It may be asked of a sweep that is still running. With --json the verdict, its checks and every figure
    behind it are printed for programs; null stands for what is not known.
    """
    reader = Reader(home)
    conclude(reader, reader.sweep(sweep), output, as_json, with_importance=True)
