from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.features import atr
from sharpen.labels import triple_barrier

COLUMNS = ("open", "high", "low", "close", "volume")


def panel_of(opens, highs, lows):
    """Return a panel of one symbol, from plain lists."""
    columns = [np.array(x, dtype=float)[:, None] for x in (opens, highs, lows)]
    time = np.arange(len(opens)).astype("datetime64[D]").astype("datetime64[us]")
    return Panel(("X",), time, *columns, columns[0], columns[0])


def random_panel(n, seed, n_symbols=2, tick=0.5):
    """Return valid bars on a coarse price grid, so that barriers are often met exactly."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(-2, 3, (4, n, n_symbols)) * tick
    close = 100 + np.cumsum(steps[0], axis=0)
    open_ = close + steps[1]
    high = np.maximum(open_, close) + np.abs(steps[2])
    low = np.minimum(open_, close) - np.abs(steps[3])
    time = np.arange(n).astype("datetime64[D]").astype("datetime64[us]")
    names = tuple(f"S{s}" for s in range(n_symbols))
    return Panel(names, time, open_, high, low, close, np.ones((n, n_symbols)))


def slow_labels(panel, distance, tp, sl, horizon):
    """Return (label, end) lists by the definition, one decision at a time."""
    n_bars, n_symbols = panel.close.shape
    label = np.zeros((n_bars, n_symbols), dtype=int)
    end = np.full((n_bars, n_symbols), -1)
    for s in range(n_symbols):
        for t in range(n_bars):
            if np.isnan(distance[t, s]) or distance[t, s] <= 0 or t + 1 >= n_bars:
                continue
            entry = panel.open[t + 1, s]
            target, stop = entry + tp * distance[t, s], entry - sl * distance[t, s]
            watched = [i for i in range(t + 1, t + horizon + 1) if i < n_bars]
            stops = [i for i in watched if panel.low[i, s] <= stop]
            targets = [i for i in watched if panel.high[i, s] >= target]
            opens_above = [i for i in targets if panel.open[i, s] >= target]
            if stops and stops[0] not in opens_above and (not targets or stops[0] <= targets[0]):
                label[t, s], end[t, s] = -1, stops[0]
            elif targets:
                label[t, s], end[t, s] = 1, targets[0]
            elif t + horizon < n_bars:
                end[t, s] = t + horizon
    return label, end


multiples = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.7])


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 10**6), st.integers(1, 60), multiples, multiples, st.integers(1, 70))
def test_against_the_definition(seed, n, tp, sl, horizon):
    panel = random_panel(n, seed)
    rng = np.random.default_rng(seed)
    distance = rng.choice([np.nan, 0.0, 0.5, 1.0, 2.0], (n, 2))
    found = triple_barrier(panel, distance, tp, sl, horizon)
    label, end = slow_labels(panel, distance, tp, sl, horizon)
    np.testing.assert_array_equal(found.end_bar, end)
    np.testing.assert_array_equal(found.label, label)
    assert found.label.dtype == np.int8
    assert found.end_bar.dtype == np.int64


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.data())
def test_no_outcome_known_by_t_moves_when_bars_after_t_do(seed, data):
    n = data.draw(st.integers(20, 80))
    t = data.draw(st.integers(0, n - 2))
    rows = data.draw(st.lists(st.integers(t + 1, n - 1), min_size=1, unique=True))
    horizon = data.draw(st.integers(1, 15))
    panel, other = random_panel(n, seed), random_panel(n, seed + 1)
    columns = {name: getattr(panel, name).copy() for name in COLUMNS}
    for name, column in columns.items():
        column[rows] = getattr(other, name)[rows] * 1.3
    moved = replace(panel, **columns)
    a = triple_barrier(panel, atr(panel, 5), 1.0, 1.5, horizon)
    b = triple_barrier(moved, atr(moved, 5), 1.0, 1.5, horizon)
    known = (a.end_bar >= 0) & (a.end_bar <= t)
    np.testing.assert_array_equal(known, (b.end_bar >= 0) & (b.end_bar <= t))
    np.testing.assert_array_equal(a.label[known], b.label[known])
    np.testing.assert_array_equal(a.end_bar[known], b.end_bar[known])


# a decision at bar 0 enters at open[1] = 10; one ATR is 1, target and stop one ATR away, horizon 2
CASES = {
    "target": ([9, 10, 10, 10], [9, 10.5, 11.5, 10], [9, 9.5, 9.5, 10], 1, 2),
    "stop": ([9, 10, 10, 10], [9, 10.5, 10.5, 10], [9, 9.5, 8.5, 10], -1, 2),
    "target on the entry bar": ([9, 10, 10, 10], [9, 11.5, 10, 10], [9, 9.5, 10, 10], 1, 1),
    "both in one bar are the stop": ([9, 10, 10, 10], [9, 12, 10, 10], [9, 8, 10, 10], -1, 1),
    "both, and the open is beyond the target": ([9, 10, 12, 10], [9, 10, 12, 10], [9, 10, 8, 10], 1, 2),
    "both, and the open is beyond the stop": ([9, 10, 8, 10], [9, 10, 12, 10], [9, 10, 8, 10], -1, 2),
    "both, and the open is at the target": ([9, 10, 11, 10], [9, 10, 12, 10], [9, 10, 8, 10], 1, 2),
    "target exactly": ([9, 10, 10, 10], [9, 11, 10, 10], [9, 9.5, 10, 10], 1, 1),
    "stop exactly": ([9, 10, 10, 10], [9, 10.5, 10, 10], [9, 9, 10, 10], -1, 1),
    "neither in time": ([9, 10, 10, 20], [9, 10.9, 10.9, 20], [9, 9.1, 9.1, 20], 0, 2),
    "the decision bar is not watched": ([9, 10, 10, 10], [99, 10, 10, 10], [1, 10, 10, 10], 0, 2),
    "gap through the target": ([9, 10, 13, 13], [9, 10.5, 13, 13], [9, 9.5, 12, 13], 1, 2),
    "gap through the stop": ([9, 10, 7, 7], [9, 10.5, 7, 7], [9, 9.5, 7, 7], -1, 2),
    "a gap before entry moves the barriers": (
        [9, 20, 20, 20],
        [9, 20.5, 20.5, 20],
        [9, 19.5, 19.5, 20],
        0,
        2,
    ),
    "target first, stop later": ([9, 10, 10, 10], [9, 11, 10, 10], [9, 10, 5, 5], 1, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_cases_by_hand(name):
    opens, highs, lows, label, end = CASES[name]
    found = triple_barrier(panel_of(opens, highs, lows), np.ones((4, 1)), 1.0, 1.0, 2)
    assert (found.label[0, 0], found.end_bar[0, 0]) == (label, end)


def test_the_tail_is_known_only_where_a_barrier_was_touched():
    ones = np.ones((4, 1))
    still = triple_barrier(panel_of([10] * 4, [10.5] * 4, [9.5] * 4), ones, 1.0, 1.0, 2)
    assert still.end_bar[:, 0].tolist() == [2, 3, -1, -1]
    touched = triple_barrier(panel_of([10] * 4, [10.5, 10.5, 10.5, 11], [9.5] * 4), ones, 1.0, 1.0, 2)
    assert touched.end_bar[:, 0].tolist() == [2, 3, 3, -1]
    assert touched.label[:3, 0].tolist() == [0, 1, 1]


def test_barriers_scale_with_the_atr_of_the_decision_bar():
    panel = panel_of([10] * 5, [10, 10, 10, 12, 12], [10] * 5)
    distance = np.array([1.0, 2.0, 3.0, 1.0, 1.0])[:, None]
    found = triple_barrier(panel, distance, 1.0, 1.0, 3)
    assert found.label[:2, 0].tolist() == [1, 1]
    assert found.end_bar[:3, 0].tolist() == [3, 3, -1]
    assert triple_barrier(panel, distance, 0.5, 1.0, 2).label[2, 0] == 1
    assert triple_barrier(panel, distance, 2.5, 1.0, 3).label[0, 0] == 0


def test_without_atr_the_outcome_is_unknown():
    panel = random_panel(50, 3)
    found = triple_barrier(panel, atr(panel, 14), 1.0, 1.0, 5)
    assert (found.end_bar[:14] == -1).all()
    assert (found.end_bar[14:40] > np.arange(14, 40)[:, None]).all()


def test_symbols_do_not_mix():
    panel = random_panel(60, 4)
    whole = triple_barrier(panel, atr(panel, 5), 1.0, 2.0, 6)
    for s, bars in enumerate(panel.instruments()):
        alone = Panel.of([bars])
        found = triple_barrier(alone, atr(alone, 5), 1.0, 2.0, 6)
        np.testing.assert_array_equal(found.label[:, 0], whole.label[:, s])
        np.testing.assert_array_equal(found.end_bar[:, 0], whole.end_bar[:, s])


@pytest.mark.parametrize(
    ("tp", "sl", "horizon"), [(0, 1, 5), (-1, 1, 5), (1, 0, 5), (1, 1, 0), (float("nan"), 1, 5)]
)
def test_impossible_settings_are_refused(tp, sl, horizon):
    with pytest.raises(UsageError, match="horizon_bars 1 or more"):
        triple_barrier(random_panel(9, 0), np.ones((9, 2)), tp, sl, horizon)


def test_atr_of_another_shape_is_refused():
    with pytest.raises(UsageError, match=r"\(9, 1\)"):
        triple_barrier(random_panel(9, 0), np.ones((9, 1)), 1.0, 1.0, 3)
