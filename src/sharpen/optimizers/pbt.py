"""Population based training: bad members copy the weights and hyperparameters of good ones, and go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sharpen.optimizers.draws import Keys
from sharpen.optimizers.generations import Plan
from sharpen.optimizers.port import Answer, Done, Wait
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.space.dimensions import Dimension
from sharpen.space.encoding import kind_of
from sharpen.trial import ParameterValues, Proposal, Trial

FACTORS = (0.8, 1.2)
MOST_TRIES = 8
Explore = Callable[[Sequence[Trial]], tuple[Trial, ParameterValues]]


@dataclass(frozen=True, slots=True)
class Pbt:
    """Trains a population; after each interval the worst copy the best, and change what they copied.

    Each interval of each member is a run. A member that goes on has the same configuration, and the
    checkpoint of its own run before. One of the worst gets the checkpoint *and* the hyperparameters of one of
    the best, the latter changed: a number times 0.8 or 1.2, or now and then drawn anew. The program must take
    them from the configuration after it has restored the checkpoint, or the change is undone.

    A generation waits for all of its members.

    Source: Jaderberg et al. (2017), Population Based Training of Neural Networks, arXiv:1711.09846.

    Attributes:
        population: How many members there are.
        interval: What a member spends between two comparisons, in units of ``budget_variable``.
        max_fidelity: What is spent on a member in all; None to go on until the run cap.
        budget_variable: The parameter that holds a run's budget, counted from the beginning.
        quantile: The share of members that give way, and of those that they give way to.
        resample: The probability that a parameter is drawn anew rather than changed a little.
        seed: The sweep's seed.
    """

    population: int = 20
    interval: float = 1.0
    max_fidelity: float | None = None
    budget_variable: str = ""
    quantile: float = 0.25
    resample: float = 0.25
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        sizes = demands(self.population, self.interval, self.max_fidelity, self.quantile)
        refuse_unless("pbt", {**sizes, "resample must be from 0 to 1": 0 <= self.resample <= 1})

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return runs of the generation at hand; wait while the one before is at work."""
        plan = Plan(self.population, self.interval, self.max_fidelity, self.quantile)

        def explore(donors: Sequence[Trial]) -> tuple[Trial, ParameterValues]:
            donor = donors[int(rng.integers(len(donors)))]
            return donor, perturbed(space, donor.config, self.resample, rng)

        return propose(
            plan, history, n, ProposalBatch(space, history, rng, self.seed, self._keys), explore, "pbt"
        )


def propose(
    plan: Plan, history: Sequence[Trial], n: int, batch: ProposalBatch, explore: Explore, name: str
) -> Answer:
    """Return runs of the generation at hand, in the order of the members.

    Args:
        plan: How the generations follow one another.
        history: Every trial so far.
        n: How many are wanted.
        batch: Where the first generation comes from.
        explore: Returns one of some donors, and a configuration for one that copies it.
        name: How this search marks its trials; those of copies have ``-exploit`` behind it.
    """
    generations = plan.generations([t for t in history if t.origin in (name, f"{name}-exploit")])
    members, previous = generations[-1], generations[-2] if len(generations) > 1 else []
    if len(members) == plan.population:
        if any(not t.state.is_final for t in members):
            return Wait()
        generations.append([])
        members, previous = [], members
    fidelity = plan.fidelity(len(generations) - 1)
    if plan.is_over(len(generations) - 1):
        return Done()
    donors = plan.donors(previous)
    proposals: list[Proposal] = []
    for member in range(len(members), min(plan.population, len(members) + n)):
        own = previous[member] if previous else None
        better = None if own is None else donors.get(own.number)
        if own is not None and better is None:
            proposals.append(Proposal(own.config, own.number, name, fidelity))
        elif better:
            donor, config = explore(better)
            proposals.append(Proposal(config, donor.number, f"{name}-exploit", fidelity))
        else:
            batch.number = member
            proposals.append(Proposal(batch.add(None, name), origin=name, fidelity=fidelity))
    return proposals


def perturbed(
    space: Space, config: ParameterValues, resample: float, rng: np.random.Generator
) -> ParameterValues:
    """Return a configuration near another: each parameter changed a little, or now and then drawn anew."""
    for _ in range(MOST_TRIES):
        new = {name: _changed(space.dimensions[name], value, resample, rng) for name, value in config.items()}
        new = space.complete(new)
        if space.allows(new) and space.contains(new):
            return new
    return config


def _changed(dimension: Dimension, value: Any, resample: float, rng: np.random.Generator) -> Any:
    values = dimension.grid()
    if values is not None and len(values) <= 1:
        return value
    if rng.random() < resample:
        return dimension.from_unit(float(rng.random()))
    factor = FACTORS[int(rng.integers(len(FACTORS)))]
    if kind_of(dimension, values)[0] == "category":
        return value
    return times(dimension, value, factor)


def times(dimension: Dimension, value: Any, factor: float) -> Any:
    """Return the value of a dimension that is nearest to a multiple of one, another one where there is any.

    From zero, which has no multiples, it is a step of as large a share of the range.

    >>> from sharpen.space import Choice, Float, Int
    >>> times(Float(0.001, 0.1, log=True), 0.01, 1.2), times(Float(0.0, 1.0), 0.9, 1.2)
    (0.012, 1.0)
    >>> times(Int(1, 9), 2, 1.2)
    3
    >>> times(Choice((32, 64, 128)), 64, 0.8), times(Choice((32, 64, 128)), 128, 1.2)
    (32, 128)
    >>> round(times(Float(0.0, 0.5), 0.0, 1.2), 3), times(Int(0, 9), 0, 1.2)
    (0.1, 1)
    """
    target = value * factor if value else factor - 1.0
    values = dimension.grid()
    if values is None:
        u = dimension.to_unit(target) if value else dimension.to_unit(value) + factor - 1.0
        return dimension.from_unit(min(max(u, 0.0), 1.0))
    beyond = [v for v in values if (v > value) == (target > value) and v != value]
    return min(beyond, key=lambda v: abs(v - target), default=value)


def demands(population: int, interval: float, max_fidelity: float | None, quantile: float) -> dict[str, bool]:
    """Return what the settings of a population must be, each with whether it is met."""
    return {
        "population must be 2 or more": population >= 2,
        "interval must be above 0": interval > 0,
        "max_fidelity must be at least interval": max_fidelity is None or max_fidelity >= interval,
        "quantile must be above 0 and at most 0.5": 0 < quantile <= 0.5,
    }
