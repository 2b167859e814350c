"""What a configuration earns on a fold: known markets, refusals, and no look into the future."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from sharpen import metrics
from sharpen.errors import UsageError
from sharpen.folds import Fold
from sharpen.objectives.fold_jobs import FoldJob
from sharpen.objectives.rl.evaluation import Track, fold_score
from sharpen.objectives.rl.market import MarketSettings
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.memory import refuse_too_large
from sharpen.objectives.rl.portfolio import PortfolioSettings, train
from sharpen.objectives.rl.settings import AgentSettings

from .worked import CLOSE, OPEN, data_of

QUICK = {
    "net_dims_0": 16,
    "net_dims_1": 0,
    "horizon_len": 32,
    "n_envs": 8,
    "batch_size": 64,
    "break_step": 1024,
    "n_checks": 2,
}
FOLD = Fold(1, 260, 420, 420, 480)


@pytest.fixture(scope="module")
def data(world):
    return market_data(world(seed=3, n_bars=500), scaling="relative")


@pytest.mark.parametrize("agent", ["ppo", "sac", "ddpg", "modsac"])
def test_every_agent_gives_a_score_with_its_baseline(data, agent):
    more = {} if agent == "ppo" else {"horizon_len": 8, "repeat_times": 0.1, "buffer_init_size": 64}
    settings = PortfolioSettings.of({**QUICK, **more, "agent": agent})
    (outcome,) = train(data, [FoldJob(settings, FOLD, 0)])
    score = outcome.score
    assert outcome.problem is None
    assert len(score.returns) == len(score.time) == len(score.baseline) == 60
    assert score.returns[0] == 0.0
    assert score.val_sharpe == pytest.approx(metrics.sharpe(score.returns, 252.0), nan_ok=True)
    assert outcome.figures["learning_rate"] == pytest.approx(settings.agent.learning_rate)
    assert outcome.figures["best_step"] in (512, 1024)


def test_folds_side_by_side_score_as_each_alone(data):
    settings = PortfolioSettings.of(QUICK)
    jobs = [
        FoldJob(settings, FOLD, 0),
        FoldJob(settings, replace(FOLD, number=2, train_start=270), 0),
        FoldJob(settings, FOLD, 1),
    ]
    together = train(data, jobs)
    for job, outcome in zip(jobs, together, strict=True):
        (alone,) = train(data, [job])
        np.testing.assert_allclose(alone.score.returns, outcome.score.returns, atol=1e-9)


def test_training_and_choosing_do_not_depend_on_validation(world, other_future):
    panel, settings = world(seed=3, n_bars=500), PortfolioSettings.of(QUICK)
    found = [
        train(market_data(p, scaling="relative"), [FoldJob(settings, FOLD, 0)])[0]
        for p in (panel, other_future(panel, 419))
    ]
    for name in ("tail_sharpe", "best_step", "policy_loss"):
        np.testing.assert_equal(found[0].figures[name], found[1].figures[name])  # NaN where none trades
    assert found[0].score.train_sharpe == pytest.approx(found[1].score.train_sharpe, nan_ok=True)
    assert found[0].score.val_sharpe != found[1].score.val_sharpe


def test_the_score_of_a_known_track():
    shares = np.array([[0, 0, 0], [10, 0, 0], [10, 0, 4], [0, 0, 4], [0, 0, 4]], dtype=float)
    track = Track(0, np.array([100.0, 110.0, 99.0, 99.0, 121.0]), shares, OPEN, exit_cost=0.01)
    score = fold_score(1, data_of(OPEN, CLOSE), MarketSettings(stop_bar=5), track, train_sharpe=0.5)
    assert score.returns.tolist() == pytest.approx([0, 0.1, -0.1, 0, 121 / 99 * 0.99 - 1])
    assert score.val_n_trades == 2
    assert score.val_trade_returns.tolist() == pytest.approx([12 / 10 - 1, 51 / 50 - 1])
    assert score.val_max_dd == pytest.approx(0.1)
    traded = [0, 10 * 10 / 110, 4 * 50 / 99, 10 * 12 / 99, 0]
    assert score.val_turnover == pytest.approx(np.mean(traded))


def test_a_training_that_breaks_down_says_so(data):
    settings = PortfolioSettings.of({**QUICK, "learning_rate": 10.0, "reward_scale": 1e30})
    (outcome,) = train(data, [FoldJob(settings, FOLD, 0)])
    assert outcome.score is None
    assert "training broke down at step 256" in outcome.problem


@pytest.mark.parametrize(("agent", "steps"), [("ppo", 100), ("ppo", 400), ("sac", 100), ("ddpg", 100)])
def test_the_last_update_is_shortened_to_end_at_break_step(data, agent, steps):
    more = {} if agent == "ppo" else {"repeat_times": 0.1, "buffer_init_size": 8}
    settings = PortfolioSettings.of({**QUICK, **more, "agent": agent, "break_step": steps})
    (first,) = train(data, [FoldJob(settings, FOLD, 0, is_parent=True)])
    assert first.checkpoint.n_steps == 8 * math.ceil(steps / 8)
    more = replace(settings, break_step=steps + 24)
    begun = replace(first.checkpoint, first_step=first.checkpoint.n_steps, n_checks=0)
    (second,) = train(data, [FoldJob(more, FOLD, 0, begun, is_parent=True)])
    name = "ppo/weights" if agent == "ppo" else "value/weights"
    assert second.checkpoint.n_steps == 8 * math.ceil((steps + 24) / 8)
    assert not torch.equal(first.checkpoint.member[name], second.checkpoint.member[name])


def test_losses_that_explode_say_so_before_they_are_no_numbers(data):
    rest = {
        "horizon_len": 8,
        "repeat_times": 0.1,
        "buffer_init_size": 64,
        "target_entropy": 1e6,
        "init_alpha": 100.0,
    }
    settings = PortfolioSettings.of({**QUICK, **rest, "agent": "sac", "learning_rate": 0.5})
    (outcome,) = train(data, [FoldJob(settings, FOLD, 0)])
    assert outcome.score is None
    assert re.search(r"at step \d+: the losses explode: value_loss is [0-9.]+e\+", outcome.problem)


@pytest.mark.parametrize("agent", ["ppo", "sac", "ddpg"])
def test_weights_that_explode_say_so(data, agent):
    more = {} if agent == "ppo" else {"horizon_len": 8, "repeat_times": 0.1, "buffer_init_size": 64}
    settings = PortfolioSettings.of({**QUICK, **more, "agent": agent, "learning_rate": 10.0})
    (outcome,) = train(data, [FoldJob(settings, FOLD, 0)])
    assert outcome.score is None
    assert "a lower learning_rate" in outcome.problem


def test_a_sale_is_a_trade_and_what_is_held_to_the_end_is_one():
    shares = np.array([[0, 0, 0], [10, 0, 0], [10, 4, 0], [5, 4, 0], [5, 4, 0]], dtype=float)
    track = Track(0, np.array([100.0, 110.0, 99.0, 99.0, 121.0]), shares, OPEN, exit_cost=0.0)
    score = fold_score(1, data_of(OPEN, CLOSE), MarketSettings(stop_bar=5), track, train_sharpe=0.5)
    bought, sold, last = OPEN[1, 0], OPEN[3, 0], CLOSE[4, 0]
    wanted = [sold / bought - 1, last / bought - 1, CLOSE[4, 1] / OPEN[2, 1] - 1]
    assert score.val_trade_returns.tolist() == pytest.approx(wanted)


def test_numpys_numbers_and_other_peoples_names_are_settings():
    settings = AgentSettings.of({"gamma": np.float64(0.5), "n_epochs": np.int64(3), "num_envs": np.int32(7)})
    assert (settings.gamma, settings.repeat_times, settings.n_envs) == (0.5, 3.0, 7)
    with pytest.raises(UsageError, match="batch_size is True, must be of type int"):
        AgentSettings.of({"batch_size": True})


def test_what_cannot_be_trained_is_refused_first(data):
    settings = PortfolioSettings.of(QUICK)
    with pytest.raises(UsageError, match="fold 1: its tail window has 12 bars, and 20 are needed"):
        train(data, [FoldJob(settings, replace(FOLD, train_start=360), 0)])
    huge = replace(settings, agent=replace(settings.agent, n_envs=65536, horizon_len=1_000_000))
    with pytest.raises(UsageError, match=r"1 member needs .* n_envs of at most [\d,]+ or horizon_len"):
        train(data, [FoldJob(huge, FOLD, 0)] * 2)
    with pytest.raises(UsageError, match="break_step is 0, give 1 or more; tail_share is 1"):
        PortfolioSettings.of({"break_step": 0, "tail_share": 1})
    with pytest.raises(UsageError, match="initial_cash, reward_per_unit: give a finite number"):
        PortfolioSettings.of({"reward_per_unit": float("nan"), "initial_cash": float("inf")})
    for given, words in (
        ({"max_trade": -1}, "max_trade is -1.0, give more than 0"),
        ({"dead_zone": 2}, "dead_zone is 2.0, give 0 or more, below 1"),
        ({"bonus_gamma": 1}, "bonus_gamma is 1.0, give 0 or more, below 1"),
        ({"reward_per_unit": -1}, "reward_per_unit is -1.0, give more than 0"),
        ({"cost_bps": 1e9}, "cost_bps is 1000000000.0, give 0 or more, below 10000"),
        ({"turbulence_limit": -1}, "turbulence_limit is -1.0, give more than 0"),
        ({"episode_bars": 2.7}, "episode_bars is 2.7, must be a whole number"),
        ({"break_step": float("nan")}, "break_step is nan, must be a whole number"),
        ({"break_step": "many"}, "break_step is 'many', must be a whole number"),
        ({"random_start": "false"}, "random_start is 'false', must be true or false"),
        ({"agent": "sac", "ent_coef": 0.1}, "ent_coef is 0.1: the temperature of sac is learned"),
    ):
        with pytest.raises(UsageError, match=re.escape(words)):
            PortfolioSettings.of(given)
    with pytest.raises(UsageError, match=r"two names of one setting"):
        PortfolioSettings.of({"n_steps": 4, "horizon_len": 4})


def test_the_number_of_members_that_fit_is_said():
    settings = AgentSettings.of({"agent": "sac", "buffer_size": 10_000_000})
    with pytest.raises(UsageError) as refusal:
        refuse_too_large([settings] * 1000, 283, 28)
    n_fit = refusal.value.facts["n_fit"]
    if n_fit:
        refuse_too_large([settings] * n_fit, 283, 28)
    assert n_fit < 1000
    with pytest.raises(UsageError, match=r"buffer_size of at most [\d,]+ would fit") as refusal:
        refuse_too_large([replace(settings, buffer_size=100_000_000)], 2830, 280)
    fitting = refusal.value.facts["fitting"]["buffer_size"]
    refuse_too_large([replace(settings, buffer_size=fitting * 9 // 10)], 2830, 280)


def test_a_rising_stock_is_bought():
    """A market in which the best one can do is to buy and hold: PPO finds it."""
    close = np.column_stack([10 * 1.002 ** np.arange(400), np.full(400, 10.0)])
    rules = {"max_trade": 0.25, "cost_bps": 0, "learning_rate": 0.003, "gamma": 0.9, "fill": "next_close"}
    settings = PortfolioSettings.of({**QUICK, **rules, "break_step": 20_000, "repeat_times": 8})
    (outcome,) = train(data_of(close, close), [FoldJob(settings, Fold(1, 0, 300, 300, 400), 0)])
    assert outcome.score.val_exposure > 0.6
    assert math.isfinite(outcome.figures["tail_sharpe"])
    assert torch.get_num_threads() == 1
