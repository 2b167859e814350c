"""New configurations for methods with fidelities, by a method without: it is shown one fidelity at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharpen.optimizers.draws import Keys
from sharpen.optimizers.port import Answer, Done, Optimizer, Wait
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.optimizers.successive_halving import ranked
from sharpen.space import Space
from sharpen.trial import ParameterValues, Trial

SAMPLERS = ("random", "tpe", "gp")
MIN_TRIALS = 8  # of one fidelity, before a model is trusted


@dataclass(frozen=True, eq=False)
class Sampling:
    """What proposes new configurations.

    Attributes:
        sampler: The method's name, of :data:`SAMPLERS`.
        space: Where from.
        history: Every trial so far.
        rng: The random stream.
        seed: The sweep's seed.
        keys: Of the caller, who keeps them.
    """

    sampler: str
    space: Space
    history: Sequence[Trial]
    rng: np.random.Generator
    seed: int | None
    keys: Keys

    def draw(self, n: int, n_before: int) -> list[ParameterValues]:
        """Return configurations that are not in the history, as far as the space has new ones.

        Args:
            n: How many.
            n_before: How many have been drawn before: their place in a sequence that covers the space.
        """
        batch = ProposalBatch(self.space, self.history, self.rng, self.seed, self.keys)
        batch.number = n_before
        proposed: Answer = []
        if self.sampler != "random":
            least = max(len(self.space.dimensions) + 2, MIN_TRIALS)
            past = comparable(self.history, least)
            if sum(t.state.is_final for t in past) >= least:
                proposed = _model(self.sampler, least).ask(self.space, past, n, self.rng)
        for proposal in [] if isinstance(proposed, Wait | Done) else proposed:
            is_new = self.space.key(proposal.config) not in batch.seen
            batch.add(proposal.config if is_new else None, self.sampler)
        for _ in range(n - len(batch.proposals)):
            batch.add(None, "random")
        return [p.config for p in batch.proposals]


def load_sampler(name: str) -> None:
    """Load what a sampler needs, so that it is known to be there before there is a sweep.

    Raises:
        MissingExtra: It needs a library that is not installed.
    """
    if name != "random":
        _model(name, MIN_TRIALS)


def _model(name: str, n_startup_trials: int) -> Optimizer:
    from sharpen.optimizers import make  # noqa: PLC0415 - the table has this module's callers

    return make(name, {"n_startup_trials": n_startup_trials})


def comparable(history: Sequence[Trial], least: int) -> list[Trial]:
    """Return the trials to learn from, those that run among them: all ended ones have the same fidelity.

    It is the largest one of which enough trials finished, since what small budgets say may mislead.

    Args:
        history: Every trial so far.
        least: How many are enough.
    """
    done: dict[float, list[Trial]] = {}
    for trial in ranked(history):
        done.setdefault(np.inf if trial.fidelity is None else trial.fidelity, []).append(trial)
    known = [fidelity for fidelity, trials in done.items() if len(trials) >= least]
    chosen = done[max(known)] if known else []
    waiting = [t for t in history if not t.state.is_final]
    return sorted([*chosen, *waiting], key=lambda t: t.number)
