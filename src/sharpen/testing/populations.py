"""The smallest methods that wait for a generation and that go on from parents, and what all of them must do.

A method of generations may answer :class:`~sharpen.optimizers.port.Wait`. So it is not asked for four
proposals at once, as :class:`~sharpen.testing.optimizers.OptimizerContract` does: :class:`PopulationContract`
plays sweeps with several agents in place of that.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sharpen.optimizers.port import Answer, Done, Optimizer, Wait
from sharpen.space import Float, Space
from sharpen.testing.optimizers import begun
from sharpen.trial import Proposal, Report, Trial, TrialState, best

SPACE = Space({"lr": Float(0.0, 1.0), "decay": Float(0.0, 1.0)})


@dataclass(frozen=True)
class Generations:
    """Draws a generation, waits until all of it has ended, and draws the next around its best.

    Attributes:
        size: How many trials a generation has.
        generations: How many there are.
    """

    size: int = 3
    generations: int = 3

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return what is left of the generation at work, or the first of the next."""
        generation, member = divmod(len(history), self.size)
        if generation >= self.generations:
            return Done()
        if member == 0 and any(not trial.state.is_final for trial in history):
            return Wait()
        leader = best(history[: generation * self.size])
        proposals: list[Proposal] = []
        for _ in range(min(n, self.size - member)):
            u: list[float] = rng.random(len(space.dimensions)).tolist()
            if leader is not None:
                u = [
                    (own + 3.0 * its) / 4.0 for own, its in zip(u, space.to_unit(leader.config), strict=True)
                ]
            proposals.append(Proposal(space.from_unit(u), origin=f"generation-{generation}"))
        return proposals


@dataclass(frozen=True)
class ExploitExplore:
    """Members that train in parts: after each part the worse one goes on from the better one's checkpoint.

    Attributes:
        members: How many there are.
        parts: How many each trains.
    """

    members: int = 2
    parts: int = 3

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return what is left of the part at work, or the first of the next."""
        part, first = divmod(len(history), self.members)
        if part >= self.parts:
            return Done()
        if first == 0 and any(not trial.state.is_final for trial in history):
            return Wait()
        before: Sequence[Trial] = history[(part - 1) * self.members : part * self.members] if part else ()
        proposals: list[Proposal] = []
        for member in range(first, min(first + n, self.members)):
            u: list[float] = rng.random(len(space.dimensions)).tolist()
            new = space.from_unit(u)
            if not before:
                proposals.append(Proposal(new, origin="first", fidelity=1.0))
                continue
            parent, leader = before[member], best(before)
            is_behind = leader is not None and leader is not parent and parent is worst(before)
            parent, config, origin = (
                (leader, new, "exploit") if leader and is_behind else (parent, parent.config, "continue")
            )
            proposals.append(Proposal(config, parent=parent.number, origin=origin, fidelity=part + 1.0))
        return proposals


def worst(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the least score; one without a score is worse than any."""
    return min(trials, key=lambda trial: -np.inf if trial.score is None else trial.score)


class PopulationContract:
    """The suite for a method of generations or of populations; subclass it, and say how to make one.

    Attributes:
        n_trials: How many trials it makes before it is done.
    """

    n_trials: int = 9

    def make(self) -> Optimizer:
        """Return a fresh instance with the settings under test."""
        raise NotImplementedError("say how to make the method: def make(self): return MyMethod()")

    def test_it_waits_only_while_a_trial_is_at_work_and_comes_to_its_end(self) -> None:
        """With one agent, and with more than a generation has trials."""
        for n_agents in (1, 2, 5):
            assert len(play(self.make, n_agents)) == self.n_trials, f"{n_agents} agents"

    def test_a_restart_answers_as_if_nothing_had_happened(self) -> None:
        """Whatever the method was told before: a fresh one knows the history and no more."""
        lived = self.make()
        assert play(lambda: lived, 2) == play(self.make, 2)

    def test_a_parent_has_ended_with_a_checkpoint_when_another_goes_on_from_it(self) -> None:
        """A trial cannot go on from what is still at work, nor from one of its own generation."""
        trials = play(self.make, 3)
        for trial in trials:
            assert trial.parent is None or trial.parent < trial.number


def play(make: Callable[[], Optimizer], n_agents: int, space: Space = SPACE) -> list[Trial]:
    """Return the trials of a sweep whose agents work beside each other, until the method is done.

    Args:
        make: Returns the method; it is called for every question, as after a crash.
        n_agents: How many trials are at work at most.
        space: What may vary.
    """
    trials: list[Trial] = []
    for turn in range(1000):
        at_work = [trial for trial in trials if not trial.state.is_final]
        rng = np.random.default_rng([7, len(trials)])  # as a sweep's streams: one for each number
        answer = make().ask(space, copy.deepcopy(trials), 1, rng) if len(at_work) < n_agents else Wait()
        if isinstance(answer, Done) or (not isinstance(answer, Wait) and not answer):
            if not at_work:
                return trials
        elif not isinstance(answer, Wait):
            parent = answer[0].parent
            assert parent is None or trials[parent - 1].state.is_final, f"trial {parent} is still at work"
            trials.append(begun(len(trials) + 1, answer[0]))
            continue
        assert at_work, "it waits, and no trial is pending or running"
        first = at_work[turn % len(at_work)]
        trials[first.number - 1] = _ended(space, first)
    raise AssertionError("it has not come to its end after 1,000 turns")


def _ended(space: Space, trial: Trial) -> Trial:
    score = -sum((u - 0.3) ** 2 for u in space.to_unit(trial.config))
    return replace(trial, state=TrialState.FINISHED, score=score, reports=(Report(1, score),))
