"""What every search method must do, whatever its name."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sharpen.optimizers.port import Done, Optimizer, Wait
from sharpen.space import Choice, Constant, Float, Int, Space
from sharpen.testing.histories import COUNTABLE, HISTORIES, SPACES, history
from sharpen.trial import Proposal, Trial, TrialState


class OptimizerContract:
    """The suite for a search method; subclass it as ``Test…`` and say how to make one.

    Attributes:
        is_random: Whether another random stream gives another answer.
        is_endless: Whether it goes on for ever; a grid ends.
        takes_real_numbers: Whether it works in spaces that cannot be counted.
    """

    is_random: bool = True
    is_endless: bool = True
    takes_real_numbers: bool = True

    def make(self) -> Optimizer:
        """Return a fresh instance with the settings under test."""
        raise NotImplementedError("say how to make the method: def make(self): return MyMethod()")

    # ---- what is asked

    def spaces(self) -> Iterator[tuple[str, Space]]:
        """Yield the spaces to run on, with their names."""
        for name, space in SPACES.items():
            if self.takes_real_numbers or space.size is not None:
                yield name, space

    def cases(self) -> Iterator[tuple[str, Space, list[Trial]]]:
        """Yield spaces and histories, with a name for each pair."""
        for space_name, space in self.spaces():
            for name, states in HISTORIES.items():
                yield f"{space_name}, {name}", space, history(space, states)

    # ---- what must hold

    def test_proposals_are_possible_allowed_distinct_and_say_who_made_them(self) -> None:
        """Four proposals are wanted, of every space and history."""
        for name, space, past in self.cases():
            proposals = _ask(self.make(), space, past, 4, _rng())
            has_enough = (space.size or 10**9) > len(past) + 8  # else a random method may repeat
            assert len(proposals) == 4 or not (has_enough or self.is_random), name
            assert all(space.contains(p.config) for p in proposals), name
            assert all(space.allows(p.config) for p in proposals), name
            new = {space.key(p.config) for p in proposals}
            assert len(new) == len(proposals) or not has_enough, name
            assert all(p.origin for p in proposals), name

    def test_the_same_question_has_the_same_answer_and_nothing_is_changed(self) -> None:
        """Neither the history nor numpy's global random state."""
        for name, space, past in self.cases():
            before, state = copy.deepcopy(past), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
            first, second = (_ask(self.make(), space, past, 3, _rng()) for _ in range(2))
            assert _configs(first) == _configs(second), name
            assert repr(past) == repr(before), name
            assert np.random.get_state()[1].tolist() == state, name  # type: ignore[index, union-attr]

    def test_another_random_stream_has_another_answer(self) -> None:
        """At the start, when nothing is known; none has, of a method that is not random."""
        for name, space in self.spaces():
            one, other = (_ask(self.make(), space, [], 4, _rng(seed)) for seed in (1, 2))
            may_agree = space.forbidden and not self.is_random  # forbidden points may be replaced by draws
            assert (_configs(one) != _configs(other)) == self.is_random or may_agree, name

    def test_a_restart_goes_on_as_if_nothing_had_happened(self) -> None:
        """A long-lived instance sees trials move through their states; a fresh one sees only the result."""
        for name, space in self.spaces():
            lived = self.make()
            past: list[Trial] = []
            for turn in range(14):
                here = _ask(lived, space, past, 2, _rng(turn))
                fresh = _ask(self.make(), space, copy.deepcopy(past), 2, _rng(turn))
                assert _configs(here) == _configs(fresh), f"{name}, turn {turn}"
                for p in here:
                    past.append(begun(len(past) + 1, p))
                past = [_ended(space, t) if t.number <= len(past) - 3 else t for t in past]

    def test_one_instance_serves_two_sweeps(self) -> None:
        """What it remembers of one does not show in the other."""
        other = Space({"depth": COUNTABLE.dimensions["depth"], "flag": Choice((True, False, None))})
        shared = self.make()
        _ask(shared, COUNTABLE, history(COUNTABLE, HISTORIES["finished"]), 2, _rng())
        past = history(other, HISTORIES["finished"], seed=3)
        expected = _ask(self.make(), other, past, 2, _rng())
        assert _configs(_ask(shared, other, past, 2, _rng())) == _configs(expected)

    def test_true_false_zero_none_and_empty_text_are_ordinary_values(self) -> None:
        """Each of them is proposed once before any is repeated."""
        space = Space({"x": Choice((True, False, 0, 1, None, ""))})
        trials = self._follow(space, 6)
        assert {repr(t.config["x"]) for t in trials} == {"True", "False", "0", "1", "None", "''"}

    def test_a_small_conditional_space_is_used_up_without_a_repetition(self) -> None:
        """Configurations that differ only in a parameter that is not there are the same one."""
        space = SPACES["conditional"]
        trials = self._follow(space, 13)
        assert len({space.key(t.config) for t in trials}) == 13
        assert all(space.contains(t.config) and space.allows(t.config) for t in trials)

    def test_whole_numbers_beside_a_real_one_are_no_reason_to_repeat(self) -> None:
        """Few values at the lower end of a logarithmic range: what a model names is rounded to them."""
        if not self.takes_real_numbers:
            return
        whole = Int(8, 2048, log=True)
        space = Space({"lr": Float(1e-5, 1e-1, log=True), "n": whole, "m": whole})
        trials = self._follow(space, 24)
        assert len({space.key(t.config) for t in trials}) == len(trials)

    def test_what_is_running_is_not_proposed_again(self) -> None:
        """Eleven of twelve values have been handed out."""
        space = Space({"x": Choice(tuple(range(12)))})
        past = [
            Trial(n, {"x": n - 1}, TrialState.RUNNING if n > 2 else TrialState.FINISHED, (), None, "grid")
            for n in range(1, 12)
        ]
        (p,) = _ask(self.make(), space, past, 1, _rng())
        assert p.config["x"] == 11

    def test_no_two_agents_get_the_same_where_nothing_is_feasible(self) -> None:
        """Four agents ask in turn, and no run has a score: all they get differs."""
        axis = Float(0.0, 1.0) if self.is_endless else Choice((1, 2, 3, 4))
        space = Space(dict.fromkeys("xyz", axis))
        past: list[Trial] = []
        for n in range(1, 33):
            if n > 4:
                past[n - 5] = replace(past[n - 5], state=TrialState.FINISHED)
            answer = self.make().ask(space, past, 1, _rng(n))
            if isinstance(answer, (Wait, Done)):  # for its generation, or it has come to its end
                break
            (p,) = answer
            past.append(Trial(n, p.config, TrialState.RUNNING, (), None, p.origin))
        assert len({space.key(t.config) for t in past}) == len(past)

    def test_a_space_of_constants_has_one_point(self) -> None:
        """There is nothing to learn, and no error."""
        (p,) = _ask(self.make(), Space({"a": Constant(None), "b": Choice((7,))}), [], 1, _rng())
        assert p.config == {"a": None, "b": 7}

    def test_a_small_space_that_is_used_up_ends_or_repeats_but_does_not_fail(self) -> None:
        """What comes first is what is not running."""
        space = Space({"x": Choice((True, False))})
        past = [Trial(n, {"x": n % 2 == 1}, TrialState.FINISHED, (), float(n), "grid") for n in range(1, 21)]
        proposals = _ask(self.make(), space, past, 3, _rng())
        assert len(proposals) == (3 if self.is_endless else 0)
        assert all(space.contains(p.config) for p in proposals)
        if proposals:
            assert {p.config["x"] for p in proposals[:2]} == {True, False}

    def test_trials_from_outside_the_space_are_put_up_with(self) -> None:
        """A space may have been changed since."""
        past = [Trial(n, {"other": n}, TrialState.FINISHED, (), float(n), "enqueued") for n in range(1, 16)]
        (p,) = _ask(self.make(), COUNTABLE, past, 1, _rng())
        assert COUNTABLE.contains(p.config)

    def test_equal_extreme_and_constrained_outcomes_are_put_up_with(self) -> None:
        """Scores all equal; beyond all measure; the largest of all; several metrics; broken constraints."""
        for name, space in self.spaces():
            past = history(space, (TrialState.FINISHED,) * 16, seed=4)
            alike = [replace(t, score=0.5) for t in past]
            extreme = [replace(t, score=(-1.0) ** t.number * 10.0 ** (t.number * 4 - 30)) for t in past]
            largest = [replace(t, score=(-1.0) ** t.number * (1.79e308 - t.number * 1e305)) for t in past]
            many = [replace(t, score=1.0 / t.number, scores=(1.0 / t.number, float(t.number))) for t in past]
            broken = [replace(t, score=float(t.number), violation=t.number % 3 / 2) for t in past]
            for trials in (alike, extreme, largest, many, broken):
                for p in _ask(self.make(), space, trials, 2, _rng()):
                    assert space.contains(p.config), name
                    assert space.allows(p.config), name

    def test_a_wide_space_is_no_trouble(self) -> None:
        """Thirty parameters, and a hundred."""
        for n in (30, 100) if self.takes_real_numbers else ():
            space = Space({f"x{i}": Float(0.0, 1.0) for i in range(n)})
            past = history(space, (TrialState.FINISHED,) * 30)
            assert all(space.contains(p.config) for p in _ask(self.make(), space, past, 2, _rng()))

    def _follow(self, space: Space, n: int) -> list[Trial]:
        """Return the first new configurations of a sweep of one agent, every score alike.

        A trial that goes on from another is no new configuration.
        """
        optimizer, trials = self.make(), list[Trial]()
        for turn in range(10 * n):
            (p,) = _ask(optimizer, space, trials, 1, _rng(turn))
            trials.append(replace(begun(len(trials) + 1, p), state=TrialState.FINISHED, score=0.5))
            if sum(t.parent is None for t in trials) == n:
                break
        return [t for t in trials if t.parent is None]


def begun(number: int, proposal: Proposal) -> Trial:
    """Return the trial of a proposal, which has just begun to run."""
    return Trial(
        number,
        proposal.config,
        TrialState.RUNNING,
        origin=proposal.origin,
        parent=proposal.parent,
        fidelity=proposal.fidelity,
    )


def _ask(
    optimizer: Optimizer, space: Space, past: Sequence[Trial], n: int, rng: np.random.Generator
) -> Sequence[Proposal]:
    """Return what a method proposes; nothing when it is done."""
    answer = optimizer.ask(space, past, n, rng)
    assert not isinstance(answer, Wait), "it waits where it might propose"
    return [] if isinstance(answer, Done) else answer


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def _configs(proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    return [dict(p.config) for p in proposals]


def _ended(space: Space, trial: Trial) -> Trial:
    """Return a trial with an outcome that follows from its configuration; every fifth is infeasible."""
    score = None if trial.number % 5 == 0 else float(np.mean(space.to_unit(trial.config)))
    return replace(trial, state=TrialState.FINISHED, score=score)
