"""Triple-barrier labels, barriers in units of ATR.

Source: M. López de Prado, Advances in Financial Machine Learning (2018), section 3.4; barriers on the
bars' highs and lows here, and entry at the next open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharpen.arrays import Floats, Ints
from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.kernels import kernel

Int8s = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Labels:
    """What became of a long position decided on at each bar.

    Attributes:
        label: 1 the profit target was touched first, -1 the stop, 0 neither in time. (T, S)
        end_bar: The bar at which the outcome was known; -1 where it is not known: no ATR yet, or the
            data ends first. Labels are meaningless there. (T, S)
    """

    label: Int8s
    end_bar: Ints


def triple_barrier(
    panel: Panel, atr: Floats, tp_atr_mult: float, sl_atr_mult: float, horizon_bars: int
) -> Labels:
    """Return the outcome of a long position decided on at the close of each bar.

    A decision at bar t enters at ``open[t + 1]``, with a target ``tp_atr_mult * atr[t]`` above and a stop
    ``sl_atr_mult * atr[t]`` below, watched on the bars t+1 .. t+horizon_bars, both included. Reaching a
    barrier exactly counts. Of a bar that reaches both, the one that its open is already beyond was first;
    where its open is between them it counts as the stop, for its path is not known. Without a touch the
    label is 0 and ends at t+horizon_bars.

    Close to the end of the data only decisions whose barrier was touched are known: drop the last
    ``horizon_bars`` decisions where the mix of labels matters.

    Bars are a symbol's own: one that it lacks is no bar of the horizon.

    Args:
        panel: The bars.
        atr: Average true range at each bar; where it is NaN or not positive the label is unknown. (T, S)
        tp_atr_mult: The target's distance in ATRs.
        sl_atr_mult: The stop's distance in ATRs.
        horizon_bars: How many bars a position may last.

    Raises:
        UsageError: When a distance or the horizon is not positive, or ``atr`` has another shape.

    >>> from sharpen.bars import Panel
    >>> time = np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]").astype("datetime64[us]")
    >>> price = np.array([[10.0], [10.0], [11.0], [12.0]])
    >>> panel = Panel(("X",), time, price, price, price, price, price)
    >>> labels = triple_barrier(panel, np.ones((4, 1)), 1.0, 1.0, 2)
    >>> labels.label[:2, 0].tolist(), labels.end_bar[:, 0].tolist()
    ([1, 1], [2, 3, -1, -1])
    """
    if not (tp_atr_mult > 0 and sl_atr_mult > 0 and horizon_bars >= 1):
        raise UsageError(
            "tp_atr_mult and sl_atr_mult must be above 0 and horizon_bars 1 or more; they are "
            f"{tp_atr_mult}, {sl_atr_mult} and {horizon_bars}"
        )
    if atr.shape != panel.close.shape:
        raise UsageError(f"atr has shape {atr.shape}, and the panel's bars have {panel.close.shape}")
    above, below = tp_atr_mult * atr, sl_atr_mult * atr
    if not panel.is_ragged:
        return Labels(*_first_touch(panel.open, panel.high, panel.low, above, below, int(horizon_bars)))
    label = np.zeros(atr.shape, dtype=np.int8)
    end_bar = np.full(atr.shape, -1, dtype=np.int64)
    for s, own in enumerate(panel.present.T):
        open_, high, low, target, stop = (
            x[own, s : s + 1] for x in (panel.open, panel.high, panel.low, above, below)
        )
        touched, ends = _first_touch(open_, high, low, target, stop, int(horizon_bars))
        label[own, s] = touched[:, 0]
        # an end is a place among the symbol's own bars
        end_bar[own, s] = np.where(ends[:, 0] >= 0, np.flatnonzero(own)[ends[:, 0]], -1)
    return Labels(label, end_bar)


@kernel
def _first_touch(
    open_: Floats, high: Floats, low: Floats, above: Floats, below: Floats, horizon_bars: int
) -> tuple[Int8s, Ints]:
    """Return labels and end bars; ``above`` and ``below`` are the barriers' distances. All (T, S)."""
    n_bars, n_symbols = open_.shape
    label = np.zeros((n_bars, n_symbols), dtype=np.int8)
    end_bar = np.full((n_bars, n_symbols), -1, dtype=np.int64)
    for s in range(n_symbols):
        for t in range(n_bars - 1):
            if not (above[t, s] > 0 and below[t, s] > 0):
                continue
            target = open_[t + 1, s] + above[t, s]
            stop = open_[t + 1, s] - below[t, s]
            last = t + horizon_bars
            if last < n_bars:
                end_bar[t, s] = last
            for i in range(t + 1, min(last, n_bars - 1) + 1):
                if low[i, s] <= stop or high[i, s] >= target:
                    label[t, s] = 1 if open_[i, s] >= target or low[i, s] > stop else -1
                    end_bar[t, s] = i
                    break
    return label, end_bar
