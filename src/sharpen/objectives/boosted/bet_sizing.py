"""From a probability to a position."""

from __future__ import annotations

import numpy as np

from sharpen.arrays import Floats
from sharpen.objectives.boosted.settings import ClassifierSettings


def bets(p_up: Floats, settings: ClassifierSettings) -> Floats:
    """Return the bet on each probability, in [-1, 1].

    With ``b = 2 p - 1``: ``sign(b) min(1, (|b| - threshold) / ramp)``, and 0 where ``|b|`` does not exceed
    the threshold. Without ``allow_short`` a negative bet is none.

    >>> bets(np.array([0.5, 0.52, 0.55, 0.9, 0.1]), ClassifierSettings(threshold=0.05, ramp=0.1)).round(2)
    array([ 0. ,  0. ,  0.5,  1. , -1. ])
    """
    edge = 2.0 * p_up - 1.0
    size = np.clip((np.abs(edge) - settings.threshold) / settings.ramp, 0.0, 1.0)
    if not settings.allow_short:
        size = np.where(edge > 0, size, 0.0)
    return np.where(size > 0, np.sign(edge) * size, 0.0)


def average_active_bets(bet: Floats, horizon_bars: int) -> Floats:
    """Return the position: the mean of the bets of the last ``horizon_bars`` bars, this bar's included.

    So a bet lives as long as its label. Bars before the first count as no bet. (T, S) -> (T, S)

    Source: Lopez de Prado, M. (2018), Advances in Financial Machine Learning, 10.4.

    >>> average_active_bets(np.array([[1.0], [0.0], [-1.0], [0.0]]), horizon_bars=2).ravel()
    array([ 0.5,  0.5, -0.5, -0.5])
    """
    before = np.zeros((horizon_bars - 1, bet.shape[1]))
    padded = np.concatenate([before, bet])
    alive: Floats = np.lib.stride_tricks.sliding_window_view(padded, horizon_bars, axis=0)
    # the sign of a position opens and closes trades: a rounding residue must not
    mean: Floats = alive.mean(axis=-1)
    return mean.round(12) + 0.0  # and -0.0 becomes 0.0
