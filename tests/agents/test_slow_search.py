"""While a search method thinks, everybody else is answered; what it proposes is run."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sharpen import optimizers
from sharpen.coordinator import connect
from sharpen.optimizers import GridSearch
from sharpen.store.queries import Reader
from sharpen.sweep import SweepStatus
from sharpen.wire import Client, UnixChannel

from .conftest import Workshop


class Thinker:
    """A method that thinks until it is told to answer, and keeps what it has seen of the trials."""

    def __init__(self) -> None:
        self.is_thinking, self.may_answer = threading.Event(), threading.Event()
        self.seen: list[float] = []

    def ask(self, space, history, n, rng):
        self.seen = [trial.reports[-1].value for trial in history if trial.reports]
        self.is_thinking.set()
        assert self.may_answer.wait(60)
        return GridSearch().ask(space, history, n, rng)


@pytest.fixture
def thinker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Thinker]:
    found = Thinker()
    monkeypatch.setattr(optimizers, "make", lambda *_: found)
    monkeypatch.setattr(optimizers, "QUICK", frozenset[str]())
    yield found
    found.may_answer.set()


def test_others_are_answered_while_a_search_method_thinks(shop: Workshop, thinker: Thinker) -> None:
    sweep_id = shop.program("run.log({'score': run.config['x']})")
    answers: list[object] = []

    def ask_meanwhile() -> None:
        assert thinker.is_thinking.wait(60)
        other = Client(UnixChannel(shop.home))
        other.call("note", target=sweep_id, text="still there?")
        answers.extend([other.call("sweep", word=sweep_id)["id"], shop.row(sweep_id).status])
        answers.append(len(shop.runs(sweep_id)))
        other.close()
        thinker.may_answer.set()

    other = threading.Thread(target=ask_meanwhile)
    other.start()
    shop.work(sweep_id, n_slots=2)
    other.join()
    assert answers == [sweep_id, SweepStatus.RUNNING, 0]
    assert sorted(run.config["x"] for run in shop.runs(sweep_id)) == [1, 2, 3]
    assert shop.row(sweep_id).status == SweepStatus.FINISHED


def test_a_run_at_work_reports_and_beats_while_a_search_method_thinks(
    shop: Workshop, thinker: Thinker
) -> None:
    sweep_id = shop.program("run.log({'score': run.config['x']})")
    call = shop.client.call
    call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
    thinker.may_answer.set()
    while "run" not in (leased := call("lease", sweep_id=sweep_id, agent_id="a", key="first")):
        assert thinker.is_thinking.wait(60)
    run_id, token = leased["run"]["run_id"], leased["run"]["token"]
    thinker.may_answer.clear()
    thinker.is_thinking.clear()
    for key in range(3):
        call("lease", sweep_id=sweep_id, agent_id="a", key=f"another {key}")
    assert thinker.is_thinking.wait(60)
    call("report", run_id=run_id, token=token, rows=[(1, {"score": 0.5})])
    held = call("beat", sweep_id=sweep_id, agent_id="a", held=[(run_id, token)])
    [row] = [run for run in shop.runs(sweep_id) if run.id == run_id]
    assert not thinker.may_answer.is_set(), "it has not answered yet"
    assert (held["stop"], held["lost"], row.state) == ({}, [], "running")
    assert [report.value for report in shop.reader.reports(sweep_id)] == [0.5]


def test_after_a_restart_it_is_asked_again_and_sees_what_was_logged_before(
    shop: Workshop, thinker: Thinker
) -> None:
    thinker.may_answer.set()
    sweep_id = shop.program("run.log({'score': run.config['x']})")
    shop.work(sweep_id, n_runs=1)
    thinker.may_answer.clear()
    thinker.is_thinking.clear()
    shop.client.call("lease", sweep_id=sweep_id, agent_id="gone", key="gone")
    assert thinker.is_thinking.wait(60)
    shop.client.close()  # the host ends in the middle of a thought
    with connect(shop.home) as client:
        thinker.may_answer.set()
        again = Workshop(shop.home, shop.folder, client, Reader(shop.home))
        again.work(sweep_id)
        assert [run.config["x"] for run in again.runs(sweep_id)] == [1, 2, 3]
        assert thinker.seen == [1.0, 2.0, 3.0], "also when it is asked for the last time"
        again.reader._engine.dispose()
