"""Asking the search method: at once where it answers quickly, else aside, so that nobody waits for it.

A quick method is asked while an agent's question for a run is answered. A slow one is asked in another
thread: :func:`question` says what, and the answer is the event :class:`~sharpen.sweep.events.Proposed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharpen.frozen import with_changes
from sharpen.optimizers import Done, Optimizer, Wait
from sharpen.seeds import rng_for
from sharpen.space import Space
from sharpen.sweep.effects import Effect
from sharpen.sweep.events import Proposed
from sharpen.sweep.plugin_calls import PluginError, propose, refuse_idle_wait
from sharpen.sweep.state import SweepState
from sharpen.sweep.status import SweepStatus
from sharpen.sweep.transitions import Transition, finish_if_done, set_status
from sharpen.trial import Proposal, Trial

BUSY = 2  # with so many runs at work a search already knows little of the newest: it is asked ahead


@dataclass(frozen=True, slots=True)
class Question:
    """What a search method is asked; its answer depends on nothing else, and may be worked out in any thread.

    Attributes:
        optimizer: Who is asked.
        space: What may vary.
        history: The trials so far.
        n: How many proposals are wanted.
        rng: Where its randomness comes from.
    """

    optimizer: Optimizer
    space: Space
    history: Sequence[Trial]
    n: int
    rng: np.random.Generator

    def ask(self) -> Proposed:
        """Return the answer, also that the method broke."""
        try:
            return Proposed(propose(self.optimizer, self.space, self.history, self.n, self.rng))
        except PluginError as error:
            return Proposed(Done(), broken=str(error))


def question(state: SweepState) -> Question | None:
    """Return what a slow search method is to be asked now; None when there is nothing to ask.

    It is asked for one proposal for each agent that waits. While :data:`BUSY` runs are at work one is made
    ahead, so that an agent that becomes free finds it.
    """
    rules = state.rules
    if not rules.is_slow_search or state.status is not SweepStatus.RUNNING:
        return None
    if state.exhausted or state.is_full or state.proposed or state.n_prior < len(rules.prior):
        return None
    n_at_work = sum(live.lease is not None for live in state.live.values())
    n = len(state.askers) or int(n_at_work >= BUSY and state.waits_since != state.n_ended)
    n_left = n if rules.run_cap is None else rules.run_cap - state.n_created
    return _question(state, min(n, n_left)) if n else None


def take_proposal(state: SweepState, event: Proposed) -> Transition:
    """Take in what a slow search method answered."""
    if not state.status.is_open:
        return state, []
    state = with_changes(state, askers=frozenset())
    if event.broken:
        return fail(state, event.broken)
    if isinstance(event.answer, Done):
        return finish_if_done(with_changes(state, exhausted=True))
    if isinstance(event.answer, Wait):
        try:
            refuse_idle_wait(state.rules.optimizer, is_at_work=bool(state.live))
        except PluginError as error:
            return fail(state, str(error))
        return with_changes(state, waits_since=state.n_ended), []
    return with_changes(state, proposed=tuple(event.answer)), []


def next_proposal(state: SweepState, key: str) -> tuple[SweepState, Proposal | None]:
    """Take the next prior configuration, or what the search method proposes, unless all is tried.

    Args:
        state: The sweep.
        key: Of the question for a run; a slow method will be asked for one more proposal because of it.

    Raises:
        PluginError: The search method raised or answered nonsense.
    """
    rules = state.rules
    if state.exhausted:
        return state, None
    if state.n_prior < len(rules.prior):
        chosen = Proposal(rules.prior[state.n_prior], origin="prior", fidelity=rules.whole_fidelity)
        return with_changes(state, n_prior=state.n_prior + 1), chosen
    if not rules.is_slow_search:
        return _ask_now(state)
    if not state.proposed:
        return with_changes(state, askers=state.askers | {key}), None
    chosen, *others = state.proposed
    return with_changes(state, proposed=tuple(others)), _by_run(state, chosen)


def _ask_now(state: SweepState) -> tuple[SweepState, Proposal | None]:
    to_ask = _question(state, 1)
    answer = propose(to_ask.optimizer, to_ask.space, to_ask.history, to_ask.n, to_ask.rng)
    if isinstance(answer, Done):
        return with_changes(state, exhausted=True), None
    if isinstance(answer, Wait):
        refuse_idle_wait(to_ask.optimizer, is_at_work=bool(state.live))
        return state, None
    return state, _by_run(state, answer[0])


def fail(state: SweepState, why: str) -> tuple[SweepState, list[Effect]]:
    """End a sweep that cannot go on; what is at work works on."""
    return set_status(state, SweepStatus.FAILED, why) if state.status.is_open else (state, [])


def _question(state: SweepState, n: int) -> Question:
    rules = state.rules
    draw = (len(state.configurations) if rules.repeats > 1 else state.n_created) + 1
    history = rules.impute.imputed(state.searched)
    return Question(rules.optimizer, rules.space, history, n, rng_for(rules.seed, "ask", draw))


def _by_run(state: SweepState, chosen: Proposal) -> Proposal:
    """Return a proposal whose parent is a run: with repeats a method sees configurations."""
    if state.rules.repeats == 1 or chosen.parent is None:
        return chosen
    return with_changes(chosen, parent=state.configurations.first_run(chosen.parent))
