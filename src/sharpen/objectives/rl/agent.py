# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What every agent has, and what the population asks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from sharpen.objectives.rl.adam import Adam
from sharpen.objectives.rl.environment import Environment, State
from sharpen.objectives.rl.networks import Mlp, Observed, Parameters
from sharpen.objectives.rl.settings import PER_MEMBER, AgentSettings
from sharpen.objectives.rl.streams import Streams

AgentSnapshot = dict[str, Tensor]
"""Everything of one member: weights, moments, counts, environments, replay, random stream."""


@dataclass
class Learner:
    """Weights with their optimizer."""

    parameters: Parameters
    adam: Adam

    @classmethod
    def of(cls, values: Mapping[str, Tensor], epsilon: float = 1e-8) -> Learner:
        """Return the learner of first weights, with Adam's epsilon."""
        parameters = Parameters(values)
        return cls(parameters, Adam(parameters, epsilon))

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return its memory by name. (P, ...)."""
        adam = self.adam
        flat = self.parameters.flat
        return {f"{name}/weights": flat, f"{name}/first": adam.first, f"{name}/second": adam.second} | {
            f"{name}/count": adam.count
        }


@dataclass
class Course:
    """What all agents keep of P members beyond their networks.

    Attributes:
        settings: Each member's. (P,)
        of: Each per-member setting. (P,)
        streams: Each member's random stream.
        state: The environments.
        extra: Further memory of an agent, by name. (P, ...)
        n_steps: Environment steps of each member so far. (P,)
    """

    settings: list[AgentSettings]
    of: dict[str, Tensor]
    streams: Streams
    state: State
    n_steps: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    @classmethod
    def start(cls, settings: Sequence[AgentSettings], env: Environment, streams: Streams) -> Course:
        """Return the course of members at their first step."""
        device = streams.generators[0].device
        of = {
            name: torch.tensor([float(getattr(s, name)) for s in settings], device=device)
            for name in PER_MEMBER
        }
        n_steps = torch.zeros(len(settings), dtype=torch.long, device=device)
        return cls(list(settings), of, streams, env.reset(streams), n_steps)

    def begin_anew(self, env: Environment, after: State, over: Tensor) -> State:
        """Return the state with new episodes where they are over; no other member draws. over: (P, E)."""
        return begun_anew(env, self.streams, after, over)


class Agent(Protocol):
    """P members of one shape that learn side by side."""

    course: Course
    env: Environment

    def update(self, most_steps: int | None = None) -> dict[str, Tensor]:
        """Act for a horizon, then learn; return the figures of each member. (P,) each.

        Args:
            most_steps: Of each environment, where that is less than the horizon.
        """
        ...

    def act(self, seen: Observed) -> Tensor:
        """Return the best known actions, in [-1, 1]. (P, B, A)."""
        ...

    def policy(self) -> tuple[Mlp, Parameters]:
        """Return the network whose first outputs, squashed, are the best known actions, and its weights."""
        ...

    def learners(self) -> dict[str, Learner]:
        """Return the weights and optimizers by name."""
        ...

    def targets(self) -> dict[str, Parameters]:
        """Return the weights that follow others without an optimizer, by name."""
        ...


def begun_anew(env: Environment, streams: Streams, after: State, over: Tensor) -> State:
    """Return the state with new episodes where they are over; no other member draws. over: (P, E)."""
    if not bool(over.any()):
        return after
    all_need = bool(over.any(1).all())
    fresh = env.reset(streams) if all_need else _some_fresh(env, streams, over)
    return {name: _where(over, fresh[name], after[name]) for name in after}


def _some_fresh(env: Environment, streams: Streams, over: Tensor) -> State:
    """Return new episodes for the members that need some; the others' streams stay where they are."""
    stands = [g.get_state() for g in streams.generators]
    fresh = env.reset(streams)
    for generator, stand, needs in zip(streams.generators, stands, over.any(1).tolist(), strict=True):
        if not needs:
            generator.set_state(stand)
    return fresh


def observe(env: Environment, state: State) -> Observed:
    """Return what the members see."""
    return Observed(env.own(state), env.row(state), env.table)


def snapshot(agent: Agent, k: int) -> AgentSnapshot:
    """Return everything of member k, in memory of its own."""
    tensors = {name: value[k].clone() for name, value in _tensors(agent).items()}
    tensors["random"] = agent.course.streams.generators[k].get_state()
    return tensors


def restore(agent: Agent, k: int, kept: AgentSnapshot) -> None:
    """Make member k what a snapshot holds."""
    for name, value in _tensors(agent).items():
        value[k] = kept[name]
    agent.course.streams.generators[k].set_state(kept["random"].cpu())


def weights(agent: Agent, k: int) -> AgentSnapshot:
    """Return the weights and moments of member k, in memory of its own."""
    return {name: value[k].clone() for name, value in _networks(agent).items()}


def copy_weights(kept: AgentSnapshot, agent: Agent, k: int) -> None:
    """Give member k the weights and moments of a snapshot, and leave it its environments and its stream."""
    for name, value in _networks(agent).items():
        value[k] = kept[name]


def _tensors(agent: Agent) -> dict[str, Tensor]:
    course = agent.course
    state = {f"state/{name}": value for name, value in course.state.items()}
    extra = {f"extra/{name}": value for name, value in course.extra.items()}
    return _networks(agent) | state | extra | {"n_steps": course.n_steps}


def _networks(agent: Agent) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, learner in agent.learners().items():
        tensors |= learner.tensors(name)
    return tensors | {f"target/{name}": target.flat for name, target in agent.targets().items()}


def _where(over: Tensor, fresh: Tensor, after: Tensor) -> Tensor:
    return torch.where(over.reshape(*over.shape, *[1] * (after.dim() - 2)), fresh, after)
