"""On prices that nobody can foretell an agent earns nothing, and the best of many is called lucky."""

import math

import numpy as np
import pytest

from sharpen.folds import Fold
from sharpen.objectives.fold_jobs import FoldJob
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.portfolio import PortfolioSettings, train
from sharpen.overfit import Evidence, judge

SETTINGS = {
    "net_dims_0": 32,
    "net_dims_1": 0,
    "horizon_len": 64,
    "n_envs": 16,
    "batch_size": 256,
    "break_step": 8192,
    "n_checks": 2,
    "learning_rate": 1e-3,
}
N_SEEDS, FOLD = 20, Fold(1, 260, 560, 560, 812)


def scores(world, worlds, gammas):
    """Return what each agent earned on the validation bars of its world."""
    found = []
    for seed, gamma in zip(worlds, gammas, strict=True):
        data = market_data(world(seed=seed, n_bars=812), scaling="relative")
        settings = PortfolioSettings.of({**SETTINGS, "gamma": gamma})
        found.append(train(data, [FoldJob(settings, FOLD, seed)])[0].score)
    return found


@pytest.mark.slow
def test_twenty_worlds_of_noise_give_no_sharpe_ratio_above_zero(world):
    sharpes = [score.val_sharpe for score in scores(world, range(N_SEEDS), [0.9] * N_SEEDS)]
    sharpes = np.nan_to_num(sharpes)  # without a trade nothing is earned
    assert np.count_nonzero(sharpes) > N_SEEDS / 2
    assert sharpes.mean() < 2.0 * sharpes.std(ddof=1) / math.sqrt(N_SEEDS)


@pytest.mark.slow
def test_the_best_of_twenty_agents_in_one_world_of_noise_is_luck(world):
    found = scores(world, [7] * N_SEEDS, np.linspace(0.5, 0.99, N_SEEDS))
    returns = np.column_stack([score.returns for score in found])
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    best = int(np.nanargmax(sharpes))
    verdict = judge(Evidence(returns[:, best], found[best].baseline, sharpes, returns, 252.0))
    assert verdict.n_trials == N_SEEDS
    assert verdict.kind == "luck"
