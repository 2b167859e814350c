"""The chosen of many policies beside baselines: luck is told from an edge, and the verdict says so."""

import math

import numpy as np
import pytest
from scipy import stats

from sharpen.errors import UsageError
from sharpen.overfit import Comparison, compare, judge_policy


def test_the_luckiest_of_many_is_not_said_to_beat_anything():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(15):
        tried = [{"twap": values} for values in rng.normal(0.0, 1.0, (30, 100))]
        best = int(np.argmax([one["twap"].mean() for one in tried]))
        wrong += compare(tried, best, block=1.0)[0].is_beaten
    assert wrong <= 3
    with pytest.raises(UsageError, match="different orders"):
        compare([{"twap": np.ones(3)}, {"twap": np.ones(4)}], 0)
    with pytest.raises(UsageError, match="different orders"):
        compare([{"twap": np.ones(3)}, {"pov": np.ones(3)}], 0)


def test_one_policy_alone_is_judged_as_by_a_t_test():
    values = np.random.default_rng(1).normal(0.25, 1.0, 60)
    found = compare([{"twap": values}], 0, block=1.0)[0]
    known = stats.ttest_1samp(values, 0.0, alternative="greater")
    assert found.p_value == pytest.approx(known.pvalue, abs=0.02)
    assert found.error == pytest.approx(values.std(ddof=1) / math.sqrt(60))


def test_an_edge_among_many_is_found_and_few_windows_say_nothing():
    rng = np.random.default_rng(2)
    tried = [{"twap": rng.normal(0.0, 1.0, 200)} for _ in range(30)]
    tried[7] = {"twap": rng.normal(0.5, 1.0, 200)}
    assert compare(tried, 7)[0].is_beaten
    few = compare([{"twap": one["twap"][:20] + 5.0} for one in tried], 7)[0]
    assert not few.is_beaten
    assert few.sentence.endswith("20 windows of prices are too few")
    assert math.isnan(compare([{"twap": np.zeros(50)}], 0)[0].p_value)


def test_what_another_policy_saves_is_no_evidence_for_the_chosen_one():
    rng = np.random.default_rng(3)
    noise = rng.normal(0.0, 1.0, 200)
    weak = {"pov": noise - noise.mean() + 0.05}  # seven tenths of a standard error
    strong = {"pov": rng.normal(0.7, 0.1, 200)}
    assert compare([weak, strong], 1)[0].is_beaten
    found = compare([weak, strong], 0)[0]
    assert found.p_value > 0.05
    assert found.p_value >= compare([weak], 0)[0].p_value - 0.02
    still = compare([{"pov": np.full(50, 0.5)}, {"pov": rng.normal(0.0, 1.0, 50)}], 0)[0]
    assert not still.is_beaten


def beside(**rows):
    return [Comparison(name, *row, 40, 200) for name, row in rows.items()]


@pytest.mark.parametrize(
    ("rows", "kind", "words"),
    [
        (
            {"twap": (0.8, 0.2, 0.01), "random": (0.9, 0.2, 0.01), "optimum": (-2.0, 0.1, 1.0)},
            "real",
            "The best of 41 policies beats twap. It beats random participation.",
        ),
        (
            {
                "immediate": (9.0, 0.2, 0.001),
                "twap": (0.1, 0.2, 0.4),
                "pov": (-0.7, 0.2, 1.0),
                "random": (0.1, 0.2, 0.4),
            },
            "luck",
            "The best of 41 policies beats immediate, cannot be told from twap, and costs more than pov."
            " It cannot be told from random participation: it is no policy.",
        ),
        (
            {"twap": (0.8, 0.2, 0.01), "pov": (0.8, 0.2, 0.01), "random": (-0.9, 0.2, 1.0)},
            "luck",
            "The best of 41 policies beats twap and pov."
            " It costs more than random participation: it is no policy.",
        ),
    ],
)
def test_the_verdict_names_every_baseline(rows, kind, words):
    found = judge_policy(beside(**rows), 41)
    assert (found.kind, found.headline, found.n_trials, found.n_with_returns) == (kind, words, 41, 40)
    assert "Of 41 tried, 40 kept what they saved." in found.details
    assert [check.name for check in found.checks[1:]] == [
        f"saved against {name}" for name in rows if name != "optimum"
    ]
    assert ("The known optimum costs 2.00 bps less." in found.details) == ("optimum" in rows)
    assert all(check.outcome == "passed" for check in found.checks) == (kind == "real")
