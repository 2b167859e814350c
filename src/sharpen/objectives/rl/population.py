# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Members that train side by side, whatever they differ in, each as if it were alone.

Members of the same sizes share a stack of weights, or are trained one after another where that is faster;
other sizes make another stack. A member can be stopped, added, given another's weights or other
hyperparameters, saved and restored while the rest go on. Members are called by a number that stays theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from sharpen.errors import UsageError
from sharpen.objectives.rl.agent import Agent, AgentSnapshot, copy_weights, restore, snapshot, weights
from sharpen.objectives.rl.ddpg import Ddpg
from sharpen.objectives.rl.environment import Environment
from sharpen.objectives.rl.layout import Layout, faster
from sharpen.objectives.rl.market import SHARED, MarketSettings
from sharpen.objectives.rl.ppo import Ppo
from sharpen.objectives.rl.sac import Sac
from sharpen.objectives.rl.settings import PER_MEMBER, AgentSettings
from sharpen.objectives.rl.streams import Streams

_AGENTS: dict[str, Callable[[Sequence[AgentSettings], Environment, Streams], Agent]] = {
    "ppo": Ppo,
    "sac": Sac,
    "modsac": Sac,
    "ddpg": Ddpg,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One configuration.

    Attributes:
        agent: Its hyperparameters.
        seed: What everything random of it is drawn from.
        market: The rules of its market; any for an environment that has none.
    """

    agent: AgentSettings
    seed: int = 0
    market: MarketSettings = field(default_factory=MarketSettings)


MakeEnvironment = Callable[[Sequence[Member]], Environment]


@dataclass
class Stack:
    """Members of one shape, as one agent."""

    numbers: list[int]
    agent: Agent


class Population:
    """Members by number.

    Args:
        members: The configurations; they get the numbers 0, 1, ….
        make_env: Returns the environment of members that agree in ``agent.n_envs`` and in ``kind_of``.
        device: Where the tensors live.
        layout: ``stack``, ``loop``, or None to measure which is faster.
        kind_of: What of a member's market makes it need an environment of its own kind.

    >>> from sharpen.objectives.rl.pendulum import Pendulum
    >>> settings = AgentSettings(horizon_len=8, n_envs=2, batch_size=16, net_dims_0=4, net_dims_1=0)
    >>> population = Population([Member(settings), Member(settings, 1)], lambda m: Pendulum(len(m), 2))
    >>> population.train(16)
    >>> population.n_steps(0), population.problem(0)
    (16, None)
    """

    def __init__(
        self,
        members: Sequence[Member],
        make_env: MakeEnvironment,
        device: str = "cpu",
        layout: Layout | None = None,
        kind_of: Callable[[MarketSettings], Any] = attrgetter(*SHARED),
    ) -> None:
        self._make_env, self._device, self._layout, self._kind_of = make_env, device, layout, kind_of
        self._members = dict(enumerate(members))
        self._stacks: list[Stack] = []
        self._problems: dict[int, str] = {}
        self._figures: dict[int, dict[str, float]] = {}
        self._arrange(self._members)

    @property
    def members(self) -> Mapping[int, Member]:
        """The members that are left, as they are now."""
        return dict(self._members)

    @property
    def stacks(self) -> Sequence[Stack]:
        """How the members are arranged at the moment."""
        return tuple(self._stacks)

    def train(
        self,
        n_steps: int,
        numbers: Iterable[int] | None = None,
        after_update: Callable[[], None] = lambda: None,
        limit: int | None = None,
    ) -> None:
        """Train members until each has taken so many steps in all; those that failed are left out.

        Args:
            n_steps: Environment steps since a member's start.
            numbers: Whom; all by default. Others of the same stack train along.
            after_update: Called after each update: members may be saved there.
            limit: No member takes more steps than this in all: the last horizon is shortened. None to finish
                the horizon in which the steps are reached.
        """
        going_on = set(self._members if numbers is None else numbers)
        for stack in self._stacks:
            while any(k in going_on and self._is_behind(k, stack, n_steps) for k in stack.numbers):
                self._update(stack, limit)
                after_update()

    def n_steps(self, number: int) -> int:
        """Return how many environment steps a member has taken."""
        stack, k = self._find(number)
        return int(stack.agent.course.n_steps[k])

    def figures(self, number: int) -> dict[str, float]:
        """Return the figures of a member's last update, with its learning rate as the optimizer has it."""
        stack, k = self._find(number)
        rate = float(stack.agent.course.of["learning_rate"][k])
        return {**self._figures.get(number, {}), "learning_rate": rate}

    def problem(self, number: int) -> str | None:
        """Return in a sentence why a member cannot go on; None when it can."""
        return self._problems.get(number)

    def agent(self, number: int) -> tuple[Agent, int]:
        """Return the agent that holds a member, and its place there."""
        stack, k = self._find(number)
        return stack.agent, k

    def stop(self, number: int) -> None:
        """Take a member out; the others go on as if it had never been there."""
        stack, _ = self._find(number)
        snapshots = self._snapshots(stack)
        self._stacks.remove(stack)
        del self._members[number]
        self._problems.pop(number, None)
        self._arrange([k for k in stack.numbers if k != number], snapshots)

    def add(self, number: int, member: Member) -> None:
        """Put a new member in, at its first step.

        Raises:
            UsageError: The number is taken.
        """
        if number in self._members:
            raise UsageError(f"member {number} is there: stop it first, or take another number")
        self._members[number] = member
        self._arrange([number])

    def save(self, number: int) -> AgentSnapshot:
        """Return everything of a member, in memory of its own."""
        return snapshot(*self.agent(number))

    def load(self, number: int, snapshot: AgentSnapshot) -> None:
        """Make a member what a snapshot of one of the same sizes holds; it goes on from there to the bit."""
        agent, k = self.agent(number)
        restore(agent, k, snapshot)
        self._problems.pop(number, None)

    def weights(self, number: int) -> AgentSnapshot:
        """Return the weights and moments of a member, in memory of its own."""
        return weights(*self.agent(number))

    def alone(self, number: int, snapshot: AgentSnapshot) -> Agent:
        """Return an agent of one member, as large as a member's, with kept weights."""
        agent = self._stack([number], {}).agent
        copy_weights(snapshot, agent, 0)
        return agent

    def copy(self, source: int, target: int) -> None:
        """Give a member another's weights, moments and sizes; its seed, market and numbers stay its own."""
        snapshot, source_settings, target_member = (
            self.save(source),
            self._members[source].agent,
            self._members[target],
        )
        if source_settings.shape != target_member.agent.shape:
            own = {name: getattr(target_member.agent, name) for name in PER_MEMBER}
            self.stop(target)
            self.add(target, replace(target_member, agent=replace(source_settings, **own)))
        agent, k = self.agent(target)
        copy_weights(snapshot, agent, k)
        self._problems.pop(target, None)

    def change(self, number: int, **settings: Any) -> None:
        """Give a member other hyperparameters, which act from the next update on; its weights stay.

        Raises:
            UsageError: A value is out of range, or would change the size of something that has been learnt.
        """
        member = self._members[number]
        changed = replace(member.agent, **settings)
        if fixed := [name for name in settings if name not in PER_MEMBER and name not in PACE]:
            raise UsageError(
                f"{', '.join(fixed)} of member {number} cannot change: start a new member with it"
            )
        self._members[number] = replace(member, agent=changed)
        if changed.shape == member.agent.shape:
            agent, k = self.agent(number)
            agent.course.settings[k] = changed
            for name in PER_MEMBER & set(settings):
                agent.course.of[name][k] = float(settings[name])
            return
        stack, _ = self._find(number)
        snapshots = self._snapshots(stack)
        self._stacks.remove(stack)
        self._arrange(stack.numbers, snapshots)

    def _find(self, number: int) -> tuple[Stack, int]:
        for stack in self._stacks:
            if number in stack.numbers:
                return stack, stack.numbers.index(number)
        raise UsageError(f"there is no member {number}")

    def _snapshots(self, stack: Stack) -> dict[int, AgentSnapshot]:
        return {number: snapshot(stack.agent, k) for k, number in enumerate(stack.numbers)}

    def _arrange(self, numbers: Iterable[int], snapshots: Mapping[int, AgentSnapshot] | None = None) -> None:
        """Make stacks of members, from snapshots where there are such."""
        groups: dict[Any, list[int]] = {}
        for number in numbers:
            member = self._members[number]
            groups.setdefault((member.agent.shape, self._kind_of(member.market)), []).append(number)
        for group in groups.values():
            size = len(group) if self._is_stacked(group) else 1
            for start in range(0, len(group), size):
                self._stacks.append(self._stack(group[start : start + size], snapshots or {}))

    def _is_stacked(self, group: Sequence[int]) -> bool:
        if self._layout is not None or len(group) == 1:
            return self._layout == "stack"
        settings = self._members[group[0]].agent
        env = self._make_env([self._members[group[0]]])
        n_seen = env.own_dim + (0 if env.table is None else env.table.shape[1])
        sizes = (n_seen, *settings.net_dims, env.action_dim)
        return faster(sizes, settings.batch_size, len(group), self._device) == "stack"

    def _stack(self, numbers: list[int], snapshots: Mapping[int, AgentSnapshot]) -> Stack:
        members = [self._members[number] for number in numbers]
        settings = [m.agent for m in members]
        env = self._make_env(members)
        agent = _AGENTS[settings[0].agent](settings, env, Streams.of([m.seed for m in members], self._device))
        for k, number in enumerate(numbers):
            if number in snapshots:
                restore(agent, k, snapshots[number])
        return Stack(numbers, agent)

    @staticmethod
    def _left(stack: Stack, limit: int) -> int:
        """Return how many steps each environment may still take, by the member that has taken fewest."""
        return math.ceil((limit - int(stack.agent.course.n_steps.min())) / stack.agent.env.n_envs)

    def _is_behind(self, number: int, stack: Stack, n_steps: int) -> bool:
        k = stack.numbers.index(number)
        return number not in self._problems and int(stack.agent.course.n_steps[k]) < n_steps

    def _update(self, stack: Stack, limit: int | None) -> None:
        horizon = None if limit is None else self._left(stack, limit)
        figures = {name: value.tolist() for name, value in stack.agent.update(horizon).items()}
        sizes = _weight_sizes(stack.agent).tolist()
        for k, number in enumerate(stack.numbers):
            self._figures[number] = {name: float(values[k]) for name, values in figures.items()}
            gamma = self._members[number].agent.gamma
            why = _breakdown(self._figures[number], gamma, float(sizes[k]))
            if why and number not in self._problems:
                step = int(stack.agent.course.n_steps[k])
                self._problems[number] = f"training broke down at step {step}: {why}"


PACE = frozenset({"horizon_len", "repeat_times", "batch_size", "scale_updates", "actor_delay"})
"""Settings outside ``PER_MEMBER`` that size nothing that is remembered from one update to the next."""


_TOO_LARGE = 50.0
"""A root mean square of weights: at first it is below 1, and networks that have learnt stay below 5."""
_EXPLODED = 1e4
"""A value's squared error in squares of the largest return that rewards so far could add up to."""


def _breakdown(figures: Mapping[str, float], gamma: float, weight_size: float) -> str:
    """Return why an update leaves nothing to go on with; empty when it leaves a sound member."""
    not_finite = [name for name, value in figures.items() if not math.isfinite(value)]
    if "reward" in not_finite:
        return (
            "a reward is no finite number; look at the prices and columns, or give a smaller reward_per_unit"
            " or reward_scale"
        )
    if not_finite or not math.isfinite(weight_size):
        culprit = not_finite[0] if not_finite else "a weight"
        return f"{culprit} is no finite number; a lower learning_rate or reward_scale may help"
    most = max(1.0, figures["reward_max"]) / max(1.0 - gamma, 1e-9)
    if figures.get("value_loss", 0.0) > _EXPLODED * most**2:
        return (
            f"the losses explode: value_loss is {figures['value_loss']:.3g}, and no return can be beyond"
            f" {most:.3g}; a lower learning_rate may help"
        )
    if weight_size > _TOO_LARGE:
        return f"the weights explode: {weight_size:.3g} in the mean; a lower learning_rate may help"
    return ""


def _weight_sizes(agent: Agent) -> Tensor:
    """Return the largest root mean square of any network's weights; NaN where one is NaN. (P,)."""
    flats = [learner.parameters.flat for name, learner in agent.learners().items() if name != "temperature"]
    return torch.stack([flat.square().mean(1).sqrt() for flat in flats]).amax(0)
