"""The verb that answers over HTTP: serve."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from errno import EADDRNOTAVAIL
from pathlib import Path
from typing import Any

import click

from sharpen.cli.options import store_options
from sharpen.cli.terminal import echo
from sharpen.coordinator import connect
from sharpen.coordinator.connection import HELD_S
from sharpen.errors import UsageError
from sharpen.store.location import database_url

PORT = 8420
STANDBY_S = 1e6  # days; then whoever keeps it alive starts it again
KEEP_ALIVE_S = 75  # more than an agent is silent


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0 for a free one."
)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="A PEM file: speak HTTPS.")
@store_options
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="The certificate's key.")
@click.option(
    "--standby", is_flag=True, help="Wait while another machine serves the database, and take over from it."
)
@click.option(
    "--wandb-slots",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How many programs a `wandb agent` runs at once.",
)
@click.option("--log-requests", is_flag=True, help="Print a line of JSON for each request, without any key.")
@click.pass_obj
def serve(  # noqa: PLR0913 - each is a word of the command line
    home: Path,
    host: str,
    port: int,
    tls_cert: str | None,
    *,
    tls_key: str | None,
    standby: bool,
    wandb_slots: int,
    log_requests: bool,
) -> None:
    """Answer today's `wandb` scripts, a browser and REST, with no account and no network.

    The store is the one of every other verb. The first time a key is made and shown, once; later ones come
    from `sharpen key add`. On an address that other machines reach, it starts only when a key is there.

    \b
      sharpen serve
      sharpen serve --store postgresql://db.lab/sharpen    where several machines keep one store
      sharpen serve --standby                              on the second of them
      export WANDB_BASE_URL=http://127.0.0.1:8420 WANDB_API_KEY=...
      wandb sweep sweeps/xgboost_sweep.yaml
      wandb agent local/quantbot/ID
    """
    import uvicorn  # noqa: PLC0415 - an extra

    from sharpen.server.app import application  # noqa: PLC0415
    from sharpen.server.auth import KeyFile  # noqa: PLC0415
    from sharpen.server.lifespan import LAST_GRACE_S, PatientServer  # noqa: PLC0415
    from sharpen.server.standby import standing_by  # noqa: PLC0415

    keys = KeyFile(home)
    has_keys = bool(keys.all())
    if not has_keys and not _is_loopback(host):
        raise UsageError(f"{host} is reached from other machines: make a key first, with 'sharpen key add'")
    listener = _listen(host, port)
    scheme = "https" if tls_cert else "http"
    shown = f"[{host}]" if ":" in host else host
    url = f"{scheme}://{shown}:{listener.getsockname()[1]}"
    settings: dict[str, Any] = {
        "log_level": "warning",
        "access_log": False,
        "timeout_graceful_shutdown": round(LAST_GRACE_S),
        "timeout_keep_alive": KEEP_ALIVE_S,
        "ssl_certfile": tls_cert,
        "ssl_keyfile": tls_key,
        "server_header": False,
    }
    if database_url(home) is not None:
        _tell_database(url.replace(shown, socket.gethostname()) if _is_any(host) else url)
    with contextlib.ExitStack() as until_the_end:
        if standby:
            echo(f"sharpen stands by for {home}, and will serve it at {url}", err=True)
        with standing_by(listener, settings) if standby else contextlib.nullcontext():
            client = until_the_end.enter_context(connect(home, held_s=STANDBY_S if standby else HELD_S))
            app = application(home, client, _say if log_requests else None, wandb_slots)

        def tell() -> None:
            echo(f"sharpen serves {home} at {url}", err=True)
            click.echo(f"export WANDB_BASE_URL={url}")
            click.echo(f"export WANDB_API_KEY={'...' if has_keys else keys.add('first')}")
            if has_keys:
                echo("its key was shown when it was made; for another: sharpen key add", err=True)

        PatientServer(uvicorn.Config(app, **settings), tell).run(sockets=[listener])


def _tell_database(url: str) -> None:
    """Let this process's connections tell where it answers: whoever is refused is told to ask there."""
    from sharpen.store.postgres_lock import AT  # noqa: PLC0415 - sqlalchemy takes a moment to import

    os.environ["PGAPPNAME"] = f"{AT}{url}"


def _say(line: str) -> None:
    echo(line, err=True)


def _is_any(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_unspecified
    return not host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # who is told the address may connect at once, and waits
    except (OSError, OverflowError, TypeError) as problem:  # TypeError: text that names no host
        listener.close()
        is_elsewhere = isinstance(problem, socket.gaierror) or getattr(problem, "errno", 0) == EADDRNOTAVAIL
        way = "give --host an address of this machine" if is_elsewhere else "try --port 0"
        raise UsageError(f"cannot listen on {host} port {port}: {problem}; {way}") from problem
    return listener
