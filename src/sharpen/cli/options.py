"""Options that verbs of several modules have; it imports nothing that a verb would have to wait for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from sharpen.cli.terminal import echo


class FiniteRange(click.FloatRange):
    """A range that has no NaN in it: click compares, and no comparison finds one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail."""
        number: float = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value} is no finite number", param, ctx)


MOST_AT_ONCE = 64
"""Runs that ``--population auto`` gives a program at most."""


class PopulationSize(click.IntRange):
    """How many runs a program is given; ``auto`` for all that there are for it, as the memory allows.

    How much memory a run needs only its program can tell: it trains more than fit one part after another.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail."""
        word = str(value).strip()
        if word == "auto":
            return MOST_AT_ONCE
        if not word.removeprefix("-").isdecimal():
            self.fail(f"{value!r} is neither a number of runs nor auto", param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


population_option = click.option(
    "--population",
    type=PopulationSize(min=1),
    metavar="N|auto",
    help="Runs that each program carries out at once, for programs that call tracking.init_all; auto: its"
    f" share of those that are left, at most {MOST_AT_ONCE}, and side by side as many as the memory holds."
    " [default: 1]",
)


TIED = f"{__name__}.tied"
"""Where a command's context has the folder that it has tied to a database."""


def tie(ctx: click.Context, url: str) -> None:
    """Let the store of a command's folder be in a database; the first time, say who works with it already.

    Raises:
        UsageError: There is no such database, or it is not fit; or the folder has another store.
        StoreError: Nothing answers there.
    """
    from sharpen.store.backends import use_database  # noqa: PLC0415 - sqlalchemy takes a moment to import

    if not use_database(ctx.obj, url):
        return
    from sharpen.coordinator.connection import HELD_S  # noqa: PLC0415
    from sharpen.store.postgres import holder_of  # noqa: PLC0415

    ctx.meta[TIED] = ctx.obj
    if (holder := holder_of(ctx.obj)) is not None:
        words = f"{holder.description} holds that store: what writes to it waits {HELD_S:g} s for its end"
        echo(words, err=True)


def untie(ctx: click.Context) -> None:
    """Take back what :func:`tie` has done for the first time: a slip of the pen must not stay."""
    from sharpen.store.location import unlink  # noqa: PLC0415

    if (home := ctx.meta.pop(TIED, None)) is not None:
        unlink(home)
        echo(f"{home} is not tied to the database", err=True)


def _link(ctx: click.Context, _option: click.Parameter, url: str | None) -> None:
    if url is not None:
        tie(ctx, url)


def _link_bucket(ctx: click.Context, _option: click.Parameter, url: str | None) -> None:
    if url is not None:
        from sharpen.store.backends import use_bucket  # noqa: PLC0415 - sqlalchemy takes a moment to import

        use_bucket(ctx.obj, url)


Command = TypeVar("Command", bound=Callable[..., Any])


def store_options(command: Command) -> Command:
    """Give a verb the options that say where rows and files of the store are."""
    blobs = click.option(
        "--blobs",
        metavar="URL",
        envvar="SHARPEN_BLOBS",
        expose_value=False,
        callback=_link_bucket,
        help="A bucket for the store's files, as in s3://BUCKET/FOLDER; the store's folder remembers it.",
    )
    rows = click.option(
        "--store",
        metavar="URL",
        expose_value=False,
        callback=_link,
        help="A database for the store, as in postgresql://USER@HOST/DATABASE; the store's folder remembers"
        " it.",
    )
    return rows(blobs(command))
