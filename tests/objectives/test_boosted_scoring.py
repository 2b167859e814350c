"""The whole way from bars to figures, in worlds whose truth is known."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen import folds
from sharpen.backtest import backtest
from sharpen.errors import DataError
from sharpen.facts import STRESS_COLUMNS
from sharpen.folds import Fold, WalkForward, lockbox_start, split
from sharpen.metrics import sharpe
from sharpen.objectives.boosted import scoring
from sharpen.objectives.boosted.booster import make
from sharpen.objectives.boosted.scoring import (
    cut_ahead,
    decide,
    evaluate_lockbox,
    label,
    model_facts,
    prepare,
    score,
    train_final,
)
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.objectives.fold_score import TradedPanel, score_decisions
from sharpen.objectives.process_cache import ProcessCache
from sharpen.overfit import sharpe_interval
from sharpen.seeds import rng_for, seed_for
from worlds import make_world

DEFAULT = ClassifierSettings()
QUICK = ClassifierSettings(n_estimators=30)
PLAN = WalkForward(n_folds=3)


def examples_and_folds(settings, panel, plan=PLAN):
    examples = label(settings, prepare(panel))
    return examples, split(len(panel), plan, first_bar=examples.prepared.features.warmup_bars)


def training_rows(settings, examples, fold):
    return scoring._rows(examples, fold, scoring._usable(settings, examples, fold))


def same(a, b):
    names = [f.name for f in dataclasses.fields(a) if f.name not in ("stress", "extras")]
    pairs = [(getattr(a, name), getattr(b, name), name != "time") for name in names]
    pairs += [(getattr(a.stress, name), getattr(b.stress, name), True) for name in STRESS_COLUMNS]
    are_equal = all(np.array_equal(one, other, equal_nan=is_number) for one, other, is_number in pairs)
    return are_equal and a.extras == b.extras


def test_the_same_decisions_under_other_assumptions():
    panel = make_world(3, n_bars=400)
    fold = Fold(1, 0, 200, 200, 400)
    rng = np.random.default_rng(0)
    inside, outside = rng.uniform(-1, 1, (2, 200, len(panel.symbols)))
    found = score_decisions(TradedPanel(panel, 5.0, 252.0), fold, inside, outside)
    later, free = panel.slice(200, 400), found.stress
    np.testing.assert_array_equal(free.gross, backtest(outside, later.open, later.close, 0.0).returns)
    late = np.vstack([np.zeros_like(outside[:1]), outside[:-1]])
    np.testing.assert_array_equal(free.delayed, backtest(late, later.open, later.close, 5.0).returns)
    assert free.turnover.mean() == pytest.approx(found.val_turnover)
    cost = np.mean(free.gross - found.returns) / free.turnover.mean()
    assert cost == pytest.approx(5e-4, rel=0.01)


def test_a_risk_free_rate_is_taken_from_every_return_and_borrowing_is_paid_for_what_is_short():
    panel = make_world(3, n_bars=400)
    fold, short = Fold(1, 0, 200, 200, 400), np.full((200, len(panel.symbols)), -1.0)
    plain = score_decisions(TradedPanel(panel, 5.0, 252.0), fold, short, short)
    rated = score_decisions(TradedPanel(panel, 5.0, 252.0, risk_free_rate=0.05), fold, short, short)
    np.testing.assert_allclose(plain.returns - rated.returns, 1.05 ** (1 / 252) - 1)
    np.testing.assert_allclose(plain.baseline - rated.baseline, 1.05 ** (1 / 252) - 1)
    lent = score_decisions(TradedPanel(panel, 5.0, 252.0, borrow_rate=0.10), fold, short, short)
    paid = plain.returns - lent.returns
    np.testing.assert_allclose(paid[1:], 1.10 ** (1 / 252) - 1)
    assert paid[0] == 0.0, "nothing is held yet"


def interval_of_lockbox(panel, settings=DEFAULT):
    found = evaluate_lockbox(settings, panel, lockbox_start(len(panel)), seed=0)
    return sharpe_interval(found.returns, 252.0, rng_for(0, "interval"))


@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
def test_a_planted_edge_is_found(planted, model):
    assert interval_of_lockbox(planted, ClassifierSettings(model=model)).low > 0


def test_the_edge_is_found_in_another_world(world):
    assert interval_of_lockbox(world(seed=8, edge=0.012)).low > 0


def test_noise_is_not_mistaken_for_an_edge(world):
    found = [interval_of_lockbox(world(seed=seed)).low > 0 for seed in range(20)]
    assert sum(found) <= 1


def test_same_seed_same_score_other_seed_another(planted):
    examples, (first, *_) = examples_and_folds(QUICK, planted)
    a, b, c = (score(QUICK, examples, first, seed) for seed in (5, 5, 6))
    assert same(a, b)
    assert not np.array_equal(a.returns, c.returns)


def test_another_process_gets_the_same_score(planted):
    examples, (first, *_) = examples_and_folds(QUICK, planted)
    here = score(QUICK, examples, first, seed=5)
    program = """
import sys
sys.path[:0] = sys.argv[1:]
from worlds import make_world
from test_boosted_scoring import QUICK, examples_and_folds
from sharpen.objectives.boosted.scoring import score
examples, (first, *_) = examples_and_folds(QUICK, make_world(seed=1, edge=0.012))
print(score(QUICK, examples, first, seed=5).returns.tobytes().hex())
"""
    command = [sys.executable, "-c", program, *map(str, Path(__file__).parents[:2])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here.returns.tobytes().hex()


def positions(settings, panel, fold, seed=0, on=None):
    """Return what a model trained on a fold wants on its validation bars, or on those of another fold."""
    examples = label(settings, prepare(panel))
    booster, features = make(settings.model), examples.prepared.features.values
    window = features[fold.train_start : fold.train_stop]
    cuts = booster.cut(window.reshape(-1, window.shape[-1]), settings)
    rows = training_rows(settings, examples, fold)
    fitted = booster.fit(rows, cuts, settings, seed_for(seed, "fold", fold.number))
    on = on or fold
    return decide(settings, fitted.model, features[on.val_start : on.val_stop])


CHANGES = [("prices",), ("volume",), ("prices", "volume")]


FUTURES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 1000),
        "changes": st.sampled_from(CHANGES),
        "symbols": st.sets(st.integers(0, 2), min_size=1).map(sorted),
    }
)


@given(
    model=st.sampled_from(["xgboost", "lightgbm"]),
    number=st.integers(1, 3),
    share=st.floats(0.0, 1.0),
    future=FUTURES,
)
def test_the_future_changes_no_decision_of_the_past(planted, other_future, model, number, share, future):
    chosen = ClassifierSettings(model=model, n_estimators=10, threshold=0.0, ramp=1.0)
    fold = examples_and_folds(chosen, planted)[1][number - 1]
    later = int(share * (fold.val_stop - fold.val_start - 1))
    bent = other_future(planted, fold.val_start + later, **future)
    told, untold = (positions(chosen, panel, fold) for panel in (planted, bent))
    assert np.array_equal(told[: later + 1], untold[: later + 1])


@pytest.mark.parametrize("changes", CHANGES)
def test_another_future_changes_later_decisions(planted, other_future, changes):
    _, (first, *_) = examples_and_folds(QUICK, planted)
    bent = other_future(planted, first.val_start, changes=changes)
    assert not np.array_equal(positions(QUICK, planted, first), positions(QUICK, bent, first))


def test_without_the_purge_the_future_leaks_into_training(planted, other_future, monkeypatch):
    monkeypatch.setattr(scoring, "purged", lambda fold, end_bar, embargo_bars: _known(fold, end_bar))
    examples, (first, *_) = examples_and_folds(QUICK, planted)
    bars = slice(first.train_start, first.train_stop)
    overlapping = _known(first, examples.labels.end_bar) & (examples.labels.end_bar[bars] >= first.val_start)
    assert overlapping.sum() > 0
    bent = other_future(planted, after=first.val_start)
    fine = dataclasses.replace(QUICK, threshold=0.0, ramp=1.0)  # every change of a probability is seen
    assert not np.array_equal(positions(fine, planted, first)[0], positions(fine, bent, first)[0])


def _known(fold, end_bar):
    return end_bar[fold.train_start : fold.train_stop] >= 0


@pytest.mark.parametrize("embargo_bars", [0, 7])
def test_training_rows_are_decided_before_validation_and_balanced(planted, embargo_bars):
    settings = ClassifierSettings(embargo_bars=embargo_bars, tp_atr_mult=3.0)
    examples, found = examples_and_folds(settings, planted)
    for fold in found:
        bars = slice(fold.train_start, fold.train_stop)
        outcome, end_bar = examples.labels.label[bars], examples.labels.end_bar[bars]
        usable = (end_bar >= 0) & (end_bar + embargo_bars < fold.val_start) & (outcome != 0)
        rows = training_rows(settings, examples, fold)
        assert len(rows.is_up) == usable.sum()
        assert rows.is_up.sum() == (outcome[usable] == 1).sum()
        assert np.isfinite(rows.features).all()
        assert rows.weight[rows.is_up].sum() == pytest.approx(rows.weight[~rows.is_up].sum())
        assert rows.weight.mean() == pytest.approx(1.0)


def test_a_fold_with_one_class_bets_nothing(planted):
    settings = ClassifierSettings(tp_atr_mult=500.0)
    examples, (first, *_) = examples_and_folds(settings, planted)
    found = score(settings, examples, first, seed=0)
    assert (found.val_n_trades, found.val_exposure) == (0, 0.0)
    assert np.isnan(found.val_sharpe)
    assert (found.returns == 0).all()
    with pytest.raises(DataError, match="same label"):
        train_final(settings, examples, seed=0)


def test_the_lockbox_is_met_by_the_final_model(planted):
    cut = lockbox_start(len(planted))
    development = label(QUICK, prepare(planted.slice(0, cut)))
    final = train_final(QUICK, development, seed=3)
    whole = prepare(planted)
    wanted = decide(QUICK, final, whole.features.values[cut:])
    fold = Fold(0, whole.features.warmup_bars, cut, cut, len(planted))
    seen = positions(QUICK, planted, fold, seed=3)
    assert np.array_equal(wanted, seen)
    found = evaluate_lockbox(QUICK, planted, cut, seed=3)
    assert found.number == 0
    assert np.array_equal(found.time, planted.time[cut:])
    facts = model_facts(QUICK, development)
    assert facts["trained_through"] == str(planted.time[cut - 1])
    assert facts["data_hash"] == planted.slice(0, cut).digest


@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
def test_cuts_made_ahead_give_the_same_models_and_serve_every_configuration(planted, model, monkeypatch):
    settings = dataclasses.replace(QUICK, model=model, tp_atr_mult=1.7)
    prepared, plan = prepare(planted), examples_and_folds(settings, planted)[1]
    booster, n_cuts = make(model), []

    class Counting:
        def cut(self, features, settings):
            n_cuts.append(len(features))
            return booster.cut(features, settings)

        def fit(self, *args):
            return booster.fit(*args)

    def outcome(settings):
        examples = label(settings, prepared)
        whole = train_final(settings, examples, seed=3).predict(prepared.features.values[-1])
        scores = [score(settings, examples, fold, seed=3) for fold in plan]
        return [*(s.returns.tobytes() for s in scores), whole.tobytes()]

    monkeypatch.setattr(scoring, "make", lambda name: Counting())
    others = dataclasses.replace(settings, horizon_bars=4, embargo_bars=3, learning_rate=0.2)
    monkeypatch.setattr(scoring, "PROCESS_CACHE", ProcessCache(n_most=4))
    alone = [outcome(settings), outcome(others)]
    assert len(n_cuts) == len(plan) + 1
    monkeypatch.setattr(scoring, "PROCESS_CACHE", ProcessCache(n_most=4))
    cut_ahead(settings, prepared, plan)
    assert [outcome(settings), outcome(others)] == alone
    assert len(n_cuts) == 2 * (len(plan) + 1)
    outcome(dataclasses.replace(settings, max_bin=9))
    assert len(n_cuts) == 3 * (len(plan) + 1), "other bins"


@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
def test_the_figures_of_training_are_those_of_the_model_on_every_training_bar(planted, model):
    settings = dataclasses.replace(QUICK, model=model, tp_atr_mult=3.0)
    examples, (first, *_) = examples_and_folds(settings, planted)
    window = dataclasses.replace(first, val_start=first.train_start, val_stop=first.train_stop)
    whole = positions(settings, planted, first, on=window)
    inside = planted.slice(first.train_start, first.train_stop)
    earned = backtest(whole, inside.open, inside.close, settings.cost_bps)
    found = score(settings, examples, first, seed=0)
    assert found.train_sharpe == sharpe(earned.returns, examples.prepared.bars_per_year)
    assert len(training_rows(settings, examples, first).is_up) < whole.size


def test_costs_cost(planted):
    free, dear = (ClassifierSettings(n_estimators=30, cost_bps=bps) for bps in (0.0, 50.0))
    examples, (first, *_) = examples_and_folds(free, planted)
    assert score(free, examples, first, 0).returns.sum() > score(dear, examples, first, 0).returns.sum()


def test_the_baseline_is_buy_and_hold_on_the_same_bars(planted):
    examples, (first, *_) = examples_and_folds(ClassifierSettings(n_estimators=5, cost_bps=0.0), planted)
    found = score(ClassifierSettings(n_estimators=5, cost_bps=0.0), examples, first, 0)
    bars = planted.slice(first.val_start, first.val_stop)
    assert len(found.returns) == len(found.baseline) == len(found.time) == len(bars)
    entry = np.concatenate([[np.nan], bars.close[1:].mean(axis=1)])
    assert np.isfinite(entry[1:]).all()
    assert found.baseline[0] == 0.0
    assert found.baseline[1] == pytest.approx((bars.close[1] / bars.open[1] - 1).mean(), rel=1e-9)


def test_folds_that_cannot_be_trained_on_say_so(planted):
    settings = ClassifierSettings(n_estimators=5, embargo_bars=100_000)
    examples, (first, *_) = examples_and_folds(settings, planted)
    with pytest.raises(folds.FoldError):
        score(settings, examples, first, 0)
