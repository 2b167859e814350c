"""What starts agents on other machines, by name: adding one is a module and a row here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol, cast

from sharpen.agents.remote.process import Ending
from sharpen.agents.remote.request import Request

PLACEMENTS: Mapping[str, str] = {
    "ray": "sharpen.agents.remote.ray",
    "slurm": "sharpen.agents.remote.slurm",
    "ssh": "sharpen.agents.remote.ssh",
}

LIBRARIES: Mapping[str, str] = {"ray": "ray", "slurm": "submitit", "ssh": "subprocess"}
"""The library of each."""


class Placement(Protocol):
    """Starts agents somewhere. What it returns for one is its own affair."""

    def start(self, n: int) -> Any:
        """Have the agent of a number started, as soon as there is room for it."""
        ...

    def ended(self, agents: Sequence[Any], wait_s: float) -> Sequence[tuple[Any, Ending]]:
        """Return those that have ended, and how; wait a while for one."""
        ...

    def end(self, agents: Sequence[Any]) -> None:
        """Have agents give their runs back and end; return when they have, or after a while."""
        ...


def get_ready(name: str) -> None:
    """Load what a placement needs, which takes a while; whether it is there is said when it is opened."""
    with suppress(ImportError):
        import_module(LIBRARIES[name])


def open_placement(request: Request) -> Placement:
    """Return what starts the agents of a request.

    Raises:
        SharpenError: The cluster cannot be reached, or its library is not installed.
    """
    return cast("Placement", import_module(PLACEMENTS[request.placement]).open_placement(request))
