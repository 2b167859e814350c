"""Options of verbs whose agents may be on other machines; it imports nothing that a verb must wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from sharpen.cli.options import FiniteRange
from sharpen.errors import UsageError
from sharpen.extras import require


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the command line says of agents on other machines.

    Attributes:
        ray: The address of a Ray cluster.
        n_cpus: Processors for each agent.
        n_gpus: GPUs for each agent.
        ship: Whether to copy the sweep's folder there.
        serve_host: The address at which this machine serves the store.
    """

    ray: str
    n_cpus: float
    n_gpus: float
    ship: bool
    serve_host: str | None

    @property
    def words(self) -> list[str]:
        """The same as a command line says it."""
        words = ["--ray", self.ray, "--cpus-per-agent", f"{self.n_cpus:g}"]
        words += ["--gpus-per-agent", f"{self.n_gpus:g}", *(["--ship"] if self.ship else [])]
        return words + (["--serve-host", self.serve_host] if self.serve_host else [])


def elsewhere_options(command: Callable[..., Any], takes_bundle: bool = False) -> Callable[..., Any]:
    """Add the options; the verb gets them as one argument, ``elsewhere``, which is None for agents here.

    One that takes a bundle gets ``is_shipped``, too: whether ``--ship`` stands without ``--ray``.
    """

    @wraps(command)
    def gathered(*args: Any, **given: Any) -> Any:
        said = {name: given.pop(name) for name in ("cpus", "gpus", "ship", "serve_host")}
        ray = given.pop("ray")
        if ray is None and any(value for name, value in said.items() if name != "ship"):
            raise UsageError("--cpus-per-agent, --gpus-per-agent and --serve-host are for --ray")
        if ray is None and said["ship"] and not takes_bundle:
            raise UsageError("--ship: agents of 'run' are on this machine; with --ray it copies the folder")
        if takes_bundle:
            given["is_shipped"] = ray is None and said["ship"]
        return command(*args, **given, elsewhere=None if ray is None else _asked(ray, **said))

    for option in reversed(OPTIONS):
        gathered = option(gathered)
    return gathered


def _asked(ray: str, cpus: float | None, gpus: float | None, ship: bool, serve_host: str | None) -> Elsewhere:
    require("ray", "ray")
    return Elsewhere(ray, 1.0 if cpus is None else cpus, gpus or 0.0, ship, serve_host)


OPTIONS = (
    click.option(
        "--ray",
        metavar="ADDRESS",
        help="Start the agents in the Ray cluster at ADDRESS, as in HOST:6379; 'auto' finds one here.",
    ),
    click.option(
        "--cpus-per-agent", "cpus", type=FiniteRange(min=0.0), help="Of each Ray node. [default: 1]"
    ),
    click.option(
        "--gpus-per-agent", "gpus", type=FiniteRange(min=0.0), help="0.25 lets four agents share one."
    ),
    click.option(
        "--ship",
        is_flag=True,
        help="Copy the sweep's folder to the nodes of --ray, where it is missing. Without --ray: run in the "
        "files that 'sharpen sweep FILE --ship' has kept.",
    ),
    click.option("--serve-host", metavar="HOST", help="Serve the store to the cluster at this address."),
)
