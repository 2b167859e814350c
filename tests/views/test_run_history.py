"""Histories of runs, of sweeps or of none: pages and spread lines, and how little of a long one is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator.harness import CoordinatorHarness
from sharpen.store.location import FILE
from sharpen.store.queries import Reader
from sharpen.views.run_history import History, history_of

N_STEPS = 30


@pytest.fixture(params=["sweep", "project"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    """Give a run that logged at steps 0, 2, 4, … up to 58."""
    harness = CoordinatorHarness(tmp_path)
    if request.param == "sweep":
        held = harness.held(harness.create())
        for step in range(N_STEPS):
            harness.report(held, 2 * step, val_sharpe=step)
        run_id = held["run_id"]
    else:
        run_id = "mine"
        token = harness.ask("create_run", run_id=run_id, key="k", project="p", resume="never")["token"]
        rows = [[2 * step, {"val/sharpe": step}] for step in range(N_STEPS)]
        harness.ask("append_history", run_id=run_id, token=token, first_line=0, rows=rows)
    harness.close()
    reader = Reader(tmp_path)
    run = reader.tracked.run(run_id)
    assert run is not None
    return history_of(reader, run)


def steps(history: History, *where: int | None, **how: bool) -> list[int]:
    return [line["_step"] for line in history.between(*where, **how)]  # type: ignore[arg-type]


def test_the_newest_line_and_how_many_there_are(history: History) -> None:
    last = history.last()
    assert last is not None
    assert (history.n_lines, last["_step"], last["val/sharpe"]) == (N_STEPS, 58, 29)


def test_pages_go_on_from_step_to_step(history: History) -> None:
    assert steps(history, 0, None, 3, is_page=True) == [0, 2, 4]
    assert steps(history, 5, None, 3, is_page=True) == [6, 8, 10]
    assert steps(history, 5, 9, 3, is_page=True) == [6, 8]
    assert steps(history, 59, None, 3, is_page=True) == []


def test_lines_are_spread_over_the_steps_asked_for(history: History) -> None:
    assert steps(history, 0, None, 100) == [*range(0, 60, 2)]
    assert steps(history, 10, 21, 6) == [10, 12, 14, 16, 18, 20]
    some = steps(history, 10, 50, 5)
    assert (len(some), some[0], some[-1]) == (5, 10, 48)
    assert steps(history, 59, None, 5) == []


def test_no_question_reads_all_of_a_long_run(tmp_path: Path) -> None:
    harness = CoordinatorHarness(tmp_path)
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    rows = [[step, {"val/sharpe": step}] for step in range(10_000)]
    harness.ask("report", **held, rows=rows)
    steps: list[int] = []

    def counted(connection: Any, _record: Any) -> None:
        connection.set_progress_handler(lambda: steps.append(100), 100)  # each 100 steps of SQLite's machine

    engine = sa.create_engine(f"sqlite:///{tmp_path / FILE}")
    sa.event.listen(engine, "connect", counted)
    reader = Reader(tmp_path, engine)
    assert reader.progress(sweep_id) == {held["run_id"]: (10_000, 9_999.0)}
    run = reader.tracked.run(held["run_id"])
    assert run is not None
    history = history_of(reader, run)
    assert (history.n_lines, (history.last() or {})["_step"]) == (10_000, 9_999)
    assert len(history.between(0, None, 10)) == len(history.between(5_000, None, 10, is_page=True)) == 10
    engine.dispose()
    harness.close()
    assert sum(steps) < 10_000
