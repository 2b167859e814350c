"""Racing: the statistic against scipy's paired t test, and the promised rate of errors by simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sharpen.errors import UsageError
from sharpen.seeds import rng_for
from sharpen.spec import Metric
from sharpen.stoppers.racing import Pool, Racing, level_at, sums
from sharpen.trial import Report, Trial, TrialState

NAN = math.nan
N_FOLDS = 8


def means(values) -> list[float]:
    return (np.cumsum(values) / np.arange(1, len(values) + 1)).tolist()


def trial(number: int, values, state: TrialState = TrialState.RUNNING) -> Trial:
    """Return a trial that reports the running means of the folds' values."""
    return Trial(number, {}, state, tuple(Report(k, m) for k, m in enumerate(means(values), 1)))


def field(seed: int, n: int = 8) -> list[Trial]:
    """Return finished trials, the best of them by far the last."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, N_FOLDS))
    table[-1] += 3.0
    return [trial(number, row, TrialState.FINISHED) for number, row in enumerate(table, 1)]


def folds_of(t: Trial):
    return np.diff(sums(t.reports, "running_mean"))


# ---- the statistic


def test_the_values_of_folds_come_back_from_running_means() -> None:
    values = np.random.default_rng(0).normal(size=N_FOLDS)
    assert folds_of(trial(1, values)) == pytest.approx(values)
    each = [Report(k, v) for k, v in enumerate(values, 1)]
    assert np.diff(sums(each, "each")) == pytest.approx(values)


@pytest.mark.parametrize("n", range(2, N_FOLDS))
def test_without_pooling_it_is_scipys_paired_t_test_with_a_finite_population(n) -> None:
    """The smallest level that stops is the test's p value, the standard error times sqrt(1 - n / K)."""
    past, rng = field(n), np.random.default_rng(n)
    values = rng.normal(size=n)
    t = trial(9, values)
    paired = stats.ttest_rel(folds_of(past[-1])[:n], values)
    p = stats.t.sf(paired.statistic / math.sqrt(1 - n / N_FOLDS), n - 1)

    def stops(level_here: float) -> bool:
        share = level_at(n, N_FOLDS, 1.0, 2)
        rule = Racing(level=min(level_here / share, 0.5), prior_folds=0.0)
        return rule.should_stop(t, [*past, t]).stop

    assert p < 0.05
    assert stops(p * 1.001) or p * 1.001 / level_at(n, N_FOLDS, 1.0, 2) > 0.5
    assert not stops(p * 0.999)


def test_with_pooling_it_is_the_moderated_t_test_written_out() -> None:
    past, n = field(1), 3
    best = folds_of(past[-1])
    values = best[:n] - np.array([1.0, 2.5, 1.2])
    t = trial(9, values)
    pooled = np.mean([np.var(best - folds_of(other), ddof=1) for other in past[:-1]])
    own = np.sum((best[:n] - values - np.mean(best[:n] - values)) ** 2)
    error = math.sqrt((8 * pooled + own) / 10 * (1 / n - 1 / N_FOLDS))
    p = stats.t.sf((best[:n] - values).mean() / error, 10)
    level = p / level_at(n, N_FOLDS, 1.0, 2)
    assert Racing(level=level * 1.001).should_stop(t, [*past, t]).stop
    assert not Racing(level=level * 0.999).should_stop(t, [*past, t]).stop


def test_looks_share_the_level() -> None:
    for n_folds in (3, 5, 8, 20):
        for first in range(1, n_folds):
            spent = [level_at(n, n_folds, 0.05, first) for n in range(first, n_folds)]
            assert sum(spent) == pytest.approx(0.05)
            assert spent == sorted(spent, reverse=True)


def test_folds_known_only_in_sum_count_as_one() -> None:
    """Blocks of 1, 2 and 1 folds around the mean 2.5: 1.5² + (5 - 5)² / 2 + 1.5², with two free."""
    one = Trial(1, {}, reports=[Report(k, m) for k, m in enumerate((1.0, NAN, 2.0, 2.5), 1)])
    other = trial(2, [0.0] * 4)
    assert Pool.of(one, other, "running_mean") == Pool(4.5, 2.0, 1)
    assert Pool.of(other, one, "running_mean") == Pool(4.5, 2.0, 1)
    assert Pool.of(one, replace(other, reports=other.reports[:2]), "running_mean") == Pool()


def test_hidden_folds_do_not_bias_the_pooled_variance() -> None:
    rng, found = np.random.default_rng(8), Pool()
    for number in range(2000):
        one, other = (trial(number, rng.normal(size=N_FOLDS)) for _ in range(2))
        reports = [replace(r, value=NAN) if rng.random() < 0.4 else r for r in one.reports]
        found.add(Pool.of(replace(one, reports=reports), other, "running_mean"))
    assert found.variance == pytest.approx(2.0, rel=0.05)


# ---- who is judged, and against whom


def bad(n: int = 3, number: int = 9) -> Trial:
    return trial(number, [-9.0] * n)


def test_a_hopeless_trial_goes_at_the_first_look_and_not_before() -> None:
    past = field(2)
    verdicts = [Racing(min_iter=3).should_stop(bad(n), [*past, bad(n)]).stop for n in range(1, 9)]
    assert verdicts == [False, False, True, True, True, True, True, False]  # at its end it is let be


def test_enough_trials_must_have_ended() -> None:
    past = field(3)
    for n in range(1, len(past)):
        here = [*past[-n:], bad()]
        assert Racing(min_runs=5).should_stop(bad(), here).stop == (n - 1 >= 5)


def test_an_incumbent_has_finished() -> None:
    past = field(4)
    for state in TrialState:
        lost = [replace(t, state=state) for t in past]
        assert Racing().should_stop(bad(), [*lost, bad()]).stop == (state is TrialState.FINISHED)


def test_the_reason_names_the_incumbent_and_the_lag() -> None:
    past = field(5)
    rule = Racing(metric=Metric("val/sharpe", "maximize"))
    reason = rule.should_stop(bad(), [*past, bad()]).reason
    lag = folds_of(past[-1])[:3].mean() + 9
    assert reason.startswith(f"val/sharpe -9 over 3 folds is {lag:.4g} below trial 8's on them: ")
    assert reason.endswith(" end a trial")


def test_other_folds_are_not_compared() -> None:
    past = field(6)
    odd = replace(bad(), reports=[replace(r, step=r.step + 1) for r in bad().reports])
    assert not Racing().should_stop(odd, [*past, odd]).stop
    shifted = [replace(t, reports=[replace(r, step=r.step + 1) for r in t.reports]) for t in past]
    assert Racing().should_stop(odd, [*shifted, odd]).stop


def test_an_incumbent_without_a_number_there_makes_way_for_the_next() -> None:
    past = field(7)
    holes = [replace(r, value=NAN) if r.step == 3 else r for r in past[-1].reports]
    past[-1] = replace(past[-1], reports=holes)
    second = max(past[:-1], key=lambda t: t.reports[-1].value).number
    assert f"trial {second}'s" in Racing().should_stop(bad(3), [*past, bad(3)]).reason
    assert "trial 8's" in Racing().should_stop(bad(4), [*past, bad(4)]).reason


def test_what_is_infeasible_so_far_goes_on() -> None:
    past, lost = field(8), trial(9, [NAN] * 4)
    assert not Racing().should_stop(lost, [*past, lost]).stop


def test_a_copy_of_the_incumbent_ties_and_goes_on_even_without_noise() -> None:
    past = [trial(n, [float(n)] * N_FOLDS, TrialState.FINISHED) for n in range(1, 9)]
    for n in range(1, N_FOLDS):
        twin, worse = trial(9, [8.0] * n), trial(9, [7.9] * n)
        assert not Racing().should_stop(twin, [*past, twin]).stop
        assert Racing(min_iter=1).should_stop(worse, [*past, worse]).stop


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"level": 0.0}, "level must be above 0 and at most 0.5"),
        ({"level": 0.6}, "level must be above 0 and at most 0.5"),
        ({"prior_folds": -1.0}, "prior_folds must be"),
        ({"prior_folds": math.inf}, "prior_folds must be"),
        ({"min_iter": 0, "min_runs": 0}, "min_iter must be 1 or more; min_runs must be 1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words) -> None:
    with pytest.raises(UsageError, match=words):
        Racing(**settings)


# ---- the promise


def worlds(kind: str, rng: np.random.Generator):
    """Return the values of 30 configurations on every fold: skill, the market's year, and noise."""
    skill, year = rng.normal(size=30), rng.normal(size=N_FOLDS)
    noise = (
        rng.standard_t(4, size=(30, N_FOLDS)) / math.sqrt(2)
        if kind == "heavy tails"
        else (rng.normal(size=(30, N_FOLDS)))
    )
    swing = np.exp(0.3 * rng.normal(size=30)) if kind == "unlike swings" else np.ones(30)
    spread = {"luck alone": 0.0, "skill": 0.5}.get(kind, 0.2)
    return spread * skill[:, None] + 2.0 * year + swing[:, None] * noise


def race(table, rule: Racing) -> tuple[int, int, int, bool]:
    """Return how many would beat the incumbent, how many of these were stopped, folds, is the best kept."""
    past: list[Trial] = []
    n_would, n_wrong, n_folds = 0, 0, 0
    final = table.mean(axis=1)
    for number, row in enumerate(table, start=1):
        done = [t.number - 1 for t in past if t.state is TrialState.FINISHED]
        decision, n = None, 0
        for n in range(1, N_FOLDS + 1):
            t = trial(number, row[:n])
            decision = rule.should_stop(t, [*past, t])
            if decision.stop:
                break
        would = len(past) > rule.min_runs and final[number - 1] > final[done].max()
        n_would, n_wrong = n_would + would, n_wrong + (would and decision.stop)
        n_folds += n
        past.append(trial(number, row[:n], TrialState.STOPPED if decision.stop else TrialState.FINISHED))
    return n_would, n_wrong, n_folds, past[int(final.argmax())].state is TrialState.FINISHED


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("luck alone", 0.2),
        ("little skill", 0.2),
        ("skill", 0.2),
        ("heavy tails", 0.2),
        ("unlike swings", 0.2),
        ("unlike swings", 0.05),
    ],
)
def test_of_those_that_would_win_at_most_the_level_is_stopped(kind, level) -> None:
    """And of the others some are; the observed rate must not be above the level beyond chance, p < 0.001."""
    rng, rule = rng_for(0, kind, str(level)), Racing(level=level)
    results = [race(worlds(kind, rng), rule) for _ in range(80)]
    n_would, n_wrong, n_folds = (sum(r[i] for r in results) for i in range(3))
    assert n_would > 90
    assert stats.binom.sf(n_wrong - 1, n_would, level) > 0.001, f"{n_wrong} of {n_would}"
    n_lost = sum(not r[3] for r in results)
    assert stats.binom.sf(n_lost - 1, len(results), level) > 0.001, f"{n_lost} winners of 80 sweeps"
    assert n_folds < 0.9 * len(results) * 30 * N_FOLDS


def test_at_the_border_of_winning_the_level_is_used() -> None:
    """Of the trials that end in a tie, the hardest to spare, the union bound leaves half the level unused."""
    rng, rule, n_wrong, n_races = np.random.default_rng(9), Racing(level=0.2), 0, 600
    for _ in range(n_races):
        table = rng.normal(size=(8, N_FOLDS))
        table -= table.mean(axis=1, keepdims=True)
        table[:-2] -= 5.0
        past = [trial(n, row, TrialState.FINISHED) for n, row in enumerate(table[:-1], 1)]
        ties = (trial(8, table[-1][:n]) for n in range(1, N_FOLDS))
        n_wrong += any(rule.should_stop(t, [*past, t]).stop for t in ties)
    assert n_wrong / n_races > 0.08
    assert stats.binom.sf(n_wrong - 1, n_races, 0.2) > 0.001
