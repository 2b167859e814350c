"""Options of verbs whose agents may be on other machines; it imports nothing that a verb must wait for."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sharpen.cli.options import FiniteRange
from sharpen.cli.ray_address import checked_address
from sharpen.cli.remote_store import check_own_address
from sharpen.errors import UsageError
from sharpen.extras import require

if TYPE_CHECKING:
    from sharpen.spec import Resources

FLAGS = {
    "cpus": "--cpus-per-agent",
    "gpus": "--gpus-per-agent",
    "serve_host": "--serve-host",
    "hosts": "--hosts",
    "python": "--python",
    "slurm": "--slurm",
}
FITTING: Mapping[str, Sequence[str]] = {
    "ray": ("cpus", "gpus", "serve_host"),
    "slurm": ("cpus", "gpus", "serve_host", "slurm"),
    "ssh": ("hosts", "serve_host", "python"),
}
"""By what starts agents: the options that it knows beside --ship."""

HOST = re.compile(r"([\w.-]+@)?[\w:][\w.:%-]*")
WITH_PORT = re.compile(r"[^:]+:\d+")
SETTING = re.compile(r"[a-z][a-z_]*=.+")


@dataclass(frozen=True, slots=True)
class Remote:
    """What the command line says of agents on other machines.

    Attributes:
        placement: What starts them: ray, ssh or slurm.
        address: Of a Ray cluster, or hosts with commas between them.
        n_cpus: Processors for each agent; None for what its runs need.
        n_gpus: GPUs for each agent; None for what its runs need.
        ship: Whether the sweep's folder is missing there: agents get the files that are kept with the sweep.
        serve_host: The address at which this machine serves the store.
        settings: Of the placement.
    """

    placement: str
    address: str
    n_cpus: float | None
    n_gpus: float | None
    ship: bool
    serve_host: str | None
    settings: Mapping[str, str]

    def shares(self, needs: Resources, n_slots: int) -> tuple[float, float]:
        """Return the processors and GPUs of each agent: what was asked for, or what its runs need.

        Raises:
            UsageError: Nobody gives such a part of several GPUs.
        """
        n_cpus = float(needs.threads * n_slots) if self.n_cpus is None else self.n_cpus
        n_gpus = round(needs.gpu * n_slots, 4) if self.n_gpus is None else self.n_gpus  # 0.07 * 100 > 7
        gpu_rules = {"ray": "Ray gives a part of one, or whole ones", "slurm": "Slurm gives whole ones"}
        if n_gpus % 1 and (self.placement == "slurm" or (self.placement == "ray" and n_gpus > 1)):
            raise UsageError(
                f"each agent would need {n_gpus:g} GPUs ($.resources.gpu times --slots), and "
                f"{gpu_rules[self.placement]}: say how many with --gpus-per-agent"
            )
        return n_cpus, n_gpus

    @property
    def options(self) -> list[str]:
        """The same as a command line says it."""
        if self.placement == "ray":
            argv = ["--ray", self.address]
        else:
            argv = ["--launcher", self.placement, *(["--hosts", self.address] if self.address else [])]
        for flag, share in ((FLAGS["cpus"], self.n_cpus), (FLAGS["gpus"], self.n_gpus)):
            argv += [] if share is None else [flag, str(share)]
        if self.placement == "ssh":
            argv += ["--python", self.settings["python"]]
        else:
            argv += [word for name, value in self.settings.items() for word in ("--slurm", f"{name}={value}")]
        argv += ["--serve-host", self.serve_host] if self.serve_host else []
        return [*argv, *(["--ship"] if self.ship else [])]


def remote_options(command: Callable[..., Any], takes_bundle: bool = False) -> Callable[..., Any]:
    """Add the options; the verb gets them as one argument, ``remote``, which is None for agents here.

    One that takes a bundle gets ``is_shipped``, too: whether ``--ship`` is for an agent of this machine.
    """

    @wraps(command)
    def gathered(*args: Any, **params: Any) -> Any:
        options = {name: params.pop(name) for name in FLAGS}
        ray, launcher, ship = (params.pop(name) for name in ("ray", "launcher", "ship"))
        if ray is not None and launcher is not None:
            raise UsageError("--ray and --launcher are two ways to start agents: give one of them")
        placement = launcher if ray is None else "ray"
        _refuse_what_does_not_fit(placement, options)
        if placement is None and ship and not takes_bundle:
            raise UsageError(
                "--ship: agents of 'run' are here; it takes the folder to those of --ray or --launcher"
            )
        if takes_bundle:
            params["is_shipped"] = placement is None and ship
        remote = None if placement is None else _asked(placement, ray or "", ship, **options)
        return command(*args, **params, remote=remote)

    for option in reversed(OPTIONS):
        gathered = option(gathered)
    return gathered


def _refuse_what_does_not_fit(placement: str | None, given_options: Mapping[str, Any]) -> None:
    for name, flag in FLAGS.items():
        fitting = [launcher for launcher, options in FITTING.items() if name in options]
        if given_options[name] not in (None, ()) and placement not in fitting:
            ways = ["--ray" if launcher == "ray" else f"--launcher {launcher}" for launcher in fitting]
            raise UsageError(f"{flag} is for {' or '.join(ways)}")


def _asked(  # noqa: PLR0913 - each is a word of the command line
    placement: str,
    address: str,
    ship: bool,
    *,
    cpus: float | None,
    gpus: float | None,
    serve_host: str | None,
    hosts: str | None,
    python: str | None,
    slurm: Sequence[str],
) -> Remote:
    settings: dict[str, str] = {}
    if serve_host is not None:
        check_own_address(serve_host)
    if placement == "ssh":
        address, settings = _hosts(hosts), {"python": python or sys.executable}
        require("uvicorn", "server")
    elif placement == "slurm":
        settings = _slurm_settings(slurm, (cpus, gpus))
        _check_slurm(settings)
    else:
        require("ray", "ray")
        checked_address(address)
    return Remote(placement, address, cpus, gpus, ship, serve_host, settings)


def _hosts(hosts: str | None) -> str:
    if hosts is None:
        raise UsageError("--launcher ssh needs hosts to start agents on: give --hosts gpu1,alice@gpu2")
    for host in hosts.split(","):
        if not HOST.fullmatch(host):
            raise UsageError(f"--hosts: {host!r} is no host: give names as ssh knows them, HOST or USER@HOST")
        if WITH_PORT.fullmatch(host):
            raise UsageError(f"--hosts: {host!r} has a port: name the host, and its Port, in ~/.ssh/config")
    return hosts


def _check_slurm(settings: Mapping[str, str]) -> None:
    """Refuse what Slurm does not know, before there is a sweep."""
    from sharpen.agents.remote.slurm import executor_in  # noqa: PLC0415 - submitit takes a moment

    with tempfile.TemporaryDirectory(prefix="sharpen-slurm-") as folder:
        executor_in(Path(folder), settings)


def _slurm_settings(slurm: Sequence[str], shares: Sequence[float | None]) -> dict[str, str]:
    if any(share is not None and share != round(share) for share in shares):
        raise UsageError(
            "Slurm gives whole processors and GPUs: --cpus-per-agent and --gpus-per-agent are whole"
        )
    for setting in slurm:
        if not SETTING.fullmatch(setting):
            raise UsageError(f"--slurm: {setting!r} is no NAME=VALUE, as in partition=gpu")
    return dict(setting.split("=", 1) for setting in slurm)


OPTIONS = (
    click.option(
        "--ray",
        metavar="ADDRESS",
        help="Start the agents in the Ray cluster at ADDRESS, as in HOST:6379; 'auto' finds one here.",
    ),
    click.option(
        "--launcher",
        type=click.Choice(["ssh", "slurm"]),
        help="Start the agents on --hosts by ssh, or as jobs of a Slurm cluster.",
    ),
    click.option(
        "--hosts", metavar="HOSTS", help="For ssh, as in gpu1,alice@gpu2; each gets agents in turn."
    ),
    click.option(
        "--python",
        metavar="PATH",
        help="For ssh: the Python of the hosts that has sharpen. [default: this one's path]",
    ),
    click.option(
        "--slurm",
        multiple=True,
        metavar="NAME=VALUE",
        help="A setting of the jobs, as in partition=gpu or time=120; may be given several times.",
    ),
    click.option(
        "--cpus-per-agent",
        "cpus",
        type=FiniteRange(min=0.0),
        help="Processors for each agent of a cluster. [default: the file's resources, times --slots]",
    ),
    click.option(
        "--gpus-per-agent",
        "gpus",
        type=FiniteRange(min=0.0),
        help="The same of GPUs; with --ray 0.25 lets four agents share one.",
    ),
    click.option(
        "--ship",
        is_flag=True,
        help="The sweep's folder is missing there: --ray and --launcher take the files of its git commit and "
        "the data that the sweep names. Of an agent here: run in the files that 'sharpen sweep FILE --ship' "
        "has kept.",
    ),
    click.option(
        "--serve-host", metavar="HOST", help="Serve the store to the other machines at this address."
    ),
)
