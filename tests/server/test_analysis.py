"""What the pages keep of a sweep: it is what a report says, once the store has changed."""

from __future__ import annotations

import numpy as np
import pytest

from report.stores import Lab, returns_frame, rows_of
from sharpen.server.pages import analysis
from sharpen.server.pages.analysis import Analyses
from sharpen.store.queries import Reader
from sharpen.views.permuted_search import PermutedWinner, folder_of, keep

RANDOM = """
name: {name}
program: noise.py
method: random
metric: {{name: val/sharpe, goal: maximize}}
run_cap: 4
parameters: {{x: {{min: 0.0, max: 1.0}}}}
"""


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path / "store")
    yield made
    made.coordinator.close()


@pytest.fixture
def clock(monkeypatch):
    """Give the seconds that the pages see: a list of one."""
    seconds = [0.0]
    monkeypatch.setattr(analysis.time, "monotonic", lambda: seconds[0])
    return seconds


def search(lab, name="first"):
    """Run a sweep to its end on bars that all of these have."""
    sweep_id = lab.sweep(RANDOM.format(name=name))
    rng = np.random.default_rng(4)
    for _ in range(4):
        frame = returns_frame(rng.normal(0.0, 0.01, 500), rng.normal(0.0, 0.01, 500))
        lab.run(rows_of(frame), returns=frame)
    return sweep_id


def test_a_verdict_follows_what_others_try_on_the_same_bars(lab, clock):
    sweep_id = search(lab)
    reader = Reader(lab.home)
    pages = Analyses(reader)

    def n_trials():
        return pages.verdict(reader.sweep(sweep_id)).judgement.n_trials

    assert n_trials() == 4
    search(lab, "second")
    assert n_trials() == 4, "what takes long is not worked out at every look while the store changes"
    clock[0] += analysis.FRESH_S + 1
    assert n_trials() == 8


def test_a_verdict_is_worked_out_once_for_a_store_that_rests(lab, clock, monkeypatch):
    sweep_id = search(lab)
    asked = []
    monkeypatch.setattr(analysis, "analyse", lambda reader, row: asked.append(row.id))
    reader = Reader(lab.home)
    pages = Analyses(reader)
    for _ in range(3):
        pages.verdict(reader.sweep(sweep_id))
        clock[0] += 1000.0
    assert asked == [sweep_id]


def test_a_verdict_follows_searches_on_permuted_bars(lab, clock):
    sweep_id = search(lab)
    reader = Reader(lab.home)
    pages = Analyses(reader)
    before = pages.verdict(reader.sweep(sweep_id))
    folder_of(lab.home, sweep_id).mkdir(parents=True)
    keep(lab.home, sweep_id, PermutedWinner(1, 1, 1, 4, 0.5))
    clock[0] += analysis.FRESH_S + 1
    assert pages.verdict(reader.sweep(sweep_id)) != before
