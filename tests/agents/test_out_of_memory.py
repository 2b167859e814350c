"""A run that wants more memory than there is: infeasible, or tried again with half of what on_oom names."""

from __future__ import annotations

from sharpen import spec
from sharpen.coordinator.restore import restore

from .conftest import TRIED, Workshop

HUNGRY = """
if run.config['x'] > 20:
    raise MemoryError(f"no room for {run.config['x']}")
run.log({'score': run.config['x']})
"""
KILLED = """
if run.config['x'] > 20:
    import os
    os.kill(os.getpid(), 9)
run.log({'score': run.config['x']})
"""


def test_without_a_rule_it_is_infeasible_and_does_not_count_as_a_failure(shop: Workshop) -> None:
    sweep_id = shop.program(HUNGRY, values=(10, *range(30, 37)))
    assert shop.work(sweep_id) == TRIED, "five failures alike would end the sweep"
    small, *large = shop.runs(sweep_id)
    assert (small.state, small.score) == ("finished", 10.0)
    assert [(run.state, run.score, run.exit_code) for run in large] == [("finished", None, 1)] * 7
    assert large[0].reason == "out of memory: MemoryError: no room for 30"


def test_with_a_rule_it_is_tried_with_half_until_it_fits_and_the_summary_says_so(shop: Workshop) -> None:
    sweep_id = shop.program(HUNGRY, values=(10, 64), on_oom="halve:x")
    assert shop.work(sweep_id, n_runs=2) == "took as many runs as it was asked to"
    small, large = shop.runs(sweep_id)
    assert (small.score, small.summary.get("out_of_memory")) == (10.0, None)
    assert (large.state, large.score, large.config["x"]) == ("finished", 16.0, 16)
    assert large.proposed is not None
    assert large.proposed["x"] == 64
    assert small.proposed is None
    assert large.summary["out_of_memory"] == "x 64 -> 16"
    assert "no room for 64" not in (shop.reader.console(large.id) or ""), "the output is that of the last try"


def test_with_a_rule_to_be_killed_is_to_run_out_of_memory(shop: Workshop) -> None:
    sweep_id = shop.program(KILLED, values=(32,), on_oom="halve:x")
    shop.work(sweep_id)
    (run,) = shop.runs(sweep_id)
    assert (run.state, run.score, run.lost) == ("finished", 16.0, 0)


def test_a_host_that_takes_over_knows_what_was_proposed_and_what_it_came_to(shop: Workshop) -> None:
    sweep_id = shop.program(HUNGRY, values=(10, 16, 64), on_oom="halve:x")
    shop.work(sweep_id)
    row = shop.reader.sweep(sweep_id)
    trials = restore(shop.reader, row, spec.parse(row.spec, where=row.source), 0.0).trials
    assert [(one.config["x"], one.asked["x"], one.score) for one in trials] == [
        (10, 10, 10.0),
        (16, 16, 16.0),
        (16, 64, 16.0),
    ]
