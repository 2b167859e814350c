"""The verb that tells people what happened: notify."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sharpen.cli.terminal import echo

if TYPE_CHECKING:
    import httpx


@click.command()
@click.option("--once", is_flag=True, help="Tell what is new, and leave.")
@click.option("--test", is_flag=True, help="Send a test message to every webhook, and leave.")
@click.pass_obj
def notify(home: Path, once: bool, test: bool) -> None:
    """Tell webhooks of promotions, kill switches and finished sweeps.

    notifications.yaml in the store's folder says whom: Discord, Slack, or a program that takes JSON. A
    message that is not taken is tried again for a day. `sharpen serve` does the same by itself.

    \b
      sharpen notify --test
      sharpen notify --once
    """
    import httpx  # noqa: PLC0415 - --help can do without

    from sharpen.server.notifications.events import Happening  # noqa: PLC0415
    from sharpen.server.notifications.outbox import Notifier, only_one  # noqa: PLC0415
    from sharpen.server.notifications.webhooks import read_webhooks  # noqa: PLC0415

    webhooks = read_webhooks(home)
    with httpx.Client(timeout=10.0) as http:
        if test:
            happening = Happening("test", "sharpen can write here", {})
            answers = [(webhook, _status(http, webhook.url, webhook.body(happening))) for webhook in webhooks]
            for webhook, status in answers:
                echo(f"{webhook.shown}: {status}")
            sys.exit(0 if all(status.startswith("2") for _, status in answers) else 1)
        notifier = Notifier(home, webhooks, http, time.time, lambda text: echo(text, err=True))
        if once:
            with only_one(home):
                n_taken = notifier.step()
            echo(f"{n_taken} message{'' if n_taken == 1 else 's'} taken", err=True)
            return
        echo(f"telling {', '.join(webhook.shown for webhook in webhooks)}; Ctrl-C ends it", err=True)
        notifier.run(threading.Event())


def _status(http: httpx.Client, url: str, body: Any) -> str:
    from httpx import HTTPError  # noqa: PLC0415 - as above

    try:
        return str(http.post(url, json=body).status_code)
    except HTTPError as problem:
        return f"cannot be reached: {type(problem).__name__}"
