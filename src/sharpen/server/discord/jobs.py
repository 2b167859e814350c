"""What takes longer than Discord waits: done after the answer, once, and reported also after a crash.

A job is on the disk before Discord is told that an answer will come. It carries the interaction's id to the
coordinator, which does what has one id once: so whoever finds a job after a crash does it again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock

import httpx

from sharpen.errors import SharpenError
from sharpen.promotion.promote import Ask, Back, Person, PromotionResult, position, promote, rollback
from sharpen.server.discord.interactions import GREEN, DeferredJob, Json, ShownVersion, body, button_id
from sharpen.server.discord.settings import DiscordSettings
from sharpen.store.collection_rows import aliases
from sharpen.store.queries import Reader
from sharpen.wire import Client

TOKEN_S = 900.0
"""How long Discord takes a report."""
TRIES = 4
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job needs.

    Attributes:
        home: The store's folder.
        client: Of its coordinator.
        settings: Of Discord.
        http: What reports go through.
        sleep: Waits for so many seconds.
        lock: Held by the job that asks the coordinator: a client is for one thread at a time.
    """

    home: Path
    client: Client
    settings: DiscordSettings
    http: httpx.Client
    sleep: Callable[[float], None] = time.sleep
    lock: Lock = field(default_factory=Lock)


def keep(home: Path, job: DeferredJob) -> Path:
    """Write a job down; only the store's owner can read it, for its token is a secret."""
    folder = home / "discord"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{job.id}.json"
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(job)), "utf-8")
    draft.replace(path)
    return path


def left_over(home: Path, now: float) -> list[DeferredJob]:
    """Return the jobs that a server left when it died and that somebody still waits for.

    A report is taken for :data:`TOKEN_S`. What is older is struck off and not done: nobody would be told, and
    who asked may have changed their mind.

    Args:
        home: The store's folder.
        now: Unix seconds.
    """
    jobs: list[DeferredJob] = []
    for path in sorted((home / "discord").glob("*.json")):
        try:
            job = DeferredJob(**json.loads(path.read_text("utf-8")))
            age_s = now - job.asked_at
        except (OSError, ValueError, TypeError):  # torn, or of another version: nobody waits for it any more
            path.replace(path.with_suffix(".unreadable"))
            continue
        if age_s < TOKEN_S:
            jobs.append(job)
            continue
        command = f"{job.verb} {job.word} {job.alias}".strip()
        LOG.warning("what %s asked for is too old to be done now: %s; ask again", job.person, command)
        path.unlink(missing_ok=True)
    return jobs


def do(context: JobContext, job: DeferredJob) -> None:
    """Do a job, report it, and strike it off; a failure is reported, too."""
    try:
        with context.lock:
            report = _done(context, job)
    except SharpenError as problem:
        report = body(problem.message)
    except Exception:  # whoever waits must be told, and a restart would only meet it again
        LOG.exception("the job of interaction %s failed", job.id)
        report = body("something broke in the server: whoever keeps it finds this in its log")
    if send(context, job, report):
        (context.home / "discord" / f"{job.id}.json").unlink(missing_ok=True)


def send(context: JobContext, job: DeferredJob, report: Json) -> bool:
    """Put a report in the place of the deferred answer; return whether there is nothing left to try."""
    url = f"{context.settings.api}/webhooks/{context.settings.application_id}/{job.token}/messages/@original"
    for attempt in range(TRIES):
        try:
            answer = context.http.patch(url, json=report)
        except httpx.HTTPError:
            context.sleep(2.0**attempt)
            continue
        if answer.status_code == 429:
            context.sleep(_retry_after_s(answer))
        elif answer.status_code < 500:
            return True  # taken, or the token has died: it will never be taken
        else:
            context.sleep(2.0**attempt)
    return False


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        return min(float(answer.headers.get("Retry-After", "1")), 60.0)
    except ValueError:
        return 1.0


def _done(context: JobContext, job: DeferredJob) -> Json:
    reader, person = Reader(context.home), Person(job.person, "discord")
    if job.verb == "status":
        return body(_status(reader, job.word))
    if job.verb == "rollback":
        back = Back(job.word, job.alias, job.reason, job.expects, key=job.id)
        before, now = rollback(context.client, reader, back, person)
        there = "points nowhere now" if now is None else f"is v{now} again"
        return body(f"`{job.word}:{job.alias}` {there}, no longer v{before}")
    ask = Ask(job.word, job.alias, job.approve, digest=job.digest, key=job.id, expects=job.expects)
    return _result_message(promote(context.client, reader, ask, person), job)


def _result_message(result: PromotionResult, job: DeferredJob) -> Json:
    name, alias = result.row.name, result.alias
    if result.state == "moved":
        easier = "".join(f"\n- {line}" for line in result.easier)
        by = f"\nby the store's own gates:{easier}" if easier else ""
        return body(f"`{name}` is `{alias}` now, by {job.person}{by}")
    if result.state == "unchanged":
        return body(f"`{name}` is `{alias}` already")
    if result.state == "requested":
        seen = ShownVersion(name, result.row.digest, position(result.before))
        button = button_id("a", "", (seen, alias), result.expires_at or 0.0)
        buttons = [{"type": 2, "style": GREEN, "label": "Approve", "custom_id": button}] if button else []
        until = f"until <t:{int(result.expires_at or 0.0)}:f>"  # which Discord shows in the reader's own time
        asks = f"{job.person} asks for `{name}` as `{alias}`: a second person approves {until}"
        return body(asks, buttons)
    reasons = "\n".join(f"- {reason}" for reason in result.reasons)
    return body(f"`{name}` does not become `{alias}`:\n{reasons}")


def _status(reader: Reader, word: str) -> str:
    rows = [row for row in aliases(reader) if not word or row.collection == word]
    lines = [f"`{row.collection}:{row.alias}` is v{row.version}, by {row.who}" for row in rows]
    return "\n".join(lines) or "no alias points anywhere"
