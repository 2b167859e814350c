"""Rows that come fast are sent together; none is lost, none comes late, and what is waited for waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sharpen import tracking
from sharpen.coordinator import connect
from sharpen.errors import Refused, StoreError, UsageError
from sharpen.store.queries import Reader
from sharpen.tracking import row_buffer
from sharpen.tracking.row_buffer import MOST_ROWS, RowBuffer
from sharpen.wire import Client

STEPS = range(1, 2 * MOST_ROWS + 50)


class Sent:
    """What was sent, message by message."""

    def __init__(self, error: Exception | None = None) -> None:
        self.messages: list[list[tuple[int, Any]]] = []
        self.error = error
        self.has_come = threading.Event()

    def __call__(self, rows: Sequence[tuple[int, Any]]) -> str:
        if self.error is not None and self.messages:
            raise self.error
        self.messages.append(list(rows))
        if len(self.messages) > 1:
            self.has_come.set()
        return f"stop {len(self.messages)}"

    @property
    def steps(self) -> list[int]:
        return [step for rows in self.messages for step, _ in rows]


@pytest.fixture
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_buffer, "FLUSH_S", 1e6)


@pytest.mark.usefixtures("_slow")
def test_rows_that_come_fast_are_sent_together_and_in_order() -> None:
    sent = Sent()
    buffer = RowBuffer(sent)
    for step in STEPS:
        buffer.take(step, {"loss": 0.5}, at_once=False)
    buffer.close()
    assert [len(rows) for rows in sent.messages] == [1, MOST_ROWS, MOST_ROWS, 48]
    assert sent.steps == list(STEPS)


@pytest.mark.usefixtures("_slow")
def test_what_is_waited_for_is_sent_at_once_behind_all_before_it() -> None:
    sent = Sent()
    buffer = RowBuffer(sent)
    answers = [buffer.take(step, {}, at_once=step % 3 == 0) for step in range(1, 7)]
    assert [[step for step, _ in rows] for rows in sent.messages] == [[1], [2, 3], [4, 5, 6]]
    assert answers == ["stop 1", "stop 1", "stop 2", "stop 2", "stop 2", "stop 3"]
    buffer.close()
    assert len(sent.messages) == 3


def test_a_row_after_a_pause_is_sent_at_once_and_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_buffer, "FLUSH_S", 0.0)
    sent = Sent()
    buffer = RowBuffer(sent)
    n_threads = threading.active_count()
    for step in range(5):
        buffer.take(step, {}, at_once=False)
        assert sent.steps == list(range(step + 1))
    assert threading.active_count() == n_threads


def test_the_last_rows_are_sent_though_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_buffer, "FLUSH_S", 0.05)
    sent = Sent()
    buffer = RowBuffer(sent)
    buffer.take(1, {}, at_once=False)
    buffer.take(2, {}, at_once=False)
    assert sent.has_come.wait(20)
    assert sent.steps == [1, 2]
    buffer.close()


@pytest.mark.usefixtures("_slow")
@pytest.mark.parametrize("close", [False, True])
def test_what_came_of_rows_is_said_once_they_were_sent(close: bool) -> None:
    buffer = RowBuffer(Sent(StoreError("the disk is full")))
    buffer.take(1, {}, at_once=False)
    buffer.take(2, {}, at_once=False)
    with pytest.raises(StoreError, match="disk is full"):
        buffer.close() if close else buffer.flush()
    buffer.close()


def test_an_error_in_the_thread_reaches_the_next_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_buffer, "FLUSH_S", 1e6)
    buffer = RowBuffer(Sent(StoreError("the disk is full")))
    buffer.take(1, {}, at_once=False)
    monkeypatch.setattr(row_buffer, "FLUSH_S", 0.0)  # for the thread, which waits so long
    monkeypatch.setattr(row_buffer.time, "monotonic", lambda: -1.0)  # and no row is due
    buffer.take(2, {}, at_once=False)
    assert buffer._thread is not None
    buffer._thread.join(20)
    for call in (lambda: buffer.take(3, {}, at_once=False), buffer.flush, buffer.close):
        with pytest.raises(StoreError, match="disk is full"):
            call()


@pytest.mark.usefixtures("_slow")
def test_the_rows_of_a_run_that_another_has_are_let_go() -> None:
    buffer = RowBuffer(Sent(Refused("somebody else has it", why="stale")))
    buffer.take(1, {}, at_once=False)
    buffer.take(2, {}, at_once=False)
    buffer.close()
    assert buffer.flush() == "stop 1"


@pytest.mark.usefixtures("_slow")
def test_what_changes_after_it_was_logged_is_stored_as_it_was() -> None:
    sent = Sent()
    buffer = RowBuffer(sent)
    weights = [1, 2]
    for step in (1, 2):
        buffer.take(step, {"weights": weights}, at_once=False)
        weights.append(9)
    buffer.close()
    assert [metrics["weights"] for rows in sent.messages for _, metrics in rows] == [[1, 2], [1, 2, 9]]


@pytest.mark.usefixtures("_slow")
def test_a_row_that_is_too_large_goes_alone() -> None:
    sent = Sent()
    buffer = RowBuffer(sent)
    for step, n in ((1, 1), (2, 1), (3, row_buffer.MOST_CHARACTERS), (4, 1)):
        buffer.take(step, {"text": "x" * n}, at_once=False)
    buffer.close()
    assert [[step for step, _ in rows] for rows in sent.messages] == [[1], [2], [3], [4]]


@pytest.mark.usefixtures("_slow")
def test_a_fork_has_no_rows_of_its_parent_and_sends_its_own_at_once() -> None:
    sent = Sent()
    buffer = RowBuffer(sent)
    buffer.take(1, {}, at_once=False)
    buffer._rows.append((2, {}))  # it waits; without the thread, in which a fork could hang
    there, here = os.pipe()
    if (pid := os.fork()) == 0:
        sent.messages.clear()
        is_first = [buffer.is_forked(), buffer.is_forked()]
        buffer.take(3, {}, at_once=False)
        os.write(here, json.dumps([is_first, sent.steps]).encode())
        os._exit(0)
    os.close(here)
    with os.fdopen(there) as pipe:
        assert json.load(pipe) == [[True, False], [3]]
    os.waitpid(pid, 0)
    buffer.close()
    assert sent.steps == [1, 2]


SWEEP = """
{program: train.py, method: grid, metric: {name: score, goal: maximize}, resume: true,
 parameters: {x: {values: [1, 2]}}}
"""
PROGRAM = """
import os, signal, sys
from sharpen import tracking
run = tracking.init()
for step in range(1, 301):
    run.log({"score": step / 2, "loss": 1.0}, step=step)
    if step == 200 and sys.argv[1] == "kill":
        open("model", "w").close()
        run.save_checkpoint("model")
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "fail":
    sys.exit("no more")
"""


@pytest.mark.parametrize(("how", "code", "n_rows"), [("end", 0, 300), ("fail", 1, 300), ("kill", -9, 200)])
def test_no_row_is_lost_at_the_end_nor_before_a_checkpoint(
    tmp_path: Path, how: str, code: int, n_rows: int
) -> None:
    """The real client against a real host: a program that logs as fast as it can, and does not finish."""
    with connect(tmp_path / "home") as client:
        lease = _lease(client)
        told = {"channel": client.channel.address, "config": {"x": 1}, "waits_for": [], **lease}
        environment = {**os.environ, "SHARPEN_RUN": json.dumps(told)}
        command = [sys.executable, "-c", PROGRAM, how]
        done = subprocess.run(
            command, check=False, cwd=tmp_path, env=environment, capture_output=True, timeout=60
        )
        assert done.returncode == code, done.stderr
        reports = Reader(tmp_path / "home").reports(run_id=lease["run_id"])
        assert [report.step for report in reports] == list(range(1, n_rows + 1))
        assert len({report.at for report in reports}) == n_rows  # each has a date of its own


def _lease(client: Client) -> dict[str, Any]:
    place = {"source": "s.yaml", "workdir": "/"}
    sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=place)["sweep_id"]
    client.call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=os.getpid(), born="")
    run = client.call("lease", sweep_id=sweep_id, agent_id="a", key="k")["run"]
    return {"run_id": run["run_id"], "token": run["token"], "seed": 1, "stage": "search"}


def test_flush_says_that_all_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_buffer, "FLUSH_S", 1e6)
    with connect(tmp_path / "home") as client:
        lease = _lease(client)
        told = {"channel": client.channel.address, "config": {"x": 1}, "waits_for": ["score"], **lease}
        monkeypatch.setenv("SHARPEN_RUN", json.dumps(told))
        with tracking.init() as run:
            for _ in range(3):
                run.log({"loss": 0.5})
            reader = Reader(tmp_path / "home")
            assert [report.step for report in reader.reports(run_id=lease["run_id"])] == [1]
            run.flush()
            assert [report.step for report in reader.reports(run_id=lease["run_id"])] == [1, 2, 3]
            run.log({"loss": 0.5})
            run.log({"score": 0.5})  # a stop rule goes by it
            assert len(reader.reports(run_id=lease["run_id"])) == 5
            run.log({"loss": 0.5})
            run.summary["files"] = 2
            assert len(reader.reports(run_id=lease["run_id"])) == 6
        with pytest.raises(UsageError, match="flush: the run is finished"):
            run.flush()
    monkeypatch.delenv("SHARPEN_RUN")
    with tracking.init() as alone:
        alone.flush()
