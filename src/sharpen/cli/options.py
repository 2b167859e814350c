"""Options that verbs of several modules have; it imports nothing that a verb would have to wait for."""

from __future__ import annotations

import click

population_option = click.option(
    "--population",
    type=click.IntRange(min=1),
    help="Runs that each program carries out at once, for programs that call tracking.init_all. [default: 1]",
)
