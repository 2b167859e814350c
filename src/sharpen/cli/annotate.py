"""The verbs that remember something of a run or a sweep: note, tag."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from sharpen.cli.printing import json_option, print_json
from sharpen.cli.resolve import opened, target
from sharpen.cli.terminal import echo, one_line
from sharpen.errors import UsageError
from sharpen.store.queries import Reader


@click.command()
@click.argument("sweep_or_run")
@click.argument("text", required=False)
@click.pass_obj
def note(home: Path, sweep_or_run: str, text: str | None) -> None:
    """Write a note on a run or a sweep in place of the one before; without TEXT, print it.

    An empty TEXT removes it.

    \b
      sharpen note last-7 "good until 2020, then it only holds cash"
      sharpen note last-7
    """
    if text is None:
        reader = Reader(home)
        meant = target(reader, sweep_or_run)
        echo((meant.run or reader.sweep(meant.id)).note)
        return
    with opened(home) as (client, reader):
        client.call("note", target=target(reader, sweep_or_run).id, text=text)


@click.command()
@click.argument("sweep_or_run")
@click.argument("action", type=click.Choice(["add", "rm"]), required=False)
@click.argument("names", nargs=-1)
@json_option
@click.pass_obj
def tag(home: Path, sweep_or_run: str, action: str | None, names: Sequence[str], as_json: bool) -> None:
    """Tag a run or a sweep, or take tags away; without ACTION, print its tags, one a line.

    `sharpen runs SWEEP --tag NAME` lists the runs that have one.

    \b
      sharpen tag last-7 add keep baseline
      sharpen tag last-7 rm baseline
      sharpen tag last-7
    """
    if action is None:
        reader = Reader(home)
        meant = target(reader, sweep_or_run)
        tags = list((meant.run or reader.sweep(meant.id)).tags)
    else:
        if not names:
            raise UsageError(f"tag: {action} which NAME?")
        changes = (
            {"add": [one_line("a tag", name) for name in names], "remove": []}
            if action == "add"
            else {"add": [], "remove": [*names]}
        )
        with opened(home) as (client, reader):
            tags = client.call("tag", target=target(reader, sweep_or_run).id, **changes)["tags"]
    if as_json:
        print_json(tags)
    elif tags:
        echo("\n".join(tags))
