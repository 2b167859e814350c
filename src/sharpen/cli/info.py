"""``sharpen info``: what is known of one sweep, or of one run."""

from __future__ import annotations

from pathlib import Path

import click

from sharpen.cli.printing import json_option
from sharpen.cli.resolve import target
from sharpen.store.queries import Reader


@click.command()
@click.argument("sweep_or_run")
@json_option
@click.pass_obj
def info(home: Path, sweep_or_run: str, as_json: bool) -> None:
    """Show a sweep: its state, its file, and how its runs ended. Or a run, whatever became of it.

    \b
      sharpen info last
      sharpen info last-4
    """
    reader = Reader(home)
    meant = target(reader, sweep_or_run)
    # each of the three imports only what it needs: most of the time that this verb takes is imports
    if meant.run is None:
        from sharpen.cli.sweep_info import print_sweep  # noqa: PLC0415

        print_sweep(reader, meant.id, as_json)
    elif meant.run.sweep_id is None:
        from sharpen.cli.project_runs import print_tracked_run  # noqa: PLC0415

        print_tracked_run(reader, meant.run, as_json)
    else:
        from sharpen.cli.run_info import print_run  # noqa: PLC0415

        print_run(reader, meant.id, as_json)
