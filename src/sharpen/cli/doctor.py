"""The verb that looks for what is wrong with a store and this machine: doctor."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click
import sqlalchemy as sa

from sharpen import __version__
from sharpen.cli.doctor_agents import agents_words
from sharpen.cli.doctor_ray import ray_state
from sharpen.cli.printing import json_option, print_rows
from sharpen.errors import NotFound, SharpenError
from sharpen.extras import EXTRAS
from sharpen.hints import count
from sharpen.http import server_of, shown
from sharpen.store import bucket, schema
from sharpen.store.backends import check_database
from sharpen.store.location import FILE, database_url, find, without_password
from sharpen.store.permissions import open_to_others
from sharpen.store.project_use import limits_of, project_uses
from sharpen.store.queries import Reader
from sharpen.wire import Client, address_of, open_channel

LITTLE_BYTES = 1 << 30
TOO_LITTLE_BYTES = 100 << 20
SKEW_S = 5.0
ANSWER_S = 3.0
NO_ANSWER_S = 0.2  # where nobody holds the store
Severity = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    what: str
    verdict: Severity
    sentence: str


@click.command()
@json_option
@click.pass_obj
def doctor(home: Path, as_json: bool) -> None:
    """Look at the store, who holds it, the disk, the clock, the versions, Ray and the agents.

    Each line says how one of them is, and what to do. It changes nothing. The exit code is 1 when there is a
    problem; a warning is none.

    \b
      sharpen doctor
      sharpen doctor --server http://desk:8420
    """
    findings = list(_findings(home))
    rows = [{"what": one.what, "is": one.verdict, "words": one.sentence} for one in findings]
    print_rows(rows, as_json, "nothing to look at")
    if any(one.verdict == "problem" for one in findings):
        raise SystemExit(1)


def _findings(home: Path) -> Iterator[Finding]:
    yield _versions()
    yield _disk(home)
    is_well, sentence = ray_state()
    if sentence:
        yield Finding("ray", "ok" if is_well else "warning", sentence)
    try:
        find(home)
        reader = Reader(home)
    except NotFound as problem:
        yield Finding("store", "warning", problem.message)
        return
    except SharpenError as problem:
        yield Finding("store", "problem", problem.message)
        return
    looks: Sequence[Callable[[Path, Reader], Iterator[Finding]]] = (
        _store,
        _pooler,
        _files,
        _lock,
        _clock,
        _limits,
        _agents,
    )
    for look in looks:
        try:
            yield from look(home, reader)
        except SharpenError as problem:
            yield Finding(look.__name__.strip("_"), "problem", problem.message)


def _versions() -> Finding:
    lacking = sorted({extra for package, extra in EXTRAS.items() if find_spec(package) is None})
    versions = f"sharpen {__version__}, Python {platform.python_version()}, schema {schema.VERSION}"
    return Finding(
        "versions", "ok", versions + (f"; extras that lack: {', '.join(lacking)}" if lacking else "")
    )


def _disk(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    n_free = shutil.disk_usage(existing).free
    free = f"{n_free / (1 << 30):.1f} GiB free in {existing}"
    if not os.access(existing, os.W_OK):
        return Finding("disk", "problem", f"{existing} cannot be written by this user")
    if others := open_to_others(home):
        return Finding("disk", "warning", f"{free}; other users can read {others[0]}: chmod -R go= {home}")
    if n_free < TOO_LITTLE_BYTES:
        return Finding("disk", "problem", f"{free}: make room, nothing can be stored")
    return Finding("disk", "warning" if n_free < LITTLE_BYTES else "ok", free)


def _store(home: Path, reader: Reader) -> Iterator[Finding]:
    sweeps = reader.sweeps()
    url = database_url(home)
    if url is not None:
        where = f"Postgres, {without_password(url)}"
    elif server_of(home):
        where = f"the server {shown(home)}"
    else:
        where = f"{home / FILE}, {(home / FILE).stat().st_size / (1 << 20):.1f} MiB"
    n_runs = sum(sum(sweep.n_runs.values()) for sweep in sweeps)
    yield Finding("store", "ok", f"{where}: {count(len(sweeps), 'sweep')}, {count(n_runs, 'run')}")


def _pooler(home: Path, _reader: Reader) -> Iterator[Finding]:
    if database_url(home) is not None:
        from sharpen.store.postgres import is_behind_pooler  # noqa: PLC0415 - an extra

        if is_behind_pooler(home):
            trouble = (
                "one stands before the database, and takes the store's lock away unless its pool_mode is"
            )
            yield Finding("pooler", "warning", f"{trouble} session: connect to the server itself")


def _files(home: Path, _reader: Reader) -> Iterator[Finding]:
    if (url := bucket.bucket_of(home)) is not None:
        began = time.perf_counter()
        bucket.look(url)
        took_ms = 1000 * (time.perf_counter() - began)
        yield Finding("files", "ok", f"{url}: the bucket answers in {took_ms:.0f} ms")


def _lock(home: Path, reader: Reader) -> Iterator[Finding]:
    """Say who writes; nobody is asked to begin."""
    client = Client(open_channel(address_of(home)), None, ANSWER_S if _holder(home) else NO_ANSWER_S)
    began = time.perf_counter()
    try:
        client.call("ping")
    except SharpenError as problem:
        yield _silent_writer(home, problem)
        return
    finally:
        client.close()
    took_ms = 1000 * (time.perf_counter() - began)
    verdict: Severity = "ok" if took_ms < 1000 else "warning"
    writer = shown(home) if server_of(home) else f"process {_pid(home)}"
    yield Finding("writer", verdict, f"{writer} writes, and answers in {took_ms:.0f} ms")


def _silent_writer(home: Path, problem: SharpenError) -> Finding:
    """Say who holds the store, when nobody answers in its folder."""
    process = _holder(home)
    if process is not None:
        return Finding("writer", "problem", f"{process} does not answer: {problem.message}")
    if database_url(home) is not None:
        from sharpen.store import postgres  # noqa: PLC0415 - an extra
        from sharpen.store.postgres_lock import elsewhere  # noqa: PLC0415

        if (holder := postgres.holder_of(home)) is not None:
            return Finding("writer", "warning", elsewhere(home, holder))
        check_database(home)
    return Finding("writer", "ok", "nobody writes just now; the next command does")


def _pid(home: Path) -> str:
    try:
        return (home / "lock").read_text().strip()
    except OSError:
        return ""


def _holder(home: Path) -> str | None:
    """Return who holds the store and does not answer; None for nobody."""
    if server_of(home):
        return f"the server {shown(home)}"
    pid = _pid(home)
    return f"process {pid}" if pid.isdigit() and Path(f"/proc/{pid}").exists() and _is_locked(home) else None


def _is_locked(home: Path) -> bool:
    import fcntl  # noqa: PLC0415 - Unix only

    with (home / "lock").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _clock(home: Path, reader: Reader) -> Iterator[Finding]:
    ahead_s = reader.newest_date() - time.time()
    if ahead_s > SKEW_S:
        skew = f"this clock is {ahead_s:.0f} s behind the newest date in the store: set it by NTP"
        yield Finding("clock", "warning", skew)
        return
    if database_url(home) is not None:
        now = reader.rows(sa.select(sa.extract("epoch", sa.func.clock_timestamp()).label("now")))[0]["now"]
        skew_s = float(now) - time.time()
        if abs(skew_s) > SKEW_S:
            skew = f"this clock and the database's are {abs(skew_s):.0f} s apart: set both by NTP"
            yield Finding("clock", "warning", skew)
            return
    yield Finding("clock", "ok", "not behind the store")


def _limits(_home: Path, reader: Reader) -> Iterator[Finding]:
    if not limits_of(reader):
        return
    for use in project_uses(reader):
        pairs = (
            (use.n_at_work, use.limits.runs_at_once, "runs at work"),
            (use.n_runs, use.limits.runs, "runs made"),
            (use.n_bytes, use.limits.n_bytes, "bytes"),
        )
        used = ", ".join(f"{n:,} of {most:,} {unit}" for n, most, unit in pairs if most is not None)
        if used:
            is_full = any(most is not None and n >= most for n, most, _ in pairs[1:])
            full = "; nothing more fits: 'sharpen project limit' raises it" if is_full else ""
            if not is_full and use.is_busy:
                full = "; the others wait for one to end"
            project = f"project {use.limits.project}: {used}{full}"
            yield Finding("limits", "warning" if is_full else "ok", project)


def _agents(home: Path, reader: Reader) -> Iterator[Finding]:
    for is_well, words in agents_words(home, reader):
        yield Finding("agents", "ok" if is_well else "warning", words)
