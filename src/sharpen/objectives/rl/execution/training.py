# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What a configuration of PPO earns on orders that it has not been trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.facts import (
    COMPLETION,
    MEAN_REWARD,
    MEAN_REWARD_HIGH,
    MEAN_REWARD_LOW,
    SLIPPAGE_BPS,
    SLIPPAGE_ERROR_BPS,
    TAIL_BPS,
    DataNote,
    saved_names,
    slippage_names,
)
from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.execution.bar_replay import BarReplay
from sharpen.objectives.rl.execution.book_data import Book
from sharpen.objectives.rl.execution.book_replay import BookReplay
from sharpen.objectives.rl.execution.data_split import LOCKBOX, TRAINING, Part, walk_forward
from sharpen.objectives.rl.execution.environment import Execution
from sharpen.objectives.rl.execution.evaluation import Outcomes, has_a_cost, mean_error, play, table, together
from sharpen.objectives.rl.execution.markets import RECORDED, episodes, execution, market_of, unit_bps
from sharpen.objectives.rl.execution.order_warnings import order_warnings
from sharpen.objectives.rl.execution.policies import Policy, baselines, of_agent
from sharpen.objectives.rl.execution.port import ExecutionMarket
from sharpen.objectives.rl.execution.settings import ExecutionSettings
from sharpen.objectives.rl.memory import free_bytes, refuse_too_large
from sharpen.objectives.rl.population import Member, Population
from sharpen.seeds import seed_for

_Z_95 = 1.959963984540054
_BYTES = 200
"""Of a slice of a held-out order: its episode, and what each policy came to."""


@dataclass(frozen=True, eq=False)
class Evaluation:
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
class ExecutionJob:
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

    def __init__(
        self, jobs: Sequence[ExecutionJob], use: str = "held-out", data: Panel | Book | None = None
    ) -> None:
        first = jobs[0].settings
        if any(job.settings.rules != first.rules for job in jobs):
            raise UsageError("configurations that train side by side must agree in all but the agent")
        self._jobs, self._rules, self._number = jobs, first, 0
        if use == "lockbox":
            parts = [(TRAINING, LOCKBOX)]
        else:
            parts = walk_forward(first.n_folds if first.market in RECORDED else 1)
        market = market_of(first.market, first.market_settings, data, parts[0][0])
        seeds = {job.seed for job in jobs}
        _refuse_too_many(first.n_episodes * len(parts) * len(seeds), market.n_slices)
        markets = [_within(market, part) for part, _ in parts]
        units = torch.tensor([[unit_bps(one)] for one in markets]).double()
        self._held_out = [
            _HeldOut(_within(market, part), float(unit), first.n_episodes, seeds, use)
            for (_, part), unit in zip(parts, units, strict=True)
        ]
        self._n_folds = len(parts)
        members = [
            FoldMember(job.settings.agent, seed_for(job.seed, "execution"), fold=fold)
            for job in jobs
            for fold in range(self._n_folds)
        ]

        def environment(group: Sequence[Member]) -> Execution:
            folds = [member.fold for member in group if isinstance(member, FoldMember)]
            in_parts = _within(market, *(parts[fold][0] for fold in folds))
            return execution(in_parts, len(group), group[0].agent.n_envs, units[folds])

        judged = self._held_out[0].env
        refuse_too_large([member.agent for member in members], judged.own_dim, judged.action_dim)
        self._population = Population(members, environment)

    def advance(self, numbers: Iterable[int] | None = None) -> dict[int, Evaluation]:
        """Train to the next evaluation and return it, by the job's place; call it ``n_checks`` times.

        Args:
            numbers: Which jobs go on; all by default.
        """
        self._number += 1
        wanted = list(range(len(self._jobs)) if numbers is None else numbers)
        n_steps = math.ceil(self._rules.total_timesteps * self._number / self._rules.n_checks)
        members = {member for k in wanted for member in self._members_of(k)}
        for number in set(self._population.members) - members:
            self._population.stop(number)
        self._population.train(n_steps, members, self._anneal)
        return {k: self._evaluate(k) for k in wanted}

    @property
    def remarks(self) -> list[DataNote]:
        """What is to be known of the held-out orders."""
        seed = self._jobs[0].seed
        recorded = [one.env.market for one in self._held_out if isinstance(one.env.market, BarReplay)]
        absent = [set(market.left_out) for market in recorded]
        nowhere = sorted(set.intersection(*absent)) if absent else []
        twap = together([one.others[seed]["twap"] for one in self._held_out])
        book = next((m for one in self._held_out if isinstance(m := one.env.market, BookReplay)), None)
        return order_warnings(twap, nowhere, () if book is None else book.pauses_s)

    def _members_of(self, k: int) -> range:
        """Return the numbers of the policies of a job, one a fold."""
        return range(k * self._n_folds, (k + 1) * self._n_folds)

    def _anneal(self) -> None:
        """Give each policy the learning rate of its next update."""
        if self._rules.lr_schedule == "constant":
            return
        for number in self._population.members:
            left = max(1.0 - self._population.n_steps(number) / self._rules.total_timesteps, 1e-9)
            first_rate = self._jobs[number // self._n_folds].settings.agent.learning_rate
            self._population.change(number, learning_rate=left * first_rate)

    def _evaluate(self, k: int) -> Evaluation:
        seed, population, numbers = self._jobs[k].seed, self._population, self._members_of(k)
        by_fold: list[dict[str, Outcomes]] = []
        for number, held_out in zip(numbers, self._held_out, strict=True):
            agent = population.alone(number, population.weights(number))
            by_fold.append({"ppo": held_out.play(seed, of_agent(agent)), **held_out.others[seed]})
        outcomes = {name: together([fold[name] for fold in by_fold]) for name in by_fold[0]}
        problems = [p for number in numbers if (p := population.problem(number)) is not None]
        first = numbers[0]
        return Evaluation(
            self._number,
            population.n_steps(first),
            outcomes,
            population.figures(first),
            problems[0] if problems else None,
        )


@dataclass(frozen=True, slots=True)
class FoldMember(Member):
    """A policy that learns from the orders of a fold."""

    fold: int = 0


def _within(market: ExecutionMarket, *parts: Part) -> ExecutionMarket:
    """Return the market of members with orders from these parts; a market that is drawn has none."""
    return market.within(*parts) if isinstance(market, BarReplay | BookReplay) else market


def _refuse_too_many(n_orders: int, n_slices: int) -> None:
    """Refuse held-out orders that do not fit into memory."""
    needed, free = n_orders * (n_slices + 1) * _BYTES, free_bytes("cpu")
    if needed > 0.8 * free:
        raise UsageError(
            f"{n_orders} held-out orders of {n_slices} slices need {needed / 1e9:.1f} GB, and"
            f" {free / 1e9:.1f} GB are free: give a smaller n_episodes or n_slices"
        )


class _HeldOut:
    """The orders of a fold that policies are judged on, and what the baselines come to on them."""

    def __init__(
        self, market: ExecutionMarket, unit: float, n_episodes: int, seeds: Iterable[int], use: str
    ) -> None:
        most = market.n_orders if isinstance(market, BarReplay | BookReplay) else n_episodes
        self.env = execution(market, 1, min(n_episodes, most), unit)
        self._orders: dict[int, State] = {}
        self.others: dict[int, dict[str, Outcomes]] = {}
        for seed in seeds:
            self._orders[seed] = episodes(self.env, seed_for(seed, use))
            named = baselines(self.env, seed_for(seed, "random participation"))
            self.others[seed] = {name: self.play(seed, policy) for name, policy in named.items()}

    def play(self, seed: int, policy: Policy) -> Outcomes:
        """Return what a policy comes to."""
        return play(self.env, self._orders[seed], policy)


def metrics(outcomes: Mapping[str, Outcomes]) -> dict[str, float]:
    """Return the figures of the policy ``ppo`` beside the baselines, on the same orders.

    ``val/slippage_vs_X_pct`` is by how many percent more the policy costs than the baseline X. Where that
    does not clearly cost more than 0 a percentage has no meaning, and there is no such figure.
    """
    own = outcomes["ppo"]
    rows = {row.policy: row for row in table(outcomes)}
    mine = rows["ppo"]
    reward, error = mean_error(own.reward, own.window)
    figures: dict[str, Any] = {
        MEAN_REWARD: reward,
        MEAN_REWARD_LOW: reward - _Z_95 * error,
        MEAN_REWARD_HIGH: reward + _Z_95 * error,
        SLIPPAGE_BPS: mine.shortfall,
        SLIPPAGE_ERROR_BPS: mine.error,
        TAIL_BPS: mine.tail,
        COMPLETION: mine.completion,
    }
    for name, outcome in outcomes.items():
        if name == "ppo":
            continue
        saved, saved_error = mean_error(outcome.shortfall_bps - own.shortfall_bps, own.window)
        figures |= zip(saved_names(name), (saved, saved_error), strict=True)
        if has_a_cost(name, outcomes):
            cost = rows[name].shortfall
            shares = (-100.0 * saved / cost, 100.0 * saved_error / cost)
            figures |= zip(slippage_names(name), shares, strict=True)
    return {name: float(value) for name, value in figures.items()}
