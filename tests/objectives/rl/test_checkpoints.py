"""Checkpoints are whole, a torn one is said to be torn, and what goes on equals what had no break."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sharpen.errors import DataError, UsageError
from sharpen.objectives.fold_jobs import FoldJob, RunCheckpoint
from sharpen.objectives.rl import checkpoints
from sharpen.objectives.rl.checkpoints import BestWeights, FoldCheckpoint
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.portfolio import PortfolioSettings, train

from .test_population import COMMON, STEPS, member, population, weights
from .test_portfolio import FOLD, QUICK

OFF_POLICY = {"horizon_len": 8, "repeat_times": 0.1, "buffer_size": 64, "buffer_init_size": 64}


@pytest.fixture(scope="module")
def data(world):
    return market_data(world(seed=3, n_bars=500), scaling="relative")


@pytest.mark.parametrize("agent", COMMON)
def test_a_resumed_run_equals_one_without_a_break(agent, tmp_path):
    half, path = STEPS[agent] // 2, tmp_path / "members.safetensors"
    one = population([member(agent, 3), member(agent, 4, gamma=0.9)])
    one.train(half)
    kept = {number: FoldCheckpoint(one.save(number), BestWeights()) for number in one.members}
    checkpoints.save(RunCheckpoint({"break_step": 9}, (), kept), path)
    n_done = one.n_steps(0)
    one.train(STEPS[agent])
    found = checkpoints.load(path)
    assert found.settings == {"break_step": 9}
    other = population(list(one.members.values()))
    for number, fold in found.folds.items():
        other.load(number, fold.member)
    assert other.n_steps(0) == n_done == found.folds[0].n_steps
    other.train(STEPS[agent])
    for number in (0, 1):
        assert torch.equal(weights(one, number), weights(other, number))


@pytest.mark.parametrize("agent", COMMON)
def test_a_training_cut_off_at_any_update_earns_what_it_would_have_earned(agent, data, tmp_path):
    """Every checkpoint of two folds side by side is written, read, and gone on from."""
    settings = PortfolioSettings.of({**QUICK, **({} if agent == "ppo" else OFF_POLICY), "agent": agent})
    jobs = [FoldJob(settings, FOLD, 0), FoldJob(settings, replace(FOLD, number=2, train_start=270), 0)]
    kept = []
    whole = train(data, jobs, keep=lambda at_work: kept.append(at_work()))
    assert len(kept) > 4
    path = tmp_path / "run.safetensors"
    for at_work in (kept[0], kept[len(kept) // 2], kept[-1]):
        checkpoints.save(RunCheckpoint(settings.flat, (whole[0].score,), at_work), path)
        found = checkpoints.go_on(checkpoints.load(path), settings.flat)
        again = train(data, [replace(job, begun=found.folds[k]) for k, job in enumerate(jobs)])
        for one, other in zip(whole, again, strict=True):
            np.testing.assert_array_equal(one.score.returns, other.score.returns)
            assert one.figures["best_step"] == other.figures["best_step"]
    assert_same_score(found.scores[0], whole[0].score)


def assert_same_score(one, other):
    for name in other.__slots__ if hasattr(other, "__slots__") else vars(other):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_run_with_more_to_spend_goes_on_with_its_own_hyperparameters(data, tmp_path):
    first = PortfolioSettings.of(QUICK)
    (ended,) = train(data, [FoldJob(first, FOLD, 0, is_parent=True)])
    path = tmp_path / "run.safetensors"
    checkpoints.save(RunCheckpoint(first.flat, (ended.score,), {1: ended.checkpoint}), path)
    more = PortfolioSettings.of({**QUICK, "break_step": 2048, "learning_rate": 1e-9, "gamma": 0.5})
    found = checkpoints.go_on(checkpoints.load(path), more.flat)
    assert found.scores == ()
    assert (found.folds[1].first_step, found.folds[1].n_checks) == (1024, 0)
    kept = []
    (outcome,) = train(data, [FoldJob(more, FOLD, 0, found.folds[1])], keep=lambda at: kept.append(at()[0]))
    assert outcome.figures["learning_rate"] == pytest.approx(1e-9)
    assert [k.n_steps for k in kept[-1:]] == [2048]
    moved = kept[-1].member["ppo/weights"] - ended.checkpoint.member["ppo/weights"]
    assert 0 < float(moved.abs().max()) < 1e-6  # the weights of the one, the rate of the other
    assert outcome.figures["best_step"] > 1024  # its score is not that of the other's best weights


def test_the_same_run_with_more_to_spend_keeps_its_best_weights(data, tmp_path):
    first = PortfolioSettings.of(QUICK)
    (ended,) = train(data, [FoldJob(first, FOLD, 0, is_parent=True)])
    more = PortfolioSettings.of({**QUICK, "break_step": 2048})
    found = checkpoints.go_on(RunCheckpoint(first.flat, (), {1: ended.checkpoint}), more.flat)
    assert found.folds[1].best is ended.checkpoint.best


def test_what_cannot_go_on_is_refused(tmp_path):
    settings = PortfolioSettings.of(QUICK)
    kept = RunCheckpoint(settings.flat)
    other = PortfolioSettings.of({**QUICK, "net_dims_0": 32, "break_step": 2048})
    with pytest.raises(UsageError, match=r"agent.net_dims_0 16 and not 32.*make them constants"):
        checkpoints.go_on(kept, other.flat)
    same = PortfolioSettings.of({**QUICK, "gamma": 0.5, "cost_bps": 50})
    with pytest.raises(UsageError, match=r"another agent.gamma, market.cost_bps and the same break_step"):
        checkpoints.go_on(kept, same.flat)
    assert checkpoints.go_on(kept, settings.flat) is kept
    less = PortfolioSettings.of({**QUICK, "break_step": 512})
    with pytest.raises(UsageError, match="is of 1024 steps, and break_step is 512"):
        checkpoints.go_on(kept, less.flat)
    path = tmp_path / "run.safetensors"
    checkpoints.save(
        RunCheckpoint({}, (), {1: FoldCheckpoint(population([member("ppo")]).save(0), BestWeights())}), path
    )
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is no checkpoint of a run"):
        checkpoints.load(path)
