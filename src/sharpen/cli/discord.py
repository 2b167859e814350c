"""The verb that sets Discord up: discord register."""

from __future__ import annotations

import os
from pathlib import Path

import click

from sharpen.cli.terminal import echo
from sharpen.errors import UsageError

TOKEN = "SHARPEN_DISCORD_TOKEN"  # noqa: S105 - the name of the variable


@click.group()
def discord() -> None:
    """Promote and roll back models from Discord."""


@discord.command("register")
@click.pass_obj
def register(home: Path) -> None:
    """Tell Discord which commands there are: /model promote, status and rollback.

    discord.yaml in the store's folder says who may use them and where. The bot's token is taken from
    SHARPEN_DISCORD_TOKEN, and is not kept. Doing it again changes nothing.
    """
    import httpx  # noqa: PLC0415 - --help can do without

    from sharpen.server.discord.commands import register_commands  # noqa: PLC0415
    from sharpen.server.discord.settings import read_settings  # noqa: PLC0415

    settings = read_settings(home)
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise UsageError(f"set {TOKEN} to the bot's token, which Discord shows once")
    with httpx.Client(timeout=10.0) as http:
        guilds = register_commands(settings, token, http)
    echo(f"/model is there in {len(guilds)} guild{'' if len(guilds) == 1 else 's'}: {', '.join(guilds)}")
