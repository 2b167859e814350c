"""Asking search methods and stop rules; one that breaks is the sweep's failure, and nobody else's."""

from __future__ import annotations

import math
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import UnionType

import numpy as np

from sharpen.optimizers import Answer, Done, Optimizer, Wait
from sharpen.space import Space
from sharpen.stoppers import Stopper
from sharpen.trial import GO_ON, Proposal, StopDecision, Trial


class PluginError(Exception):
    """A search method or a stop rule raised, or answered nonsense; says which, what, and where."""


def propose(
    optimizer: Optimizer, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator
) -> Answer:
    """Return what a search method wants to try next, or that there is nothing now, or nothing any more.

    Args:
        optimizer: The search method.
        space: What may vary.
        history: The trials so far.
        n: How many proposals are wanted; there is at least one, or another answer.
        rng: Where all randomness comes from.

    Raises:
        PluginError: It raised, or its answer is no proposal for this space.
    """
    with _blaming("search method", optimizer):
        answer = optimizer.ask(space, history, n, rng)
        if isinstance(answer, Wait | Done):
            return answer
        if not answer:
            return Done()
        for chosen in answer[:n]:
            _check(chosen, space, len(history))
        return tuple(answer[:n])


def _check(chosen: Proposal, space: Space, n_trials: int) -> None:
    _expect(Proposal, "a proposal", chosen)
    _expect(str, "the origin", chosen.origin)
    if not space.contains(chosen.config):
        raise ValueError(f"{dict(chosen.config)} is no configuration of the space")
    if chosen.parent is not None:
        _expect(int, "the parent", chosen.parent)
        if not 1 <= chosen.parent <= n_trials:
            raise ValueError(f"the parent {chosen.parent} is none of {n_trials} trials")
    if chosen.fidelity is not None:
        _expect(float | int, "the fidelity", chosen.fidelity)
        if not (math.isfinite(chosen.fidelity) and chosen.fidelity > 0):
            raise ValueError(f"the fidelity {chosen.fidelity} is no number above 0")


def refuse_idle_wait(optimizer: Optimizer, *, is_at_work: bool) -> None:
    """Refuse a search method that waits for nothing.

    Raises:
        PluginError: No trial is pending or running, so it would wait for ever, and it is none of those that
            wait for what is queued.
    """
    if not is_at_work and not may_wait_idle(optimizer):
        with _blaming("search method", optimizer):
            raise ValueError("it waits, and no trial is pending or running")


def may_wait_idle(optimizer: Optimizer) -> bool:
    """Return whether a search method waits for what somebody else queues."""
    return bool(getattr(optimizer, "may_wait_idle", False))


def should_stop(stopper: Stopper, trial: Trial, history: Sequence[Trial]) -> StopDecision:
    """Return what a stop rule says of a trial.

    Raises:
        PluginError: It raised, or its answer is no decision.
    """
    with _blaming("stop rule", stopper):
        decision = stopper.should_stop(trial, history)
        _expect(StopDecision, "a decision", decision)
        _expect(str, "the reason", decision.reason)
        return decision if decision.stop else GO_ON


def _expect(kind: type | UnionType, name: str, value: object) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be of type {getattr(kind, '__name__', kind)}, not {value!r}")


@contextmanager
def _blaming(noun: str, plugin: object) -> Generator[None]:
    """Turn whatever is raised, an exit of the process included, into :class:`PluginError`."""
    try:
        yield
    except (Exception, SystemExit) as problem:
        frame = problem.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f" ({frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno})" if frame else ""
        message = traceback.format_exception_only(problem)[
            -1
        ].strip()  # also of one that cannot be put in words
        raise PluginError(f"the {noun} {type(plugin).__name__} failed: {message}{where}") from problem
