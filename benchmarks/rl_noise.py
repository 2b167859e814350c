"""What portfolio agents earn where nothing can be known, and whether the best of them is called lucky.

    python benchmarks/rl_noise.py --seeds 20

One agent trains on each of 20 worlds of noise: the mean Sharpe ratio on bars that it has not seen must not
be above zero. Then 20 agents, which differ in their discount, train in one world, and the best is judged.
"""

from __future__ import annotations

import math

import click
import numpy as np
import torch

from sharpen.bars import Panel
from sharpen.folds import Fold
from sharpen.objectives.fold_jobs import FoldJob
from sharpen.objectives.fold_score import FoldScore
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.portfolio import PortfolioSettings, train
from sharpen.overfit import Evidence, judge

SETTINGS = {"net_dims_0": 32, "net_dims_1": 0, "horizon_len": 64, "n_envs": 16, "batch_size": 256}
N_STOCKS, N_BARS, FOLD = 5, 1064, Fold(1, 260, 812, 812, 1064)
DAILY_SD, BARS_PER_YEAR = 0.012, 252.0


def world(seed: int) -> Panel:
    """Return stocks whose prices are martingales: the mean return of each is 0, whatever has been."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(-(DAILY_SD**2) / 2, DAILY_SD, (N_BARS, N_STOCKS))
    close = 100 * np.exp(np.cumsum(steps, axis=0))
    opens = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(-5e-6, np.sqrt(1e-5), close.shape))
    high, low = np.maximum(opens, close) * 1.002, np.minimum(opens, close) * 0.998
    days = np.busday_offset("2015-01-01", np.arange(N_BARS), roll="forward").astype("datetime64[us]")
    symbols = tuple(f"S{k}" for k in range(N_STOCKS))
    return Panel(symbols, days, opens, high, low, close, np.full(close.shape, 1e6))


def score(seed: int, gamma: float, agent: str, steps: int, cost_bps: float) -> FoldScore:
    """Return what an agent earned on the last year of a world."""
    given = {**SETTINGS, "agent": agent, "gamma": gamma, "break_step": steps, "cost_bps": cost_bps}
    if agent != "ppo":
        given |= {"horizon_len": 4, "repeat_times": 0.1, "buffer_init_size": 256}
    data = market_data(world(seed), scaling="relative")
    (outcome,) = train(data, [FoldJob(PortfolioSettings.of({**given, "learning_rate": 1e-3}), FOLD, seed)])
    if outcome.score is None:
        raise click.ClickException(str(outcome.problem))
    return outcome.score


@click.command()
@click.option("--seeds", default=20, show_default=True, help="Worlds, and agents in one world.")
@click.option(
    "--agent", default="ppo", show_default=True, type=click.Choice(["ppo", "sac", "ddpg", "modsac"])
)
@click.option("--steps", default=8192, show_default=True, help="Environment steps of training.")
@click.option("--cost_bps", default=10.0, show_default=True, help="Fee a side, in basis points.")
def main(seeds: int, agent: str, steps: int, cost_bps: float) -> None:
    """Print the mean Sharpe ratio over worlds of noise, and the verdict on the best of many in one."""
    torch.set_num_threads(1)
    apart = [score(seed, 0.9, agent, steps, cost_bps) for seed in range(seeds)]
    sharpes = np.nan_to_num([one.val_sharpe for one in apart])
    error = sharpes.std(ddof=1) / math.sqrt(seeds)
    held = np.mean([one.baseline_sharpe for one in apart])
    print(f"{seeds} worlds: mean test Sharpe {sharpes.mean():.2f} (SE {error:.2f}); holding {held:.2f}")
    print(f"  from {sharpes.min():.2f} to {sharpes.max():.2f}; {np.count_nonzero(sharpes)} agents traded")
    beside = [score(7, gamma, agent, steps, cost_bps) for gamma in np.linspace(0.5, 0.99, seeds)]
    returns = np.column_stack([one.returns for one in beside])
    daily = np.nan_to_num(returns.mean(axis=0) / np.maximum(returns.std(axis=0, ddof=1), 1e-12))
    best = int(daily.argmax())
    verdict = judge(Evidence(returns[:, best], beside[best].baseline, daily, returns, BARS_PER_YEAR))
    top = daily[best] * math.sqrt(BARS_PER_YEAR)
    print(f"{seeds} agents in one world: the best has a Sharpe of {top:.2f}: {verdict.kind}")


if __name__ == "__main__":
    main()
