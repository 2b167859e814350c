"""Commands as they are to be typed next, for the store that this command works on."""

from __future__ import annotations

import shlex

import click

from sharpen.http import server_of


def same_store(command: str) -> str:
    """Return a command of sharpen's with the option that this one was given to find its store, if any.

    What the environment says, it will say again.

    >>> same_store("sharpen resume k3v9x2aq")
    'sharpen resume k3v9x2aq'
    """
    ctx = click.get_current_context(silent=True)
    words = [] if ctx is None else _words(ctx)
    return " ".join(["sharpen", *words, command.removeprefix("sharpen ")])


def _words(ctx: click.Context) -> list[str]:
    root = ctx.find_root()
    if root.params.get("home") is not None and not is_from_environment(root, "home"):
        return ["--home", shlex.quote(str(root.params["home"]))]
    url = "" if ctx.obj is None else server_of(ctx.obj)
    if not url or is_from_environment(root, "server"):
        return []
    return ["--server", shlex.quote(url)]


def is_from_environment(ctx: click.Context, name: str) -> bool:
    """Return whether an option was set by its variable."""
    return ctx.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT
