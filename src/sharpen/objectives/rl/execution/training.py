# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What a configuration of PPO earns on orders that it has not been trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharpen.arrays import Floats
from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.execution.bar_replay import BarReplay
from sharpen.objectives.rl.execution.evaluation import Outcomes, mean_error, play, table
from sharpen.objectives.rl.execution.markets import episodes, execution, market_of, unit_bps
from sharpen.objectives.rl.execution.policies import baselines, of_agent
from sharpen.objectives.rl.execution.settings import ExecutionSettings
from sharpen.objectives.rl.memory import refuse_too_large
from sharpen.objectives.rl.population import Member, Population
from sharpen.seeds import seed_for

_Z_95 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Look:
    """What a policy is worth after some training.

    Attributes:
        number: From 1.
        n_steps: Slices it has been trained on.
        outcomes: Of the policy, ``ppo``, and of each baseline, on the same held-out orders.
        figures: Of the last update.
        problem: Why the training broke down, in a sentence; None when it did not.
    """

    number: int
    n_steps: int
    outcomes: Mapping[str, Outcomes]
    figures: Mapping[str, float]
    problem: str | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """What a sweep is told, with 95 % intervals of the means."""
        return metrics(self.outcomes)


@dataclass(frozen=True, slots=True)
class Job:
    """A configuration, and the seed of everything random of it."""

    settings: ExecutionSettings
    seed: int


class Training:
    """Policies that learn side by side, each looked at on held-out orders along the way.

    A policy is judged as it is at the time: no checkpoint is chosen. Orders to train on and held-out orders
    come from different random streams; those of ``use`` are the same for every configuration of a seed, so
    that configurations are compared on the same prices.

    Args:
        jobs: The configurations; they must agree in all but the agent.
        use: Which held-out orders: ``held-out`` for a search, ``lockbox`` for the last look.
        panel: The bars of the market ``bars``.

    Raises:
        UsageError: A setting is out of range, configurations differ where they must not, or the tensors would
            not fit into memory.
    """

    def __init__(self, jobs: Sequence[Job], use: str = "held-out", panel: Panel | None = None) -> None:
        first = jobs[0].settings
        if any(job.settings.rules != first.rules for job in jobs):
            raise UsageError("configurations that train side by side must agree in all but the agent")
        market = market_of(first.market, first.market_settings, panel)
        unit = unit_bps(market)
        self._jobs, self._rules, self._number = jobs, first, 0
        held_out = market_of(first.market, first.market_settings, panel, use)
        most = held_out.n_orders if isinstance(held_out, BarReplay) else first.n_episodes
        self._judged = execution(held_out, 1, min(first.n_episodes, most), unit)
        refuse_too_large([job.settings.agent for job in jobs], self._judged.own_dim, self._judged.action_dim)
        members = [Member(job.settings.agent, seed_for(job.seed, "execution")) for job in jobs]
        self._population = Population(members, lambda m: execution(market, len(m), m[0].agent.n_envs, unit))
        self._orders: dict[int, State] = {}
        self._others: dict[int, dict[str, Outcomes]] = {}
        for seed in {job.seed for job in jobs}:
            orders = episodes(self._judged, seed_for(seed, use))
            named = baselines(self._judged, seed_for(seed, "random participation"))
            self._orders[seed] = orders
            self._others[seed] = {name: play(self._judged, orders, p) for name, p in named.items()}

    def advance(self, numbers: Iterable[int] | None = None) -> dict[int, Look]:
        """Train to the next look, and return what it shows, by the job's place; call it ``n_checks`` times.

        Args:
            numbers: Which jobs go on; all by default.
        """
        self._number += 1
        wanted = list(range(len(self._jobs)) if numbers is None else numbers)
        for k in set(self._population.members) - set(wanted):
            self._population.stop(k)
        share = self._number / self._rules.n_checks
        self._population.train(math.ceil(self._rules.total_timesteps * share), wanted)
        return {k: self._look(k) for k in wanted}

    def _look(self, k: int) -> Look:
        population, seed = self._population, self._jobs[k].seed
        agent = population.alone(k, population.weights(k))
        own = play(self._judged, self._orders[seed], of_agent(agent))
        outcomes = {"ppo": own, **self._others[seed]}
        figures, problem = population.figures(k), population.problem(k)
        return Look(self._number, population.n_steps(k), outcomes, figures, problem)


def metrics(outcomes: Mapping[str, Outcomes]) -> dict[str, float]:
    """Return the figures of the policy ``ppo`` beside the baselines, on the same orders.

    ``val/slippage_vs_X_pct`` is by how many percent more the policy costs than the baseline X; it is NaN
    where the baseline's own cost is not clearly above 0, for then it has no meaning.
    """
    own = outcomes["ppo"]
    rows = {row.policy: row for row in table(outcomes)}
    mine = rows["ppo"]
    reward, error = mean_error(own.reward)
    found: dict[str, Any] = {
        "val/mean_reward": reward,
        "val/mean_reward_low": reward - _Z_95 * error,
        "val/mean_reward_high": reward + _Z_95 * error,
        "val/slippage_bps": mine.shortfall,
        "val/slippage_error_bps": mine.error,
        "val/tail_bps": mine.tail,
        "val/completion": mine.completion,
    }
    for name, outcome in outcomes.items():
        if name == "ppo":
            continue
        saved, saved_error = mean_error(outcome.shortfall_bps - own.shortfall_bps)
        found |= {f"val/saved_vs_{name}_bps": saved, f"val/saved_vs_{name}_error_bps": saved_error}
        cost, cost_error = rows[name].shortfall, rows[name].error
        if cost > 2.0 * cost_error:
            found[f"val/slippage_vs_{name}_pct"] = -100.0 * saved / cost
            found[f"val/slippage_vs_{name}_error_pct"] = 100.0 * saved_error / cost
    return {name: float(value) for name, value in found.items()}


def saved_bps(outcomes: Mapping[str, Outcomes]) -> dict[str, Floats]:
    """Return what the policy saves against each baseline, order by order, in basis points. (M,) each."""
    own = outcomes["ppo"].shortfall_bps
    return {name: np.asarray(found.shortfall_bps - own) for name, found in outcomes.items() if name != "ppo"}
