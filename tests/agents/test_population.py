"""Several runs in one program: each is told, stopped and ended by itself."""

from __future__ import annotations

from typing import Any

import pytest

from sharpen.agents import LocalAgent
from sharpen.trial import TrialState

from .conftest import Workshop

HEAD = "import os, sys\nfrom sharpen import tracking\nruns = tracking.init_all({'y': 5})\n"


def population(shop: Workshop, body: str, n: int, values: tuple[int, ...] = (1, 2, 3, 4, 5), **more: Any):
    """Work on a sweep of a program of several runs; return them, and what the agent said."""
    (shop.folder / "train.py").write_text(HEAD + body)
    n_slots = more.pop("n_slots", 1)
    sweep_id = shop.sweep("${interpreter}", "train.py", "${args}", values=values, **more)
    said: list[str] = []
    LocalAgent(shop.client, shop.row(sweep_id), n_slots, population=n, say=said.append).work()
    return shop.runs(sweep_id), said


def test_a_program_carries_out_as_many_runs_as_it_is_given(shop: Workshop) -> None:
    body = (
        "for run in runs:\n"
        "    run.log({'score': run.config.x, 'pid': os.getpid(), 'y': run.config.y})\n"
        "    run.finish()\n"
    )
    runs, _ = population(shop, body, 3)
    assert [run.state for run in runs] == ["finished"] * 5
    rows = {run.id: shop.reader.reports(run_id=run.id)[0].metrics for run in runs}
    assert [row["score"] for row in rows.values()] == [1, 2, 3, 4, 5]
    assert [row["y"] for row in rows.values()] == [5] * 5
    pids = [row["pid"] for row in rows.values()]
    assert (len(set(pids[:3])), len(set(pids[3:])), len(set(pids))) == (1, 1, 2)


def test_the_last_runs_of_a_sweep_are_shared_by_all_slots(shop: Workshop) -> None:
    """A slot that took all that is left would work on while the others wait."""
    body = "for run in runs:\n    run.log({'score': run.config.x, 'n': len(runs)})\n    run.finish()\n"
    runs, _ = population(shop, body, 8, values=tuple(range(1, 13)), run_cap=12, n_slots=2)
    assert [run.state for run in runs] == ["finished"] * 12
    sizes = [shop.reader.reports(run_id=run.id)[0].metrics["n"] for run in runs]
    assert sizes == [6] * 6 + [3] * 3 + [2] * 2 + [1]


def test_the_words_of_the_command_are_those_of_no_single_run(shop: Workshop) -> None:
    body = "print(sys.argv[1:])\nfor run in runs:\n    run.log({'score': 1})\n"
    runs, _ = population(shop, body, 5)
    assert shop.reader.console(runs[0].id) == "[]\n"
    assert runs[0].id in shop.reader.console(runs[1].id)


def test_one_that_is_stopped_ends_and_the_others_go_on(shop: Workshop) -> None:
    body = (
        "for step in range(1, 4):\n"
        "    for run in [run for run in runs if not run.stopped]:\n"
        "        run.log({'score': run.config.x}, step)\n"
        "        if run.stopped:\n"
        "            run.finish()\n"
    )
    stop = {"type": "hyperband", "min_iter": 1, "eta": 3}
    runs, _ = population(shop, body, 5, values=(5, 4, 3, 2, 1), early_terminate=stop)
    assert {run.state for run in runs} == {"finished", "stopped"}
    stopped = [run for run in runs if run.state == "stopped"]
    assert all(len(shop.reader.reports(run_id=run.id)) < 3 for run in stopped)
    finished = [run for run in runs if run.state == "finished"]
    assert all(len(shop.reader.reports(run_id=run.id)) == 3 for run in finished)


def test_one_that_has_finished_has_ended_though_its_program_dies_later(shop: Workshop) -> None:
    body = (
        "for run in runs:\n"
        "    run.log({'score': run.config.x})\n"
        "    if run.config.x == 1:\n"
        "        run.finish()\n"
        "if len(runs) > 1:\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    runs, said = population(shop, body, 5)
    assert [run.state for run in runs] == ["finished"] * 5
    assert len(shop.reader.reports(run_id=runs[0].id)) == 1
    assert "a program with 5 runs failed (exit code -9): they are tried again, 2 at a time" in said


def test_when_one_of_many_fails_the_others_are_tried_again_without_it(shop: Workshop) -> None:
    body = (
        "for run in runs:\n"
        "    if run.config.x == 3:\n"
        "        raise ValueError('three')\n"
        "    run.log({'score': run.config.x})\n"
    )
    runs, said = population(shop, body, 4)
    assert [run.state for run in runs] == ["finished", "finished", "failed", "finished", "finished"]
    assert runs[2].reason == "ValueError: three"
    assert said[0] == "a program with 4 runs failed (ValueError: three): they are tried again, 2 at a time"


def test_init_says_what_to_do_in_a_program_with_several_runs(shop: Workshop) -> None:
    (shop.folder / "train.py").write_text(
        "from sharpen import tracking\nrun = tracking.init()\nrun.log({'score': 1})\n"
    )
    sweep_id = shop.sweep("${interpreter}", "train.py", values=(1, 2))
    said: list[str] = []
    LocalAgent(shop.client, shop.row(sweep_id), population=2, say=said.append).work()
    assert "this process is given 2 runs at once, and init() takes one: call tracking.init_all()" in said[0]
    assert [run.state for run in shop.runs(sweep_id)] == ["finished"] * 2, "one by one"


def test_an_agent_takes_no_more_runs_than_it_is_asked_to(shop: Workshop) -> None:
    (shop.folder / "train.py").write_text(HEAD + "for run in runs:\n    run.log({'score': 1})\n")
    sweep_id = shop.sweep("${interpreter}", "train.py", values=(1, 2, 3, 4, 5))
    LocalAgent(shop.client, shop.row(sweep_id), n_runs=3, population=2).work()
    assert [run.state for run in shop.runs(sweep_id)] == [TrialState.FINISHED] * 3


@pytest.mark.parametrize("n_cancelled", [1, 2])
def test_a_person_may_cancel_one_or_all(shop: Workshop, n_cancelled: int) -> None:
    body = (
        "import time\n"
        "from pathlib import Path\n"
        "for step in range(1, 2000):\n"
        "    at_work = [run for run in runs if not run.stopped]\n"
        "    for run in at_work:\n"
        "        run.log({'score': run.config.x}, step)\n"
        "        if run.stopped:\n"
        "            run.finish()\n"
        "    if not at_work or (len(at_work) < len(runs) and step > 2 and Path('one').exists()):\n"
        "        break\n"
        "    time.sleep(0.02)\n"
    )
    if n_cancelled == 1:
        (shop.folder / "one").touch()
    cancelled: list[str] = []

    def cancel(op: str, args: Any, answer: Any) -> Any:
        if op == "beat" and not cancelled:
            cancelled.extend(run_id for run_id, _ in args["held"][:n_cancelled])
            for run_id in cancelled:
                shop.client.call("cancel_run", run_id=run_id, reason="enough")
        return answer

    shop.overhear(cancel)
    runs, _ = population(shop, body, 2, values=(1, 2))
    assert [run.state for run in runs] == ["canceled"] * n_cancelled + ["finished"] * (2 - n_cancelled)
