"""The verb for the keys of `sharpen serve`: key."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from sharpen.cli.printing import json_option, print_rows, when
from sharpen.cli.terminal import echo
from sharpen.server.auth import SCOPES, KeyFile


@click.group()
def key() -> None:
    """Make, list and revoke the keys of `sharpen serve`.

    \b
      sharpen key add --name alice --scope agent
      sharpen key ls
      sharpen key rm 3f2a91c0
    """


@key.command()
@click.option("--name", default="", help="Whose it is.")
@click.option(
    "--scope", type=click.Choice(SCOPES), default="admin", show_default=True, help="What it may do."
)
@click.pass_obj
def add(home: Path, name: str, scope: str) -> None:
    """Make a key and print it; it is shown this once.

    `read` sees everything; `agent` also makes sweeps and works on them; `admin` also steers and deletes.
    """
    click.echo(KeyFile(home).add(name, scope))


@key.command()
@json_option
@click.pass_obj
def ls(home: Path, as_json: bool) -> None:
    """List the keys; the keys themselves are not kept."""
    rows = [asdict(one) for one in KeyFile(home).all()]
    shown = [
        {"id": r["id"], "name": r["name"], "scope": r["scope"], "created": when(r["created_at"])}
        for r in rows
    ]
    print_rows(shown, as_json, "no keys: make one with 'sharpen key add'")


@key.command()
@click.argument("key_id")
@click.pass_obj
def rm(home: Path, key_id: str) -> None:
    """Revoke a key: it is refused from now on, also by a server that runs."""
    KeyFile(home).remove(key_id)
    echo(f"key {key_id} is revoked", err=True)
