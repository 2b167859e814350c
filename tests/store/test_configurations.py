"""What the runs of a configuration come to, as the store and as the engine have it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sharpen.store.configurations import configurations
from sharpen.store.rows import RunRow
from sharpen.sweep.repeats import Configurations
from sharpen.sweep.trials import blank
from sharpen.trial import Trial, TrialState

REPEATS = 3


def stored(number: int, state: str = "finished", deleted: bool = False) -> RunRow:
    first = (number - 1) // REPEATS * REPEATS + 1
    return RunRow(
        id=f"s-{number}",
        sweep_id="s",
        number=number,
        state=state,
        reason="",
        config={"x": first},
        origin="random",
        score=float(number) if state == "finished" else None,
        exit_code=0,
        token=1,
        lost=0,
        agent_id="a",
        lease_key=None,
        stop="",
        summary={},
        created_at=1.0,
        started_at=2.0,
        ended_at=3.0,
        repeat=number - first,
        repeat_of=None if number == first else first,
        deleted_at=9.0 if deleted else None,
    )


def as_engine(runs: Sequence[RunRow]) -> Configurations:
    trials = [
        Trial(
            run.number,
            run.config,
            TrialState(run.state),
            score=run.score,
            origin=run.origin,
            repeat=run.repeat,
            repeat_of=run.repeat_of,
        )
        for run in runs
    ]
    gone = [run.number for run in runs if run.deleted_at is not None]
    return Configurations.of([blank(t) if t.number in gone else t for t in trials], REPEATS)


@pytest.mark.parametrize("last", ["finished", "running", "failed"])
@pytest.mark.parametrize("deleted", [{1}, {2}, {1, 2}, {1, 2, 3}, {1, 4}, set()])
def test_deleted_runs_count_as_the_engine_counts_them(deleted: set[int], last: str) -> None:
    runs = [stored(n, last if n == 3 else "finished", n in deleted) for n in range(1, 7)]
    found = configurations(runs, REPEATS)
    engine = as_engine(runs)
    assert [(one.row.state, one.row.score) for one in found] == [
        (trial.state, trial.score)
        for trial, members in zip(engine.folded, engine.members, strict=True)
        if not deleted.issuperset(members)
    ]
    assert [run.number for one in found for run in one.runs] == [n for n in range(1, 7) if n not in deleted]
    assert all(one.row.number == one.runs[0].number for one in found)


def test_a_deleted_run_is_why_its_configuration_is_canceled() -> None:
    (found,) = configurations([stored(1, deleted=True), stored(2), stored(3)], REPEATS)
    assert (found.row.state, found.row.reason) == ("canceled", "run 1 was deleted")


def test_without_repeats_deleted_runs_are_left_out() -> None:
    runs = [stored(1), stored(2, deleted=True), stored(3)]
    assert [one.row.number for one in configurations(runs, 1)] == [1, 3]
