"""The execution policy beside stable-baselines3's PPO, on the same market and the same held-out orders.

    python benchmarks/execution.py

Both train in the market ``signal``, whose optimum is known, on as many slices with the same settings: 64-64
tanh, 2048 slices an update, minibatches of 256, 10 epochs, a learning rate that falls from 1e-3 to 0, no
discount. stable-baselines3 trains through the gymnasium face, as its users do. Both are then judged by the
mean action on the same 4,096 held-out orders. A third row has our own defaults. One thread each. CPU seconds
are those of training; ours hold the baselines and the judging, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.execution.environment import Execution
from sharpen.objectives.rl.execution.evaluation import Outcomes, mean_error, play
from sharpen.objectives.rl.execution.gym_env import ExecutionEnv
from sharpen.objectives.rl.execution.markets import episodes, execution, market_of
from sharpen.objectives.rl.execution.policies import SliceDecision, baselines
from sharpen.objectives.rl.execution.settings import ExecutionSettings
from sharpen.objectives.rl.execution.training import ExecutionJob, Training
from sharpen.seeds import seed_for

SAME: dict[str, Any] = {
    "n_steps": 2048,
    "n_envs": 32,
    "batch_size": 256,
    "n_epochs": 10,
    "learning_rate": 1e-3,
    "init_log_std": -1.0,
    "gamma": 1.0,
    "gae_lambda": 1.0,
    "n_checks": 1,
}
COLUMNS = ("seed", "by", "slices", "CPU s", "slices per CPU-second", "saved against TWAP, bps", "of the gain")
Row = tuple[str, float, Outcomes]


@click.command()
@click.option("--slices", default=40960, help="Slices that each is trained on.")
@click.option("--seeds", default=3, help="How many seeds.")
def main(slices: int, seeds: int) -> None:
    """Print CPU seconds and the held-out gain of each."""
    torch.set_num_threads(1)
    table = Table(title="signal, 5 slices: share of the known gain on 4,096 held-out orders")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "by" else "right")
    for seed in range(seeds):
        env = execution(market_of("signal"), 1, 4096)
        state = episodes(env, seed_for(seed, "held-out"))
        twap, best = (play(env, state, baselines(env)[name]) for name in ("twap", "optimum"))
        gain = float((twap.shortfall_bps - best.shortfall_bps).mean())
        ways: tuple[tuple[str, int, Callable[[], Row]], ...] = (
            ("sharpen", slices, lambda s=seed: ours(s, {**SAME, "total_timesteps": slices})),
            ("stable-baselines3", slices, lambda s=seed, e=env, o=state: theirs(s, slices, e, o)),
            ("sharpen, its defaults", 200_000, lambda s=seed: ours(s, {"n_checks": 1})),
        )
        for name, n, way in ways:
            _, seconds, outcomes = way()
            saved, error = mean_error(twap.shortfall_bps - outcomes.shortfall_bps)
            figures = (
                f"{seconds:.1f}",
                f"{n / seconds:,.0f}",
                f"{saved:.2f} ± {error:.2f}",
                f"{saved / gain:.0%}",
            )
            table.add_row(str(seed), name, f"{n:,}", *figures)
    Console(width=120).print(table)


def ours(seed: int, config: dict[str, Any]) -> Row:
    """Train our own, and return what it comes to."""
    began = time.process_time()
    training = Training([ExecutionJob(ExecutionSettings.of({"market": "signal", **config}), seed)])
    look = training.advance()[0]
    return "sharpen", time.process_time() - began, look.outcomes["ppo"]


def theirs(seed: int, slices: int, env: Execution, state: State) -> Row:
    """Train stable-baselines3's through the gymnasium face, and return what it comes to."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    began = time.process_time()
    vector = DummyVecEnv([lambda: ExecutionEnv(market_of("signal")) for _ in range(8)])
    model: Any = PPO(
        "MlpPolicy",
        vector,
        learning_rate=lambda left: SAME["learning_rate"] * left,
        n_steps=SAME["n_steps"] // 8,
        batch_size=SAME["batch_size"],
        n_epochs=SAME["n_epochs"],
        gamma=1.0,
        gae_lambda=1.0,
        policy_kwargs={"net_arch": [64, 64], "log_std_init": SAME["init_log_std"]},
        seed=seed,
        device="cpu",
    )
    model.learn(slices)
    seconds = time.process_time() - began

    def policy(env: Execution, state: State) -> SliceDecision:
        seen: Any = env.own(state)[0].numpy()
        action = np.clip(model.predict(seen, deterministic=True)[0], -1.0, 1.0)
        share = env.share(state, torch.as_tensor(action[:, 0]).double()[None])
        return SliceDecision(share * state["left"])

    return "stable-baselines3", seconds, play(env, state, policy)


if __name__ == "__main__":
    main()
