"""How a sweep ends on the terminal: the leaderboard, the verdict, the report; and the verb report."""

from __future__ import annotations

from pathlib import Path

import click

from sharpen.cli.printing import stdout
from sharpen.cli.terminal import echo
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow

N_LEADERS = 10


def get_ready() -> None:
    """Import and compile what :func:`conclude` needs, while there is nothing else to do."""
    from sharpen.report.html import template  # noqa: PLC0415 - it imports a lot

    template()


def conclude(reader: Reader, sweep: SweepRow, report_path: Path) -> None:
    """Write the report, and print the leaderboard, or the front of several metrics, and the verdict.

    A file that is no report of ours is left as it is: the report then gets a name with the sweep's id.
    """
    from sharpen.report import analyse, front, leaderboard, verdict, write_html  # noqa: PLC0415 - it imports a lot
    from sharpen.report.html import is_replaceable  # noqa: PLC0415

    analysis = analyse(reader, sweep)
    if not is_replaceable(report_path):
        echo(f"{report_path} is no report of sharpen's, so it is left as it is", err=True)
        report_path = report_path.with_name(f"{report_path.stem}-{sweep.id}{report_path.suffix}")
    write_html(analysis, report_path)  # first: whoever reads stdout may leave
    console = stdout()
    leaders = front if analysis.front else leaderboard
    console.print(leaders(analysis, N_LEADERS))
    for line in verdict(analysis):
        console.print(line, markup=False)
    echo(f"\nreport: {report_path}", err=True)


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
@click.pass_obj
def report(home: Path, sweep: str, output: Path) -> None:
    """Print a sweep's leaderboard and verdict, and write its report: one HTML file that needs no network.

    It may be asked of a sweep that is still running.
    """
    reader = Reader(home)
    conclude(reader, reader.sweep(sweep), output)
