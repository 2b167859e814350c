"""Searches in noise that once passed: stopped runs that kept nothing, and a method that learns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from report.stores import Lab, annual, returns_frame
from sharpen.overfit import expected_max_sharpe
from sharpen.report import verdict
from sharpen.trial import TrialState

LATE = """
name: late
program: noise.py
method: random
metric: {name: val/sharpe, goal: maximize}
run_cap: 60
early_terminate: {type: hyperband, min_iter: 2, eta: 3}
parameters: {x: {min: 0.0, max: 1.0}}
"""
N_STEPS = 6
N_FACTORS = 8
N_BARS = 750
BETS = f"""
name: bets
program: bets.py
method: cmaes
metric: {{name: val/sharpe, goal: maximize}}
run_cap: 150
parameters: {{{", ".join(f"x{d}: {{min: -1.0, max: 1.0}}" for d in range(N_FACTORS))}}}
"""


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path / "store")
    yield made
    made.coordinator.close()


def until_stopped(lab: Lab, own: np.ndarray, market: np.ndarray) -> None:
    """Log the Sharpe ratio so far, step by step; keep the returns after the last step."""
    lease, _ = lab.lease()
    for step in range(1, N_STEPS + 1):
        score = annual(own[: len(own) * step // N_STEPS])
        answer = lab.call("report", **lease, rows=[(step, {"val/sharpe": score})])
        if answer["stop"]:
            lab.call("exit", **lease, exit_code=0, last_words="")
            return
    lab.keep(lease, returns_frame(own, market))
    lab.call("exit", **lease, exit_code=0, last_words="")


def test_runs_that_were_stopped_before_they_kept_anything_count(lab):
    lab.sweep(LATE)
    rng = np.random.default_rng(4)
    market = rng.normal(0.0002, 0.01, 600)
    for _ in range(60):
        until_stopped(lab, rng.normal(0.0, 0.01, 600), market)
    found = lab.analysis()
    n_stopped = sum(entry.state is TrialState.STOPPED for entry in found.ranked)
    assert n_stopped > 20
    assert len(found.series) == 60 - n_stopped
    assert found.judgement.n_trials == 60
    assert found.judgement.kind == "luck"
    assert any(f"{60 - n_stopped} of the 60 runs that began kept" in str(line) for line in verdict(found))


def test_a_method_that_learns_from_noise_does_not_lower_the_bar(lab):
    lab.sweep(BETS)
    rng = np.random.default_rng(11)
    factors, market = rng.normal(0.0, 0.01, (N_BARS, N_FACTORS)), rng.normal(0.0002, 0.01, N_BARS)
    sharpes = []
    for _ in range(150):
        lease, config = lab.lease()
        bet = np.array([config[f"x{d}"] for d in range(N_FACTORS)])
        own = factors @ (bet / np.linalg.norm(bet))
        sharpes.append(annual(own))
        lab.keep(lease, returns_frame(own, market))
        lab.call("report", **lease, rows=[(1, {"val/sharpe": annual(own)})])
        lab.call("exit", **lease, exit_code=0, last_words="")
    assert max(sharpes[-50:]) > max(sharpes[:50]), "it has learned, though there was nothing to learn"
    judgement = lab.analysis().judgement
    noise_floor = expected_max_sharpe(150, 1 / (N_BARS - 1)) * math.sqrt(252.0)
    assert judgement.luck_sharpe >= noise_floor, "however alike the bets are in the end"
    assert judgement.n_trials == 150
    assert judgement.kind == "luck"
