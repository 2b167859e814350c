# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What a configuration of PPO earns on orders that it has not been trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.execution.bar_replay import BarReplay
from sharpen.objectives.rl.execution.book_data import Book
from sharpen.objectives.rl.execution.book_replay import BookReplay
from sharpen.objectives.rl.execution.evaluation import Outcomes, mean_error, play, table, together
from sharpen.objectives.rl.execution.markets import RECORDED, episodes, execution, market_of, unit_bps
from sharpen.objectives.rl.execution.parts import LOCKBOX, TRAINING, Part, walk_forward
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
        data: The bars of the market ``bars``, the book of ``book``. Each walk-forward fold trains
            policies of its own, on the rows before those that are held out.

    Raises:
        UsageError: A setting is out of range, configurations differ where they must not, or the tensors would
            not fit into memory.
    """

    def __init__(self, jobs: Sequence[Job], use: str = "held-out", data: Panel | Book | None = None) -> None:
        first = jobs[0].settings
        if any(job.settings.rules != first.rules for job in jobs):
            raise UsageError("configurations that train side by side must agree in all but the agent")
        self._jobs, self._rules, self._number = jobs, first, 0
        if use == "lockbox":
            parts = [(TRAINING, LOCKBOX)]
        else:
            parts = walk_forward(first.n_folds if first.market in RECORDED else 1)
        self._folds = [_Fold(jobs, both, use, data) for both in parts]
        judged = self._folds[0].judged
        refuse_too_large([job.settings.agent for job in jobs], judged.own_dim, judged.action_dim)

    def advance(self, numbers: Iterable[int] | None = None) -> dict[int, Look]:
        """Train to the next look, and return what it shows, by the job's place; call it ``n_checks`` times.

        Args:
            numbers: Which jobs go on; all by default.
        """
        self._number += 1
        wanted = list(range(len(self._jobs)) if numbers is None else numbers)
        n_steps = math.ceil(self._rules.total_timesteps * self._number / self._rules.n_checks)
        for fold in self._folds:
            fold.train(n_steps, wanted)
        return {k: self._look(k) for k in wanted}

    def _look(self, k: int) -> Look:
        seed, first = self._jobs[k].seed, self._folds[0].population
        found = [{"ppo": fold.play(k, seed), **fold.others[seed]} for fold in self._folds]
        outcomes = {name: together([fold[name] for fold in found]) for name in found[0]}
        problems = [p for fold in self._folds if (p := fold.population.problem(k)) is not None]
        problem = problems[0] if problems else None
        return Look(self._number, first.n_steps(k), outcomes, first.figures(k), problem)


class _Fold:
    """Policies that learn from one part of the orders, and what they are judged on."""

    def __init__(
        self, jobs: Sequence[Job], parts: tuple[Part, Part], use: str, data: Panel | Book | None
    ) -> None:
        self._rules = rules = jobs[0].settings
        self._rates = [job.settings.agent.learning_rate for job in jobs]
        market = market_of(rules.market, rules.market_settings, data, parts[0])
        held_out = market_of(rules.market, rules.market_settings, data, parts[1])
        unit = unit_bps(market)
        most = held_out.n_orders if isinstance(held_out, BarReplay | BookReplay) else rules.n_episodes
        self.judged = execution(held_out, 1, min(rules.n_episodes, most), unit)
        members = [Member(job.settings.agent, seed_for(job.seed, "execution")) for job in jobs]
        self.population = Population(members, lambda m: execution(market, len(m), m[0].agent.n_envs, unit))
        self._orders: dict[int, State] = {}
        self.others: dict[int, dict[str, Outcomes]] = {}
        for seed in {job.seed for job in jobs}:
            orders = episodes(self.judged, seed_for(seed, use))
            named = baselines(self.judged, seed_for(seed, "random participation"))
            self._orders[seed] = orders
            self.others[seed] = {name: play(self.judged, orders, p) for name, p in named.items()}

    def train(self, n_steps: int, wanted: Sequence[int]) -> None:
        """Train those that are wanted, and forget the others."""
        for k in set(self.population.members) - set(wanted):
            self.population.stop(k)
        self.population.train(n_steps, wanted, self._anneal)

    def _anneal(self) -> None:
        """Give each policy the learning rate of its next update."""
        if self._rules.lr_schedule == "constant":
            return
        for k in self.population.members:
            left = max(1.0 - self.population.n_steps(k) / self._rules.total_timesteps, 1e-9)
            self.population.change(k, learning_rate=left * self._rates[k])

    def play(self, k: int, seed: int) -> Outcomes:
        """Return what a policy comes to on the orders that it is judged on."""
        agent = self.population.alone(k, self.population.weights(k))
        return play(self.judged, self._orders[seed], of_agent(agent))


def metrics(outcomes: Mapping[str, Outcomes]) -> dict[str, float]:
    """Return the figures of the policy ``ppo`` beside the baselines, on the same orders.

    ``val/slippage_vs_X_pct`` is by how many percent more the policy costs than the baseline X; it is NaN
    where the baseline's own cost is not clearly above 0, for then it has no meaning.
    """
    own = outcomes["ppo"]
    rows = {row.policy: row for row in table(outcomes)}
    mine = rows["ppo"]
    reward, error = mean_error(own.reward, own.window)
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
        saved, saved_error = mean_error(outcome.shortfall_bps - own.shortfall_bps, own.window)
        found |= {f"val/saved_vs_{name}_bps": saved, f"val/saved_vs_{name}_error_bps": saved_error}
        cost, cost_error = rows[name].shortfall, rows[name].error
        if cost > 2.0 * cost_error:
            found[f"val/slippage_vs_{name}_pct"] = -100.0 * saved / cost
            found[f"val/slippage_vs_{name}_error_pct"] = 100.0 * saved_error / cost
    return {name: float(value) for name, value in found.items()}
