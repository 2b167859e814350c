from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import skfolio.measures as oracle

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.overfit import Evidence, Judgement, RelatedSweep, judge, search_p_value
from sharpen.overfit.verdict import excess_returns
from sharpen.overfit.verdict_text import say_p_value, say_probability

DAY = 1 / 252**0.5


def per_bar_sharpes(returns: Floats) -> Floats:
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1)


def world(
    rng: np.random.Generator,
    n_trials: int = 40,
    n_bars: int = 1260,
    annual_sharpe: float = 0.0,
    correlation: float = 0.0,
) -> Evidence:
    """Trials of noise, the first with the annual Sharpe ratio given, beside a market with one of 0.5."""
    own, common = rng.normal(0, 0.01, (n_bars, n_trials)), rng.normal(0, 0.01, (n_bars, 1))
    returns = math.sqrt(1.0 - correlation) * own + math.sqrt(correlation) * common
    returns[:, 0] += annual_sharpe * DAY * 0.01
    sharpes = per_bar_sharpes(returns)
    return Evidence(
        best_returns=returns[:, sharpes.argmax()],
        baseline_returns=rng.normal(0.5 * DAY * 0.01, 0.01, n_bars),
        trial_sharpes=sharpes,
        finished_returns=returns,
        bars_per_year=252,
    )


def sentences(judgement: Judgement) -> list[str]:
    return [check.sentence for check in judgement.checks]


def verdicts(
    monkeypatch: pytest.MonkeyPatch, n_worlds: int, annual_sharpe: float = 0.0, correlation: float = 0.0
) -> list[str]:
    # fewer splits and resamples, for speed; neither decides in these worlds
    from sharpen.overfit import verdict

    full = verdict.sharpe_interval
    monkeypatch.setattr(verdict, "PBO_BLOCKS", 6)
    monkeypatch.setattr(verdict, "sharpe_interval", lambda r, year, rng: full(r, year, rng, n_resamples=100))
    rng = np.random.default_rng(0)
    worlds = (world(rng, annual_sharpe=annual_sharpe, correlation=correlation) for _ in range(n_worlds))
    return [judge(evidence).kind for evidence in worlds]


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_best_of_forty_noise_strategies_is_luck(
    monkeypatch: pytest.MonkeyPatch, correlation: float
) -> None:
    kinds = verdicts(monkeypatch, 200, correlation=correlation)
    assert kinds.count("luck") >= 0.95 * 200


def test_a_true_annual_sharpe_of_three_over_five_years_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = verdicts(monkeypatch, 100, annual_sharpe=3.0)
    assert kinds.count("real") >= 90


def test_a_good_year_of_the_market_is_beta() -> None:
    rng = np.random.default_rng(1)
    evidence = world(rng)
    market = rng.normal(3.0 * DAY * 0.01, 0.01, 1260)
    # half invested, and some noise: a high Sharpe ratio that is the market's
    best = 0.5 * market + rng.normal(0, 0.001, 1260)
    returns = np.column_stack([evidence.finished_returns[:, 1:], best])
    judgement = judge(
        replace(
            evidence,
            best_returns=best,
            baseline_returns=market,
            trial_sharpes=per_bar_sharpes(returns),
            finished_returns=returns,
        )
    )
    assert judgement.kind == "beta"
    assert judgement.dsr >= 0.95 > judgement.dsr_excess
    assert "not distinguishable from holding the market" in judgement.sentence
    assert f"{judgement.dsr_excess:.2f} for the excess over buy-and-hold" in judgement.sentence
    assert judgement.checks[-1].sentence.startswith("failed: deflated Sharpe of the excess")


def test_holding_the_market_itself_is_beta() -> None:
    market = np.random.default_rng(2).normal(4.0 * DAY * 0.01, 0.01, 1260)
    judgement = judge(Evidence(market, market, per_bar_sharpes(market[:, None]), market[:, None], 252))
    assert judgement.kind == "beta"
    assert math.isnan(judgement.dsr_excess)
    assert "undefined for the excess" in judgement.sentence
    assert judgement.headline.endswith("better than luck, but not distinguishable from holding the market.")


def test_figures_agree_with_an_independent_library() -> None:
    evidence = world(np.random.default_rng(3), annual_sharpe=2.0)
    judgement = judge(evidence)
    assert judgement.dsr == pytest.approx(
        oracle.deflated_sharpe_ratio(evidence.best_returns, evidence.trial_sharpes)
    )
    assert judgement.sharpe == pytest.approx(evidence.trial_sharpes.max() / DAY)
    spread = float(np.std(evidence.trial_sharpes, ddof=1))
    assert judgement.luck_sharpe == pytest.approx(oracle.expected_max_sharpe_ratio(40, spread) / DAY)
    assert (judgement.n_trials, judgement.n_bars) == (40, 1260)


@pytest.mark.parametrize("stopped_spread", [0.1, 10.0])
def test_the_excess_is_deflated_by_whichever_spread_is_larger(stopped_spread: float) -> None:
    evidence = world(np.random.default_rng(3), annual_sharpe=3.0)
    evidence = replace(evidence, trial_sharpes=stopped_spread * evidence.trial_sharpes)
    excess = excess_returns(evidence.finished_returns, evidence.baseline_returns)
    spreads = evidence.trial_sharpes, per_bar_sharpes(excess)
    judgement = judge(evidence)
    best = excess_returns(evidence.best_returns, evidence.baseline_returns)
    assert judgement.dsr_excess == pytest.approx(
        min(oracle.deflated_sharpe_ratio(best, sharpes) for sharpes in spreads)
    )


def test_a_lucky_sentence_is_for_people_and_holds_the_figures() -> None:
    judgement = judge(world(np.random.default_rng(4), correlation=0.5))
    assert judgement.kind == "luck"
    assert judgement.headline == (
        f"The best of 40 made a Sharpe ratio of {judgement.sharpe:.2f}. The luckiest of 40 without skill"
        f" would make {judgement.luck_sharpe:.2f}, and simply holding made {judgement.baseline_sharpe:.2f}:"
        " not distinguishable from luck."
    )
    assert judgement.pbo is not None
    assert judgement.pbo_range is not None
    assert judgement.interval.low < 0
    least, most = judgement.pbo_range
    low, high = -judgement.interval.low, judgement.interval.high
    assert judgement.details == (
        f"In figures: deflated Sharpe {judgement.dsr:.2f} (needs 0.95), {judgement.dsr_excess:.2f} for the"
        f" excess over buy-and-hold; 95% interval \N{MINUS SIGN}{low:.2f} to {high:.2f} over 1260 bars;"
        f" probability of backtest overfitting {judgement.pbo:.2f} ({least:.2f} to {most:.2f} as the block"
        " edges move). The trials' Sharpe ratios spread less than those of noise over 1260 bars, so the luck"
        " bar takes the spread of noise."
    )
    assert judgement.sentence == f"{judgement.headline} {judgement.details}"
    assert "-0." not in "".join((judgement.sentence, *sentences(judgement)))
    assert [check.name for check in judgement.checks] == [
        "bars",
        "deflated Sharpe",
        "lower end of the Sharpe's 95% interval",
        "reality check over all returns",
        "PBO",
        "reality check of the excess",
        "deflated Sharpe of the excess over buy-and-hold",
    ]
    assert f"failed: deflated Sharpe {judgement.dsr:.2f}, needs 0.95 or more" in sentences(judgement)
    assert "passed: bars 1260, needs 30 or more" in sentences(judgement)


def test_stopped_trials_deflate_too() -> None:
    evidence = world(np.random.default_rng(5), annual_sharpe=3.0)
    more = np.concatenate([evidence.trial_sharpes, np.random.default_rng(6).normal(0, 0.1, 400)])
    without, with_stopped = judge(evidence), judge(replace(evidence, trial_sharpes=more))
    assert with_stopped.n_trials == 440
    assert with_stopped.dsr < without.dsr
    assert with_stopped.dsr_excess < without.dsr_excess
    assert with_stopped.min_track_record_bars > without.min_track_record_bars


def test_trials_without_a_sharpe_ratio_were_tried_all_the_same() -> None:
    evidence = world(np.random.default_rng(5), annual_sharpe=3.0)
    flat = np.concatenate([evidence.trial_sharpes, np.full(60, math.nan)])
    without, with_flat = judge(evidence), judge(replace(evidence, trial_sharpes=flat))
    assert with_flat.n_trials == 100
    spread = float(np.std(evidence.trial_sharpes, ddof=1))
    assert with_flat.luck_sharpe == pytest.approx(oracle.expected_max_sharpe_ratio(100, spread) / DAY)
    assert with_flat.dsr < without.dsr
    assert with_flat.dsr_excess < without.dsr_excess
    assert "The luckiest of 100 without skill" in with_flat.headline


def one_trial(annual_sharpe: float, n_bars: int = 1260) -> Evidence:
    rng = np.random.default_rng(7)
    returns = rng.normal(annual_sharpe * DAY * 0.01, 0.01, n_bars)
    market = rng.normal(0, 0.01, n_bars)
    return Evidence(returns, market, per_bar_sharpes(returns[:, None]), returns[:, None], 252)


def test_one_trial_is_not_deflated_and_says_what_was_not_tested() -> None:
    evidence = one_trial(annual_sharpe=4.0)
    judgement = judge(evidence)
    assert judgement.kind == "real"
    assert judgement.dsr == pytest.approx(oracle.probabilistic_sharpe_ratio(evidence.best_returns))
    assert judgement.luck_sharpe == 0.0
    assert judgement.pbo is None
    assert judgement.headline.startswith("The only trial made a Sharpe ratio of")
    assert judgement.headline.endswith("distinguishable from luck and from holding the market.")
    assert "backtest overfitting not tested (needs 2 finished trials and 64 bars)" in judgement.details
    assert "not tested: PBO unknown, needs 2 finished trials and 64 bars" in sentences(judgement)
    assert judge(one_trial(annual_sharpe=0.0)).kind == "luck"


def test_a_handful_of_bars_proves_nothing() -> None:
    judgement = judge(one_trial(annual_sharpe=30.0, n_bars=12))
    assert judgement.kind == "luck"
    assert judgement.dsr > 0.95
    assert "over 12 bars (needs 30 or more)" in judgement.details
    assert "failed: bars 12, needs 30 or more" in sentences(judgement)
    assert judge(one_trial(annual_sharpe=30.0, n_bars=2)).kind == "luck"


def test_overfitting_is_a_caution_and_no_veto() -> None:
    # two good trials, of which one wins here and another there: the edge is real, the choice is not
    rng = np.random.default_rng(8)
    common = rng.normal(4 * DAY * 0.01, 0.01, 640)
    drift = np.repeat(np.where(np.arange(16) % 2, 1.0, -1.0), 40)[:, None] * np.array([1.0, -1.0])
    returns = common[:, None] + 0.004 * drift
    sharpes = per_bar_sharpes(returns)
    judgement = judge(Evidence(returns[:, sharpes.argmax()], rng.normal(0, 0.01, 640), sharpes, returns, 252))
    assert judgement.dsr >= 0.95
    assert judgement.interval.low > 0
    assert judgement.pbo is not None
    assert judgement.pbo >= 0.5
    assert judgement.pbo_range is not None
    least, most = judgement.pbo_range
    assert judgement.kind == "real"
    assert judgement.headline.endswith(
        "the edge is distinguishable from luck and from holding the market. The choice among these"
        " configurations may still be luck: probability of backtest overfitting"
        f" {judgement.pbo:.2f} ({least:.2f} to {most:.2f} as the block edges move)."
    )
    said = f"caution: PBO {judgement.pbo:.2f} ({least:.2f} to {most:.2f} as the block edges move)"
    assert f"{said}, a caution from 0.5 on" in sentences(judgement)
    assert "may still be luck" not in judge(world(np.random.default_rng(0), annual_sharpe=3.0)).sentence


def test_near_identical_trials_with_one_edge_are_not_called_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    from sharpen.overfit import verdict

    monkeypatch.setattr(verdict, "PBO_BLOCKS", 6)
    rng = np.random.default_rng(14)
    kinds: list[str] = []
    cautions = 0
    for _ in range(20):
        common = rng.normal(3.0 * DAY * 0.01, 0.01, 1260)
        returns = common[:, None] + rng.normal(0, 0.0005, (1260, 10))
        sharpes = per_bar_sharpes(returns)
        market = rng.normal(0, 0.01, 1260)
        said = judge(Evidence(returns[:, sharpes.argmax()], market, sharpes, returns, 252))
        kinds.append(said.kind)
        cautions += said.pbo is not None and said.pbo >= 0.5
    assert kinds.count("real") >= 19
    assert cautions >= 3  # a veto would have called these luck


def nothing(returns: Floats) -> Judgement:
    n_bars = len(returns)
    return judge(Evidence(returns, np.zeros(n_bars), np.array([math.nan]), np.zeros((n_bars, 0)), 252))


def test_nothing_to_judge() -> None:
    judgement = nothing(np.zeros(0))
    assert judgement.kind == "none"
    assert judgement.sentence == "No feasible trial has out-of-sample returns on two bars or more."
    assert (judgement.checks, judgement.n_trials, judgement.pbo) == ((), 1, None)
    assert math.isnan(judgement.dsr)
    assert math.isnan(judgement.interval.low)
    flat = nothing(np.zeros(100))
    assert flat.kind == "none"
    assert "100 out-of-sample returns do not vary" in flat.sentence


def test_the_same_evidence_gives_the_same_verdict() -> None:
    evidence = world(np.random.default_rng(9))
    assert judge(evidence) == judge(evidence)
    other = judge(replace(evidence, seed=1))
    assert other.interval != judge(evidence).interval
    assert other.interval.low == pytest.approx(judge(evidence).interval.low, abs=0.2)


def test_evidence_that_does_not_fit_together_is_refused() -> None:
    evidence = world(np.random.default_rng(10))
    with pytest.raises(UsageError, match="1260 bars, but"):
        judge(replace(evidence, baseline_returns=evidence.baseline_returns[1:]))
    holes = evidence.best_returns.copy()
    holes[3] = math.nan
    with pytest.raises(UsageError, match="best_returns hold a NaN"):
        judge(replace(evidence, best_returns=holes))


def test_excess_is_uncorrelated_with_the_market_and_never_long_of_its_drift() -> None:
    rng = np.random.default_rng(11)
    market = rng.normal(0.001, 0.01, 500)
    alpha = rng.normal(0, 0.01, 500)
    excess = excess_returns(0.7 * market + alpha, market)
    assert np.corrcoef(excess, market)[0, 1] == pytest.approx(0.0, abs=1e-12)
    slope = np.polyfit(market, 0.7 * market + alpha, 1)[0]
    np.testing.assert_allclose(excess, 0.7 * market + alpha - slope * market)
    short = -0.5 * market
    np.testing.assert_array_equal(excess_returns(short, market), short)
    np.testing.assert_array_equal(excess_returns(alpha, np.zeros(500)), alpha)
    both = excess_returns(np.column_stack([short, 0.7 * market + alpha]), market)
    np.testing.assert_allclose(both, np.column_stack([short, excess]))


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (0.41, "0.41"),
        (0.9951, "above 0.99"),
        (1.0, "above 0.99"),
        (0.9499, "just below 0.95"),
        (0.95, "0.95"),
        (0.4999, "just below 0.50"),
        (0.5, "0.50"),
        (math.nan, "undefined"),
    ],
)
def test_rounding_claims_no_more_than_the_figure(figure: float, words: str) -> None:
    assert say_probability(figure) == words


def noise(seed: int, n_trials: int, n_bars: int = 1260) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.01, (n_bars, n_trials))


def evidence_of(returns: Floats, **more: object) -> Evidence:
    sharpes = per_bar_sharpes(returns)
    market = np.random.default_rng(99).normal(0, 0.01, len(returns))
    found = Evidence(returns[:, np.nanargmax(sharpes)], market, sharpes, returns, 252)
    return replace(found, **more)  # pyright: ignore[reportArgumentType]


def test_whatever_was_tried_counts_though_it_kept_no_returns() -> None:
    few = evidence_of(noise(20, 15))
    all_of_them = judge(replace(few, n_tried=150))
    assert (all_of_them.n_trials, all_of_them.n_with_returns) == (150, 15)
    assert all_of_them.luck_sharpe > judge(few).luck_sharpe
    assert "The luckiest of 150 without skill" in all_of_them.headline
    assert "Of 150 tried, 15 kept returns; all count." in all_of_them.details
    assert judge(replace(few, n_tried=3)).n_trials == 15


def test_one_series_of_many_tried_is_measured_by_the_noise_floor() -> None:
    alone = evidence_of(noise(21, 1), n_tried=150)
    judgement = judge(alone)
    expected = oracle.expected_max_sharpe_ratio(150, 1 / math.sqrt(1259)) / DAY
    assert judgement.luck_sharpe == pytest.approx(expected)
    assert judgement.luck_basis == "noise floor"
    assert judgement.dsr == pytest.approx(
        oracle.probabilistic_sharpe_ratio(alone.best_returns, expected * DAY)
    )


def test_sweeps_on_the_same_bars_are_named() -> None:
    related = (RelatedSweep("vys9kp8c", 150, has_winner=True), RelatedSweep("aaaa", 40))
    judgement = judge(evidence_of(noise(22, 1), n_tried=191, related=related))
    assert "The best of 191 made" in judgement.headline
    assert judgement.headline.endswith(
        "This configuration was the best of 150 in sweep vys9kp8c on these bars."
        " Of these, 40 were tried in sweep aaaa on these bars."
    )
    assert judgement.related == related


def test_a_search_that_finds_as_much_in_permuted_histories_is_luck() -> None:
    evidence = world(np.random.default_rng(3), annual_sharpe=3.0)
    assert judge(evidence).kind == "real"
    for n_as_good, kind in [(0, "real"), (1, "luck")]:
        search = search_p_value(1.0, [2.0] * n_as_good + [0.0] * (19 - n_as_good))
        judgement = judge(replace(evidence, search=search))
        assert (judgement.kind, judgement.search) == (kind, search)
        outcome = "passed" if kind == "real" else "failed"
        figure = say_p_value(search.p_value)
        assert (
            f"{outcome}: p-value of the whole search {figure}, needs 0.05 or less; {n_as_good} of 19"
            " permuted histories had as good a winner"
        ) in sentences(judgement)


def test_runs_that_were_stopped_early_do_not_raise_the_bar_by_being_short() -> None:
    whole = noise(23, 40)
    short = noise(24, 400, 126)
    sharpes = np.concatenate([per_bar_sharpes(whole), per_bar_sharpes(short)])
    bars = np.array([1260] * 40 + [126] * 400)
    evidence = evidence_of(whole, trial_sharpes=sharpes, n_tried=440)
    naive, scaled = judge(evidence), judge(replace(evidence, trial_bars=bars))
    right = oracle.expected_max_sharpe_ratio(440, 1 / math.sqrt(1259)) / DAY
    assert scaled.luck_sharpe == pytest.approx(right, rel=0.05)
    assert naive.luck_sharpe > 2 * right


def test_counts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="trial_bars has 3 numbers for 2 Sharpe ratios"):
        judge(evidence_of(noise(25, 2), trial_bars=np.array([1260] * 3)))
    with pytest.raises(UsageError, match="kept_returns': 5"):
        judge(evidence_of(noise(25, 2), kept_returns=np.zeros((5, 2))))


def test_the_excess_is_judged_by_how_alike_excesses_are() -> None:
    # all hold the market and tilt a little: alike as they are, 40 different things were tried
    rng = np.random.default_rng(26)
    market = rng.normal(0.0005, 0.01, 1260)
    tilts = rng.normal(0, 0.0005, (1260, 40))
    returns = market[:, None] + tilts
    held = replace(evidence_of(returns), baseline_returns=market)
    excess = evidence_of(tilts)
    judgement = judge(held)
    assert judgement.n_effective == 1
    assert judgement.dsr_excess == pytest.approx(judge(excess).dsr, abs=0.15)
    assert judgement.dsr_excess < 0.9


def test_what_shows_in_everything_that_was_kept_counts() -> None:
    evidence = world(np.random.default_rng(3), annual_sharpe=3.0)
    judgement = judge(evidence)
    assert judgement.reality_check is not None
    assert judgement.reality_check <= 0.05
    more = np.concatenate([evidence.finished_returns, noise(27, 500)], axis=1)
    kept = judge(replace(evidence, kept_returns=more, trial_sharpes=per_bar_sharpes(more)))
    assert kept.n_trials == 540
    assert kept.reality_check is not None
    assert kept.reality_check >= judgement.reality_check
    assert kept.pbo == judgement.pbo


def test_overfitting_has_a_range_over_the_edges_of_blocks() -> None:
    judgement = judge(world(np.random.default_rng(4), n_bars=517))
    assert judgement.pbo is not None
    assert judgement.pbo_range is not None
    low, high = judgement.pbo_range
    assert low <= judgement.pbo <= high
    assert high - low > 0.01


def test_without_a_baseline_that_moves_nothing_is_more_than_the_market() -> None:
    found = judge(replace(one_trial(3.0), baseline_returns=np.zeros(1260)))
    assert found.kind == "beta"
    assert "failed: buy-and-hold does not move, needs one to be compared with" in sentences(found)
    assert "its returns stand beside no buy-and-hold that moves" in found.headline
