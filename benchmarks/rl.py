"""Portfolio agents beside two peers, per CPU-second: the market, with its actions, with its training.

    python benchmarks/rl.py

28 stocks, a state of 283 numbers, networks of 256 and 128, horizon 512, minibatches of 512. Market and
environments share one process with one thread. PPO of both takes one pass over what it has collected; the
rows "16 minibatches" are the plan's count, which does not grow with the environments. The peers are
stable-baselines3 on the market's gymnasium face, a plain trainer of ElegantRL's shape (``plain_rl.py``), and
with ``--elegantrl FOLDER`` ElegantRL itself, of a checkout.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from plain_rl import PlainMarket, PlainPpo
from sharpen.bars import Panel
from sharpen.objectives.rl.market import MarketSettings, PortfolioMarket
from sharpen.objectives.rl.market_data import MarketData, market_data
from sharpen.objectives.rl.memory import member_bytes
from sharpen.objectives.rl.population import Member, Population
from sharpen.objectives.rl.settings import AgentSettings
from sharpen.objectives.rl.streams import Streams

N_STOCKS, N_BARS = 28, 2000
HORIZON, BATCH = 512, 512
Row = tuple[str, str, float]


@click.command()
@click.option("--sb3-steps", default=4096, help="Steps that stable-baselines3 is given.")
@click.option("--elegantrl", default="", help="Folder of a checkout of ElegantRL, to measure it, too.")
@click.option("--part", default="", hidden=True, help="Measure the memory of so many members, and print it.")
def main(sb3_steps: int, elegantrl: str, part: str) -> None:
    """Print samples per CPU-second of each, and the memory of 32 members."""
    torch.set_num_threads(1)
    data, rules = world()
    if part:
        print(memory(data, rules, int(part)))
        return
    # first: a child's peak counts from the size of its parent
    peak = subprocess.run(
        [sys.executable, __file__, "--part", "32"], capture_output=True, text=True, check=True
    )
    rows = [*market_rows(data, rules), *ppo_rows(data, rules), *plain_rows(data)]
    rows += sb3_rows(data, rules, sb3_steps)
    rows += elegantrl_rows(data, elegantrl) if elegantrl else []
    table = Table(title=f"{N_STOCKS} stocks, state 283, 283-256-128-28, one thread")
    for column in ("what", "by", "samples per CPU-second"):
        table.add_column(column, justify="right" if column.startswith("samples") else "left")
    for what, by, rate in rows:
        table.add_row(what, by, f"{rate:,.0f}")
    Console(width=110).print(table)
    n_bytes = member_bytes(AgentSettings(horizon_len=HORIZON, batch_size=BATCH), 283, N_STOCKS)
    print(
        f"memory of 32 members at E = 64: {float(peak.stdout):.2f} GB; estimated {32 * n_bytes / 1e9:.2f} GB"
    )


def world() -> tuple[MarketData, MarketSettings]:
    """Return 28 random walks, and rules under which episodes of a year begin anywhere."""
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.012, (N_BARS, N_STOCKS)), axis=0))
    opens = close * np.exp(rng.normal(0, 0.004, close.shape))
    high, low = np.maximum(opens, close) * 1.003, np.minimum(opens, close) * 0.997
    days = np.busday_offset("2010-01-01", np.arange(N_BARS), roll="forward").astype("datetime64[us]")
    symbols = tuple(f"S{i}" for i in range(N_STOCKS))
    data = market_data(Panel(symbols, days, opens, high, low, close, np.full(close.shape, 1e6)))
    return data, MarketSettings(first_bar=data.warmup_bars, stop_bar=N_BARS)


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU-seconds of a call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def market_rows(data: MarketData, rules: MarketSettings) -> list[Row]:
    """Return the speed of the market alone, with random actions."""
    rows: list[Row] = []
    for n_envs in (64, 512, 2048):
        env = PortfolioMarket(data, [rules], n_envs)
        state = env.reset(Streams.of([0]))
        actions = torch.rand(64, 1, n_envs, N_STOCKS) * 2 - 1

        def walk(env: PortfolioMarket = env, state: Any = state, actions: Any = actions) -> None:
            for action in actions:
                state = env.step(state, action).state

        walk()
        rows.append((f"market, E = {n_envs}", "sharpen", 64 * n_envs / min(cpu(walk) for _ in range(3))))
    return rows


def ppo_rows(data: MarketData, rules: MarketSettings) -> list[Row]:
    """Return the speed of PPO with its training: one pass, and 16 minibatches an update."""
    rows: list[Row] = []
    for n_members, n_envs, plan in (
        (1, 64, False),
        (1, 64, True),
        (8, 64, True),
        (1, 512, True),
        (4, 512, True),
    ):
        times = 16.0 if plan else 1.0
        settings = AgentSettings(
            horizon_len=HORIZON, batch_size=BATCH, n_envs=n_envs, repeat_times=times, scale_updates=not plan
        )
        members = [Member(settings, seed, rules) for seed in range(n_members)]
        population = Population(members, lambda m, e=n_envs: PortfolioMarket(data, [x.market for x in m], e))
        population.train(1)
        seconds = cpu(lambda p=population, n=HORIZON * n_envs: p.train(2 * n))
        how = "16 minibatches" if plan else "one pass"
        rate = n_members * HORIZON * n_envs / seconds
        rows.append((f"PPO, P = {n_members}, E = {n_envs}, {how}", "sharpen", rate))
        if n_members == 1 and plan:
            agent: Any = population.stacks[0].agent
            acted = HORIZON * n_envs / cpu(lambda agent=agent: agent.collect(HORIZON))
            rows.append((f"market and actions, E = {n_envs}", "sharpen", acted))
    return rows


def sb3_rows(data: MarketData, rules: MarketSettings, n_steps: int) -> list[Row]:
    """Return the speed of stable-baselines3's PPO on the same market, one pass."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    from sharpen.objectives.rl.gym_env import PortfolioEnv

    env = PortfolioEnv(data, rules)
    env.reset(seed=0)

    def walk() -> None:
        for _ in range(512):
            if env.step(env.action_space.sample())[3]:
                env.reset()

    rows: list[Row] = [("market, E = 1", "gymnasium face", 512 / cpu(walk))]
    vector = DummyVecEnv([lambda: PortfolioEnv(data, replace(rules)) for _ in range(8)])
    shape = {"net_arch": [256, 128]}
    model = PPO(
        "MlpPolicy", vector, n_steps=512, batch_size=BATCH, n_epochs=1, policy_kwargs=shape, device="cpu"
    )
    seen: Any = vector.reset()

    def act(seen: Any = seen) -> None:
        for _ in range(64):
            seen = vector.step(model.predict(seen)[0])[0]

    rows.append(("market and actions, E = 8", "stable-baselines3", 64 * 8 / cpu(act)))
    seconds = cpu(lambda: model.learn(n_steps))
    return [*rows, ("PPO, E = 8, one pass", "stable-baselines3", max(n_steps, 4096) / seconds)]


def plain_rows(data: MarketData) -> list[Row]:
    """Return the speed of a plain trainer, with 16 minibatches an update."""
    rows: list[Row] = []
    for n_envs in (64, 512):
        market = PlainMarket(data, n_envs)
        action = torch.rand(n_envs, N_STOCKS) * 2 - 1

        def walk(market: PlainMarket = market, action: torch.Tensor = action) -> None:
            for _ in range(64):
                market.step(action)

        agent = PlainPpo(market, (256, 128), HORIZON, BATCH)
        n_samples = HORIZON * n_envs
        rows.append((f"market, E = {n_envs}", "plain loop", 64 * n_envs / cpu(walk)))
        rows.append((f"market and actions, E = {n_envs}", "plain loop", n_samples / cpu(agent.collect)))
        seconds = cpu(lambda agent=agent: agent.update(16))
        rows.append((f"PPO, E = {n_envs}, 16 minibatches", "plain loop", n_samples / seconds))
    return rows


def elegantrl_rows(data: MarketData, folder: str, sizes: Sequence[int] = (64, 512)) -> list[Row]:
    """Return the speed of ElegantRL's own market and PPO, with 16 minibatches an update.

    Its market is given our bars, and its answer a fifth part, which its agents ask for; nothing else is
    changed: it goes on to buy whatever the agent says.
    """
    sys.path.insert(0, folder)
    from elegantrl.agents.AgentPPO import AgentPPO
    from elegantrl.envs.StockTradingEnv import StockTradingVecEnv
    from elegantrl.train.config import Config

    class TheirMarket(StockTradingVecEnv):
        def load_data_from_disk(self, tech_id_list: Any = None) -> Any:
            return data.close[data.warmup_bars :], data.table[data.warmup_bars :, N_STOCKS:]

        def step(self, action: Any) -> Any:
            state, reward, done, _ = super().step(action)
            return state, reward, done, torch.zeros_like(done), {}

    rows: list[Row] = []
    for n_envs in sizes:
        market = TheirMarket(num_envs=n_envs, gpu_id=-1)
        args = Config(
            AgentPPO,
            None,
            {
                "env_name": "",
                "num_envs": n_envs,
                "max_step": market.max_step,
                "state_dim": market.state_dim,
                "action_dim": N_STOCKS,
                "if_discrete": False,
            },
        )
        args.batch_size, args.repeat_times, args.horizon_len = BATCH, 16, HORIZON
        torch.set_grad_enabled(False)
        agent = AgentPPO([256, 128], market.state_dim, N_STOCKS, -1, args)
        agent.last_state = market.reset()
        action = torch.rand(n_envs, N_STOCKS) * 2 - 1
        alone = cpu(lambda market=market, action=action: [market.step(action) for _ in range(16)])
        rows.append((f"market, E = {n_envs}", "ElegantRL", 16 * n_envs / alone))
        began = time.process_time()
        buffer = agent.explore_env(market, HORIZON)
        acted = time.process_time() - began
        seconds = acted + cpu(lambda agent=agent, buffer=buffer: agent.update_net(buffer))
        rows.append((f"market and actions, E = {n_envs}", "ElegantRL", HORIZON * n_envs / acted))
        rows.append((f"PPO, E = {n_envs}, 16 minibatches", "ElegantRL", HORIZON * n_envs / seconds))
        torch.set_grad_enabled(True)
    return rows


def memory(data: MarketData, rules: MarketSettings, n_members: int) -> float:
    """Return by how many GB the peak grows when so many members train for one update."""
    settings = AgentSettings(
        horizon_len=HORIZON, batch_size=BATCH, n_envs=64, repeat_times=1.0, scale_updates=False
    )

    def train(n: int, one: AgentSettings) -> None:
        members = [Member(one, seed, rules) for seed in range(n)]
        Population(
            members, lambda m: PortfolioMarket(data, [x.market for x in m], one.n_envs), layout="stack"
        ).train(1)

    train(2, replace(settings, n_envs=1))  # loads and compiles what any training does
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    train(n_members, settings)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6


if __name__ == "__main__":
    main()
