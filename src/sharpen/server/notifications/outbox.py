"""Messages on the disk until they have been taken: a crash loses none, and nobody waits for them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from sharpen.errors import Refused, StoreError
from sharpen.server.notifications.events import Happening, NewsCursor, news
from sharpen.server.notifications.webhooks import Webhook
from sharpen.store.permissions import own_folder
from sharpen.store.queries import Reader

FILE = "notifications.json"
PERIOD_S = 5.0
LONGEST_WAIT_S = 300.0
KEPT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Notifier:
    """Tells webhooks what happened.

    What had happened before the first time is not told. A message may be told twice, when its answer is
    lost, and none is left out for as long as :data:`KEPT_S`.

    Attributes:
        home: The store's folder.
        webhooks: Who is told.
        http: What messages go through.
        now: The time, in Unix seconds.
        say: Is told what could not be delivered.
    """

    home: Path
    webhooks: Sequence[Webhook]
    http: httpx.Client
    now: Callable[[], float]
    say: Callable[[str], None]

    def step(self) -> int:
        """Look for news and try to deliver what waits, each message once; return how many were taken."""
        content = self._read()
        seen = NewsCursor(**content["seen"]) if content["seen"] is not None else None
        happenings, now_seen = news(Reader(self.home), seen or NewsCursor())
        waiting: list[dict[str, Any]] = content["waiting"]
        if seen is not None:
            waiting += [
                {
                    "url": webhook.url,
                    "what": asdict(happening),
                    "since": self.now(),
                    "n": 0,
                    "not_before": 0.0,
                }
                for happening in happenings
                for webhook in self.webhooks
                if happening.kind in webhook.events
            ]
        if seen != now_seen:
            self._write({"seen": asdict(now_seen), "waiting": waiting})  # before anything is sent
        left = self._deliver(waiting)
        if waiting:
            self._write({"seen": asdict(now_seen), "waiting": left})
        return len(waiting) - len(left)

    def run(self, leave: Event) -> None:
        """Tell what happens until somebody wants this to end; a problem is said, and it goes on."""
        with only_one(self.home):
            while not leave.is_set():
                try:
                    self.step()
                except StoreError as problem:
                    self.say(f"notifications: {problem.message}")
                leave.wait(PERIOD_S)

    def _deliver(self, waiting: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages that still wait; those of one webhook keep their order."""
        webhooks = {webhook.url: webhook for webhook in self.webhooks}
        stuck: set[str] = set()
        left: list[dict[str, Any]] = []
        for row in waiting:
            url = row["url"]
            if url not in webhooks:
                continue  # nobody wants it any more
            if url in stuck or row["not_before"] > self.now():
                stuck.add(url)
                left.append(row)
                continue
            wait_s = self._post(webhooks[url], Happening(**row["what"]), row["n"])
            if wait_s is None:
                continue
            if self.now() - row["since"] > KEPT_S:
                self.say(f"notifications: gave up on {webhooks[url].shown}: {row['what']['text']}")
                continue
            stuck.add(url)
            left.append({**row, "n": row["n"] + 1, "not_before": self.now() + wait_s})
        return left

    def _post(self, webhook: Webhook, happening: Happening, n_before: int) -> float | None:
        """Post a message; return how long to wait before the next try, None when there is none to make."""
        wait_s = min(2.0**n_before, LONGEST_WAIT_S)
        try:
            answer = self.http.post(webhook.url, json=webhook.body(happening))
        except httpx.HTTPError:
            return wait_s
        if answer.status_code == 429:
            return _retry_after_s(answer, wait_s)
        if answer.status_code >= 500:
            return wait_s
        if not answer.is_success:
            self.say(f"notifications: {webhook.shown} refused a message: {answer.status_code}")
        return None

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads((self.home / FILE).read_text("utf-8"))
        except FileNotFoundError:
            return {"seen": None, "waiting": []}
        except (OSError, ValueError) as problem:
            raise StoreError(
                f"cannot read {self.home / FILE}: {problem}; delete it to begin anew"
            ) from problem

    def _write(self, content: dict[str, Any]) -> None:
        draft = self.home / f"{FILE}.draft"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.home / FILE)


@contextlib.contextmanager
def only_one(home: Path) -> Generator[None]:
    """Keep other processes from telling the same.

    Raises:
        Refused: Another one does already.
    """
    own_folder(home)
    handle = os.open(home / f"{FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            raise Refused(
                "another process tells already: 'sharpen serve' does when notifications.yaml is there"
            ) from taken
        yield
    finally:
        os.close(handle)


def _retry_after_s(answer: httpx.Response, otherwise_s: float) -> float:
    try:
        return min(max(float(answer.headers.get("Retry-After", otherwise_s)), 0.0), LONGEST_WAIT_S)
    except ValueError:
        return otherwise_s
