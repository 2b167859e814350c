"""Optuna's tree-structured Parzen estimator, in memory, behind the ``ask`` port."""
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Container, Generator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from sharpen.errors import MissingExtra
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.observations import best_and_newest
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.plugins import refuse_unless
from sharpen.replay import PerNumber
from sharpen.space import Choice, Dimension, Float, Int, Space
from sharpen.space.encoding import kind_of
from sharpen.trial import ParameterValues, Proposal, Trial, TrialState

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.storages import InMemoryStorage
    from optuna.trial import FrozenTrial
    from optuna.trial import TrialState as Told
except ImportError as error:
    raise MissingExtra("optuna", "samplers") from error

MOST_TRIES = 8
_EPOCH = datetime(2000, 1, 1)  # Optuna wants a time; no result depends on it


@dataclass(frozen=True, slots=True)
class Tpe:
    """Draws where good trials are dense and bad ones are rare.

    The estimator is multivariate, because learning rate and number of trees, or penalty and depth, are only
    good or bad together. Running trials count as bad ones (the constant liar), because otherwise agents
    that ask at the same time are sent to the same place.

    What it is told of a trial: finished ones their score; a stopped one that it ranks below every finished
    one, ordered by how far it came and then by its score; an infeasible one that it ranks below all of
    these; failed, crashed and canceled ones, and configurations outside the space, nothing. No number is
    made up for an infeasible trial, since only ranks matter to the estimator. Among trials that broke a
    constraint, those that missed it by less rank higher.

    Of a long history it is told the best and the newest trials. The estimator's good density rests on at
    most 25 trials and these are told, so it stays what it is; its bad density becomes one of a few
    hundred trials instead of thousands, which is as smooth and takes a tenth of the time.

    Source: Bergstra et al. (2011), Algorithms for Hyper-Parameter Optimization, NeurIPS; Watanabe (2023),
    arXiv:2304.11127.

    Attributes:
        n_startup_trials: How many outcomes it wants before it trusts a model; random until then.
        n_candidates: How many draws from the good density compete for a proposal.
        n_most_trials: How many trials it is told of, beside those that are running.
        seed: The sweep's seed, for the first trials.
    """

    n_startup_trials: int = 10
    n_candidates: int = 24
    n_most_trials: int = 400
    seed: int | None = None
    _told: PerNumber[Trial, FrozenTrial | None] = field(
        default_factory=PerNumber[Trial, FrozenTrial | None], repr=False, compare=False
    )
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "tpe",
            {
                "n_startup_trials must be 0 or more": self.n_startup_trials >= 0,
                "n_candidates must be 1 or more": self.n_candidates >= 1,
                "n_most_trials must be 2 or more": self.n_most_trials >= 2,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return ``n`` proposals; the same space, history and random stream give the same ones, always.

        Proposals repeat nothing in the history while the space has something new to offer, and then
        nothing that is still running.
        """
        axes = _axes(space)
        worth = _worth_telling(space, history, self.n_most_trials)
        told = self._told.all(space, ((t.number, t) for t in worth), partial(_translate, space, axes))
        past = [trial for trial in told if trial is not None]
        is_ready = axes and sum(t.state is not Told.RUNNING for t in past) >= self.n_startup_trials
        suggest = _suggester(axes, past, self.n_candidates, int(rng.integers(2**31)))
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        for i in range(batch.number, batch.number + n):
            config = batch.add(_unseen(space, suggest, batch.seen, i) if is_ready else None, "tpe")
            past.append(_frozen(axes, _filled(space, config), Told.RUNNING, i))
        return batch.proposals


def _worth_telling(space: Space, history: Sequence[Trial], most: int) -> list[Trial]:
    """Return the waiting trials, the best quarter of the others and the newest of the rest, in order."""
    live = [t for t in history if not t.state.is_final]
    ended = [t for t in history if t.state in (TrialState.FINISHED, TrialState.STOPPED)]
    chosen = [*live, *best_and_newest(space, ended, most // 4, most - most // 4)]
    return sorted(chosen, key=lambda t: t.number)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A dimension in Optuna's words; options go by their place, so that True and 1 or 0 stay apart."""

    distribution: BaseDistribution
    encode: Callable[[Any], float]
    decode: Callable[[Any], Any]


def _axes(space: Space) -> dict[str, _Axis]:
    """Return an axis for each dimension that has more than one value."""
    axes: dict[str, _Axis] = {}
    for name, dimension in space.dimensions.items():
        values = dimension.grid()
        if values is None or len(values) > 1:
            axes[name] = _axis(dimension)
    return axes


def _axis(dimension: Dimension) -> _Axis:
    match dimension:
        case Float(low, high, log):
            return _Axis(
                FloatDistribution(low, high, log=log), float, lambda value: min(max(value, low), high)
            )
        case Int(low, high, log):
            return _Axis(IntDistribution(low, high, log=log), int, int)
        case Choice(options):
            indices = CategoricalDistribution(range(len(options)))
            return _Axis(indices, dimension.index, lambda index: options[int(index)])
        case _:
            values = dimension.grid()
            if values is not None and kind_of(dimension, values)[0] == "category":
                return _axis(Choice(tuple(values)))
            return _Axis(FloatDistribution(0.0, 1.0), dimension.to_unit, dimension.from_unit)


def _translate(space: Space, axes: Mapping[str, _Axis], trial: Trial) -> FrozenTrial | None:
    if not space.contains(trial.config):
        return None
    number, config = trial.number - 1, _filled(space, trial.config)
    match trial.state:
        case TrialState.PENDING | TrialState.RUNNING:
            return _frozen(axes, config, Told.RUNNING, number)
        case TrialState.FINISHED | TrialState.STOPPED if trial.is_infeasible:
            # pruned at step 0, or without a report: Optuna ranks it below whatever came further
            reached = {0: -trial.violation} if trial.violation > 0 else None
            return _frozen(axes, config, Told.PRUNED, number, reached=reached)
        case TrialState.FINISHED:
            return _frozen(axes, config, Told.COMPLETE, number, score=trial.score)
        case TrialState.STOPPED if trial.score is not None:
            return _frozen(axes, config, Told.PRUNED, number, reached={len(trial.reports): trial.score})
        case _:
            return None


def _filled(space: Space, config: ParameterValues) -> ParameterValues:
    """Return a configuration with a middle value for each parameter that is not there."""
    if len(config) == len(space.dimensions):
        return config
    return {
        name: config[name] if name in config else d.from_unit(0.5) for name, d in space.dimensions.items()
    }


def _frozen(
    axes: Mapping[str, _Axis],
    config: ParameterValues,
    state: Told,
    number: int,
    *,
    score: float | None = None,
    reached: Mapping[int, float] | None = None,
) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=score,
        datetime_start=_EPOCH,
        datetime_complete=None if state is Told.RUNNING else _EPOCH,
        params={name: axis.encode(config[name]) for name, axis in axes.items()},
        distributions={name: axis.distribution for name, axis in axes.items()},
        user_attrs={},
        system_attrs={},
        intermediate_values=dict(reached or {}),
    )


class _Past(InMemoryStorage):
    """Optuna's view of a history: it reads our list, and what it wants to note down is dropped."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        super().__init__()
        self._past = trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[Told] | None = None
    ) -> list[FrozenTrial]:
        return [trial for trial in self._past if states is None or trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        pass


def _suggester(
    axes: Mapping[str, _Axis], past: list[FrozenTrial], n_candidates: int, seed: int
) -> Callable[[int], dict[str, Any]]:
    """Return a function that draws from the estimator, given the number that the new trial would have."""
    with _quiet():
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=0, n_ei_candidates=n_candidates
        )
        study = optuna.create_study(
            storage=_Past(past), sampler=sampler, study_name="sharpen", direction="maximize"
        )
    distributions = {name: axis.distribution for name, axis in axes.items()}

    def suggest(number: int) -> dict[str, Any]:
        new = FrozenTrial(
            number=number,
            trial_id=number,
            state=Told.RUNNING,
            value=None,
            datetime_start=_EPOCH,
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        values = sampler.sample_relative(study, new, distributions)
        return {name: axis.decode(values[name]) for name, axis in axes.items()}

    return suggest


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep "experimental" warnings and "a study was created" to Optuna itself."""
    logger = logging.getLogger("optuna.storages._in_memory")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        logger.disabled = was_disabled


def _unseen(
    space: Space, suggest: Callable[[int], dict[str, Any]], seen: Set[str], number: int
) -> ParameterValues | None:
    """Return a suggestion that is in no trial yet; None when a few tries find none."""
    for _ in range(MOST_TRIES):
        config = space.complete(suggest(number))
        if space.key(config) not in seen and space.allows(config):
            return config
    return None
