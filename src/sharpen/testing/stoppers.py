"""What every stop rule must do, whatever its name.

A rule of another package is under the same suite as sharpen's own::

    from sharpen.testing.stoppers import StopperContract

    class TestMyRule(StopperContract):
        def make(self):
            return MyRule()

Each ``test_`` method is a plain one with plain asserts, so pytest collects it from the subclass, and nothing
here imports pytest.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import overload

import numpy as np

from sharpen.stoppers.port import Stopper
from sharpen.testing import histories
from sharpen.trial import Report, StopDecision, Trial, TrialState

ENDED = TrialState.FINISHED
N_FOLDS = 9
HISTORIES: Mapping[str, tuple[TrialState, ...]] = {
    **histories.HISTORIES,
    "one": (TrialState.RUNNING,),
    "finished, then running": (TrialState.FINISHED,) * 12 + (TrialState.RUNNING,) * 6,
}
"""The states of the trials of a history, by what is special about it."""


class StopperContract:
    """The suite for a stop rule; subclass it as ``Test…`` and say how to make one.

    Attributes:
        judges_spread: Whether the spread of a trial's values counts, as in a test of significance. Then a
            trial that is ahead everywhere, but unevenly, may be the surer loser; one ahead by the same
            amount everywhere may not.
        goes_by_others: Whether a trial is judged by the others. A rule that knows by itself what is good
            enough, such as a threshold, may stop a trial that is alone, and the best of a bad lot.
        stops_some: Whether it ever stops a trial; a rule that never does is under the suite, too.
        most_reads: Reports that may be read, all in all, to judge a trial at each of its 9 reports when
            10,000 trials with 9 reports each have ended before it: here ten times all there are.
    """

    judges_spread: bool = False
    goes_by_others: bool = True
    stops_some: bool = True
    most_reads: int = 10 * 10_000 * N_FOLDS

    def make(self) -> Stopper:
        """Return a fresh instance with the settings under test."""
        raise NotImplementedError("say how to make the rule: def make(self): return MyRule()")

    def histories(self) -> Iterator[tuple[str, list[Trial]]]:
        """Yield histories, with a name for each; in those with numbers for seeds, values are drawn anew."""
        for name, states in HISTORIES.items():
            for seed in (1, 2):
                yield f"{name}, {seed}", history(states, seed)

    # ---- what must hold

    def test_verdicts_repeat_have_reasons_and_change_nothing(self) -> None:
        """A rule is a function of the trial and the history; a stop says why."""
        for name, past in self.histories():
            before, rule = copy.deepcopy(past), self.make()
            first = _verdicts(rule, past)
            assert first == _verdicts(rule, past) == _verdicts(self.make(), copy.deepcopy(past)), name
            assert all(decision.stop == bool(decision.reason) for decision in first), name
            assert repr(past) == repr(before), name

    def test_a_long_lived_rule_and_a_fresh_one_agree(self) -> None:
        """What it remembers changes no decision, as a sweep goes on and when the history is another one."""
        rule = self.make()
        for name, past in self.histories():
            for turn in range(len(past)):
                here = past[: turn + 1]
                assert _verdicts(rule, here) == _verdicts(self.make(), here), f"{name}, turn {turn}"
        past = history(HISTORIES["finished, then running"], seed=1)
        assert _verdicts(rule, past) == _verdicts(self.make(), past)
        changed = [replace(past[0], reports=past[1].reports), *past[1:]]
        assert _verdicts(rule, changed) == _verdicts(self.make(), changed)

    def test_only_running_trials_are_stopped(self) -> None:
        """What has ended, or has not begun, is left alone."""
        for name, past in self.histories():
            decisions = zip(past, _verdicts(self.make(), past), strict=True)
            assert not any(decision.stop for t, decision in decisions if t.state is not TrialState.RUNNING), (
                name
            )

    def test_a_trial_alone_is_never_stopped(self) -> None:
        """However bad it gets, and though others may be waiting, failed, or without a report."""
        if not self.goes_by_others:
            return
        silent = [trial(2, state=TrialState.PENDING), trial(3, state=TrialState.FAILED), trial(4)]
        for n in range(N_FOLDS + 1):
            alone = trial(1, *(-float(k) for k in range(n)))
            lost = trial(1, *[math.nan] * n)
            assert not self.make().should_stop(alone, [alone]).stop, n
            assert not self.make().should_stop(alone, [alone, *silent]).stop, n
            assert not self.make().should_stop(lost, [lost]).stop, n

    def test_the_best_at_every_step_is_never_stopped(self) -> None:
        """Whatever the others are; a tie with the best is as good."""
        if not self.goes_by_others:
            return
        others = [trial(n, *[math.nan if n % 2 else -float(n)] * N_FOLDS, state=ENDED) for n in range(1, 12)]
        for value in (5.0, -2.0):
            for n_reports in range(N_FOLDS + 1):
                top = trial(12, *[value] * n_reports)
                assert not self.make().should_stop(top, [*others, top]).stop, (value, n_reports)

    def test_the_worst_by_far_is_stopped_sooner_or_later(self) -> None:
        """Larger is better: among trials of about 1, one of about -9 goes and one of about 11 stays."""
        past = [_noisy(n, 1.0, ENDED) for n in range(1, 31)]
        stopped = {level: self._is_stopped(_noisy(31, level), past) for level in (-9.0, 11.0)}
        assert stopped == {-9.0: self.stops_some, 11.0: False}

    def test_a_better_trial_goes_on_where_a_worse_one_does(self) -> None:
        """The history being the same, raising a trial's values never turns going on into a stop."""
        for name, past in self.histories():
            for t in past:
                decision = self.make().should_stop(t, past)
                for lift in (0.01, 0.3, 5.0):
                    better = _raised(t, [lift] * len(t.reports))
                    assert self._decision(better, past).stop <= decision.stop, (name, t.number, lift)

    def test_a_trial_ahead_at_every_report_goes_on_where_the_other_does(self) -> None:
        """The same, ahead by amounts that differ; not asked of a rule that judges by the spread."""
        rng = np.random.default_rng(3)
        for name, past in () if self.judges_spread else self.histories():
            for t in past:
                better = _raised(t, rng.exponential(0.5, len(t.reports)).tolist())
                assert self._decision(better, past).stop <= self.make().should_stop(t, past).stop, (
                    name,
                    t.number,
                )

    def test_what_is_not_a_number_beats_none_and_harms_none(self) -> None:
        """NaN and the infinities, in the trial and in the others."""
        for bad in (math.nan, math.inf, -math.inf):
            lost, good = trial(1, *[bad] * 4), trial(2, *[0.1] * 4)
            assert not (self.goes_by_others and self.make().should_stop(good, [lost, good]).stop)
            mixed = [trial(n, bad, 0.1 * n, bad, 0.2 * n, state=ENDED) for n in range(1, 9)]
            for late in (trial(9, bad, bad, 1.0), trial(9, 2.0, bad, 2.0), trial(9, 9.0, 9.0, 9.0)):
                decision = self.make().should_stop(late, [*mixed, late])
                assert decision.stop == bool(decision.reason)
            assert not decision.stop, "the best of numbers was stopped for others that are none"
        both = [trial(1, *[math.nan] * 4), trial(2, *[math.nan] * 4)]
        assert not (self.goes_by_others and any(self.make().should_stop(t, both).stop for t in both))

    def test_numbers_near_the_end_of_the_range_are_numbers(self) -> None:
        """No overflow is an error, and the best of them goes on."""
        past = [trial(n, *[-1e308 * (n % 3)] * N_FOLDS, state=ENDED) for n in range(1, 12)]
        for n_reports in range(1, N_FOLDS):
            top = trial(12, *[1e308] * n_reports)
            assert not self.make().should_stop(top, [*past, top]).stop

    def test_ten_thousand_ended_trials_are_not_read_again_and_again(self) -> None:
        """Operations are counted, not timed: how often a report is looked at."""
        counter = _Counter(self.most_reads)
        rng = np.random.default_rng(4)
        rows = enumerate(rng.normal(size=(10_000, N_FOLDS)).tolist(), start=1)
        past = [trial(number, *row, state=ENDED) for number, row in rows]
        past = [replace(t, reports=counter.over(t.reports)) for t in past]
        rule = self.make()
        for n_reports in range(1, N_FOLDS + 1):
            late = trial(len(past) + 1, *[9.0] * n_reports)
            assert not rule.should_stop(late, [*past, late]).stop

    # ---- what is asked

    def _decision(self, t: Trial, past: Sequence[Trial]) -> StopDecision:
        return self.make().should_stop(t, [t if u.number == t.number else u for u in past])

    def _is_stopped(self, t: Trial, past: Sequence[Trial]) -> bool:
        rule = self.make()
        parts = [replace(t, reports=t.reports[:n]) for n in range(1, len(t.reports) + 1)]
        return any(rule.should_stop(part, [*past, part]).stop for part in parts)


def trial(number: int, *values: float, state: TrialState = TrialState.RUNNING) -> Trial:
    """Return a trial with the given reports at the steps 1, 2 and so on; its score is the last when it ended.

    >>> trial(1, 0.5, state=TrialState.FINISHED).score
    0.5
    """
    reports = tuple(Report(step, value) for step, value in enumerate(values, start=1))
    has_score = state in (TrialState.FINISHED, TrialState.STOPPED) and values and math.isfinite(values[-1])
    return Trial(number, {}, state, reports, values[-1] if has_score else None)


def history(states: Sequence[TrialState], seed: int) -> list[Trial]:
    """Return one trial a state, with random reports; every fifth has one that is not a number.

    Finished ones have nine reports, others fewer, and pending ones none.
    """
    rng = np.random.default_rng(seed)
    trials: list[Trial] = []
    for number, state in enumerate(states, start=1):
        n = {TrialState.PENDING: 0, TrialState.FINISHED: N_FOLDS}.get(state, int(rng.integers(0, N_FOLDS)))
        values = (0.5 * rng.normal() + rng.normal(size=n)).tolist()
        if number % 5 == 0 and values:
            values[number % n] = math.nan
        trials.append(trial(number, *values, state=state))
    return trials


def _noisy(number: int, level: float, state: TrialState = TrialState.RUNNING) -> Trial:
    noise = np.random.default_rng(number).normal(scale=0.2, size=N_FOLDS)
    return trial(number, *(level + noise).tolist(), state=state)


def _raised(t: Trial, by: Sequence[float]) -> Trial:
    pairs = zip(t.reports, by, strict=True)
    return replace(t, reports=tuple(replace(r, value=r.value + lift) for r, lift in pairs))


def _verdicts(rule: Stopper, past: Sequence[Trial]) -> list[StopDecision]:
    return [rule.should_stop(t, past) for t in past]


class _Counter:
    def __init__(self, most: int) -> None:
        self.n, self.most = 0, most

    def over(self, reports: Sequence[Report]) -> Sequence[Report]:
        return _Counted(reports, self)

    def count(self, n: int) -> None:
        self.n += n
        assert self.n <= self.most, f"more than {self.most} reports were read to judge one trial"


class _Counted(Sequence[Report]):
    def __init__(self, reports: Sequence[Report], counter: _Counter) -> None:
        self._reports, self._counter = reports, counter

    def __len__(self) -> int:
        return len(self._reports)

    @overload
    def __getitem__(self, index: int) -> Report: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Report]: ...

    def __getitem__(self, index: int | slice) -> Report | Sequence[Report]:
        selected = self._reports[index]
        self._counter.count(1 if isinstance(selected, Report) else len(selected))
        return selected

    def __iter__(self) -> Iterator[Report]:
        self._counter.count(len(self._reports))
        return iter(self._reports)
