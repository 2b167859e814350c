from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen.errors import FoldError
from sharpen.folds import Fold, WalkForward, lockbox_start, purged, split

plans = st.builds(
    WalkForward,
    n_folds=st.integers(1, 12),
    train_ratio=st.floats(0.05, 0.95),
    gap_bars=st.integers(0, 20),
    embargo_bars=st.integers(0, 5),
    window=st.sampled_from(["rolling", "expanding"]),
)


def split_or_none(n_bars: int, plan: WalkForward, first_bar: int) -> tuple[Fold, ...] | None:
    try:
        return split(n_bars, plan, first_bar)
    except FoldError as error:
        needed = error.facts["needed_bars"]
    # the error's own advice must be enough
    assert n_bars < needed
    assert split(needed, plan, first_bar)
    return None


@settings(deadline=None)
@given(n_bars=st.integers(31, 3000), plan=plans, first_bar=st.integers(0, 30))
def test_windows_follow_one_another_up_to_the_last_bar(
    n_bars: int, plan: WalkForward, first_bar: int
) -> None:
    folds = split_or_none(n_bars, plan, first_bar)
    if folds is None:
        return
    assert [fold.number for fold in folds] == list(range(1, plan.n_folds + 1))
    assert folds[-1].val_stop == n_bars
    assert len({fold.val_stop - fold.val_start for fold in folds}) == 1
    for before, after in pairwise(folds):
        assert before.val_stop == after.val_start
    for fold in folds:
        assert first_bar <= fold.train_start < fold.train_stop < fold.val_stop
        assert fold.val_start - fold.train_stop == plan.gap_bars


@settings(deadline=None)
@given(n_bars=st.integers(200, 3000), plan=plans)
def test_rolling_windows_have_the_asked_ratio_and_expanding_ones_start_at_the_start(
    n_bars: int, plan: WalkForward
) -> None:
    folds = split_or_none(n_bars, plan, 7)
    if folds is None:
        return
    if plan.window == "expanding":
        assert {fold.train_start for fold in folds} == {7}
        return
    lengths = {fold.train_stop - fold.train_start for fold in folds}
    assert len(lengths) == 1
    train, val = lengths.pop(), folds[0].val_stop - folds[0].val_start
    odds = plan.train_ratio / (1 - plan.train_ratio)
    assert train == pytest.approx(odds * val, abs=1.0)
    # one more validation bar in each window would not fit
    assert 7 + plan.gap_bars + (odds + plan.n_folds) * (val + 1) > n_bars - 1e-6


def test_first_expanding_window_is_the_rolling_one_but_for_the_bars_left_over() -> None:
    rolling = split(1304, WalkForward(n_folds=9), first_bar=4)
    expanding = split(1304, WalkForward(n_folds=9, window="expanding"), first_bar=4)
    assert rolling == expanding[:1] + rolling[1:]
    assert rolling[0] == Fold(1, 4, 404, 404, 504)
    assert expanding[8] == Fold(9, 4, 1204, 1204, 1304)


@pytest.mark.parametrize(
    ("n_bars", "plan", "first_bar"),
    [
        (10, WalkForward(n_folds=9), 0),
        (100, WalkForward(n_folds=2, gap_bars=100), 0),
        (100, WalkForward(n_folds=2, gap_bars=98), 0),
        (100, WalkForward(n_folds=9), 95),
        (10, WalkForward(n_folds=9, train_ratio=0.05), 0),
    ],
)
def test_a_plan_that_does_not_fit_says_how_many_bars_would_do(
    n_bars: int, plan: WalkForward, first_bar: int
) -> None:
    with pytest.raises(FoldError, match="bars cannot hold") as caught:
        split(n_bars, plan, first_bar)
    facts = caught.value.facts
    assert facts["n_bars"] == n_bars
    assert facts["gap_bars"] == plan.gap_bars
    needed = facts["needed_bars"]
    assert str(needed) in str(caught.value)
    assert len(split(needed, plan, first_bar)) == plan.n_folds
    with pytest.raises(FoldError):
        split(needed - 1, plan, first_bar)


def test_a_plan_names_all_its_problems_at_once() -> None:
    with pytest.raises(FoldError) as caught:
        WalkForward(n_folds=0, train_ratio=1.0, gap_bars=-1, embargo_bars=-2, window="sliding")  # type: ignore[arg-type]
    assert len(caught.value.facts["problems"]) == 5


@pytest.mark.parametrize(("n_bars", "first_bar", "needed"), [(0, 0, 12), (10, 10, 22), (80, 100, 112)])
def test_bars_that_all_go_to_the_warm_up_are_an_error_with_numbers(n_bars, first_bar, needed) -> None:
    words = f"^{n_bars} bars cannot hold 8 folds .* {first_bar} bars of warm-up: .* use {needed} bars or more"
    with pytest.raises(FoldError, match=words):
        split(n_bars, WalkForward(), first_bar)
    assert split(needed, WalkForward(), first_bar)


def test_bars_before_the_first_are_refused() -> None:
    with pytest.raises(FoldError, match="first_bar is -1, give 0 or more"):
        split(10, WalkForward(), first_bar=-1)


def test_a_label_that_ends_on_the_first_validation_bar_goes() -> None:
    fold = Fold(1, 2, 8, 8, 12)
    end_bar = np.arange(12)[:, None] + np.array([1, 3])  # horizons 1 and 3
    assert purged(fold, end_bar).tolist() == [
        [True, True],
        [True, True],
        [True, True],
        [True, False],
        [True, False],
        [False, False],
    ]
    assert purged(fold, end_bar, embargo_bars=2)[:, 0].tolist() == [True, True, True, False, False, False]


@settings(deadline=None)
@given(
    plan=plans,
    horizons=st.lists(st.integers(0, 12), min_size=300, max_size=300),
    embargo_bars=st.integers(0, 5),
)
def test_no_kept_row_looks_into_validation(plan: WalkForward, horizons: list[int], embargo_bars: int) -> None:
    folds = split_or_none(300, plan, 3)
    if folds is None:
        return
    end_bar = (np.arange(300) + np.array(horizons))[:, None]
    end_bar[end_bar >= 300] = -1
    for fold in folds:
        rows = np.arange(fold.train_start, fold.train_stop)
        expected = [0 <= end_bar[t, 0] < fold.val_start - embargo_bars for t in rows]
        if not any(expected):
            with pytest.raises(FoldError, match="none of its"):
                purged(fold, end_bar, embargo_bars)
            continue
        assert purged(fold, end_bar, embargo_bars)[:, 0].tolist() == expected


def test_without_the_purge_the_model_would_learn_a_validation_return() -> None:
    rng = np.random.default_rng(0)
    close = np.cumsum(rng.normal(size=400)) + 1000
    horizon = 5
    end_bar = np.arange(400)[:, None] + horizon
    end_bar[end_bar >= 400] = -1
    label = np.full(400, np.nan)
    label[: 400 - horizon] = close[horizon:] - close[:-horizon]
    fold = split(400, WalkForward(n_folds=4))[1]

    moved = close.copy()
    moved[fold.val_start :] += 50.0
    moved_label = np.full(400, np.nan)
    moved_label[: 400 - horizon] = moved[horizon:] - moved[:-horizon]

    rows = slice(fold.train_start, fold.train_stop)
    changed = label[rows] != moved_label[rows]
    keep = purged(fold, end_bar)[:, 0]
    assert changed.sum() == horizon  # as many rows leak when nothing is purged
    assert not (changed & keep).any()
    assert keep.sum() == len(keep) - horizon  # and no more than those go


def test_a_purge_that_empties_training_is_an_error_with_its_numbers() -> None:
    with pytest.raises(FoldError, match="none of its 6 training bars") as caught:
        purged(Fold(3, 2, 8, 8, 12), np.full((12, 2), 20))
    assert caught.value.facts == {"number": 3, "train_bars": 6, "val_start": 8, "embargo_bars": 0}


def test_labels_that_stop_short_and_negative_embargoes_are_errors() -> None:
    with pytest.raises(FoldError, match="labels for 5 bars"):
        purged(Fold(1, 2, 8, 8, 12), np.zeros((5, 1), dtype=np.int64))
    with pytest.raises(FoldError, match="embargo_bars is -1"):
        purged(Fold(1, 2, 8, 8, 12), np.zeros((12, 1), dtype=np.int64), embargo_bars=-1)


def test_lockbox() -> None:
    assert lockbox_start(1000) == 800
    assert lockbox_start(1000, share=0.1) == 900
    assert lockbox_start(1000, share=0.0) == 1000
    for n_bars, share in [(1, 0.2), (1000, 1.0), (1000, -0.1), (1, 0.9), (0, 0.2)]:
        with pytest.raises(FoldError):
            lockbox_start(n_bars, share)
