import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sharpen.objectives.boosted.bet_sizing import average_active_bets, bets
from sharpen.objectives.boosted.settings import ClassifierSettings

PROBABILITIES = arrays(float, (12, 2), elements=st.floats(0, 1))


@given(PROBABILITIES, st.floats(0, 0.9), st.floats(0.01, 1))
def test_a_bet_is_zero_up_to_the_threshold_and_never_beyond_one(p_up, threshold, ramp):
    bet = bets(p_up, ClassifierSettings(threshold=threshold, ramp=ramp))
    edge = 2 * p_up - 1
    assert (np.abs(bet) <= 1).all()
    assert (bet[np.abs(edge) <= threshold] == 0).all()
    assert (np.sign(bet[bet != 0]) == np.sign(edge[bet != 0])).all()


@given(PROBABILITIES)
def test_bets_of_complementary_probabilities_are_opposite(p_up):
    settings = ClassifierSettings()
    np.testing.assert_allclose(bets(p_up, settings), -bets(1 - p_up, settings), atol=1e-12)


def test_without_short_positions_only_the_negative_bets_go():
    p_up = np.array([0.1, 0.5, 0.9])
    assert bets(p_up, ClassifierSettings(allow_short=False)).tolist() == [0.0, 0.0, 1.0]


@given(arrays(float, (15, 2), elements=st.floats(-1, 1)), st.integers(1, 20))
def test_a_position_is_the_mean_of_the_bets_that_are_alive(bet, horizon_bars):
    expected = [sum(bet[max(0, t - horizon_bars + 1) : t + 1]) / horizon_bars for t in range(len(bet))]
    np.testing.assert_allclose(average_active_bets(bet, horizon_bars), expected, atol=1e-11)


def test_bets_that_cancel_leave_no_position():
    bet = np.array([[0.1], [0.2], [-0.3]])
    position = average_active_bets(bet, 3)[-1, 0]
    assert position == 0.0
    assert not np.signbit(position)


def test_a_position_lasts_as_long_as_the_label():
    bet = np.zeros((8, 1))
    bet[2] = 1.0
    assert average_active_bets(bet, 3)[:, 0].tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0, 0])
