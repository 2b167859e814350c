"""The probability of backtest overfitting, by combinatorially symmetric cross-validation (CSCV).

Axes: ``T`` bars, ``N`` configurations, ``B`` blocks of bars, ``C`` splits of the blocks into halves.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.errors import UsageError

_CELLS = 1 << 20  # of the (splits, N) arrays worked on at a time: they stay in cache


@dataclass(frozen=True, eq=False)
class Pbo:
    """How the in-sample winner fares out of sample, over all splits.

    Attributes:
        probability: Share of splits whose in-sample winner is below the median out of sample; one that is
            the median counts half, so that pure noise gives 0.5 for any number of configurations.
        logits: ``ln(w / (1 - w))`` of the winner's relative out-of-sample rank ``w``. (C,)
    """

    probability: float
    logits: Floats


def pbo(returns: Floats, n_blocks: int = 16) -> Pbo:
    """Return the probability of backtest overfitting of picking the best Sharpe ratio among columns.

    The bars are cut into consecutive blocks whose lengths differ by at most one bar; each way to take half
    of them in sample makes a split. A configuration without variance on a half has a Sharpe ratio of 0 there.

    Args:
        returns: Returns of each configuration on the same bars. (T, N)
        n_blocks: An even number of blocks, 2 to 20; 16 make 12,870 splits.

    Raises:
        UsageError: Fewer than two columns, fewer than two bars a block, or another number of blocks.

    Source: Bailey, Borwein, Lopez de Prado and Zhu (2017), The Probability of Backtest Overfitting, Journal
        of Computational Finance 20(4): algorithm 2.3 (CSCV), whose step four a) to g) gives the logits;
        section 3.1 for the probability, which estimates equation 2.2. The numbers are those of the authors'
        manuscript of February 2015. It is silent on ties, which share the mean of their ranks here, and wants
        blocks of equal length.

    >>> noise = np.random.default_rng(0).normal(size=(640, 8))
    >>> good = noise + np.array([0.5, 0, 0, 0, 0, 0, 0, 0])
    >>> pbo(good).probability
    0.0
    """
    _check(returns, n_blocks)
    n_bars, n_columns = returns.shape
    edges: Ints = np.arange(n_blocks + 1, dtype=np.int64) * n_bars // n_blocks
    halves = _halves(n_blocks)
    mean = returns.mean(axis=0)
    centred = returns - mean  # keeps the sums of squares exact
    sums = np.add.reduceat(centred, edges[:-1], axis=0)
    squares = np.add.reduceat(centred**2, edges[:-1], axis=0)
    counts: Floats = (edges[1:] - edges[:-1]).astype(np.float64)
    floor = 1e-12 * (squares.sum(axis=0) / n_bars + mean**2)
    parts: list[Floats] = []
    step = max(1, _CELLS // n_columns)
    for start in range(0, len(halves), step):
        inside = halves[start : start + step]
        outside = 1.0 - inside
        fit = _sharpes(inside @ counts, inside @ sums, inside @ squares, mean, floor)
        test = _sharpes(outside @ counts, outside @ sums, outside @ squares, mean, floor)
        parts.append(_logits(fit, test))
    logits = np.concatenate(parts)
    return Pbo(0.5 - 0.5 * float(np.sign(logits).mean()), logits)


def pbo_range(returns: Floats, n_blocks: int = 12, n_shifts: int = 8) -> tuple[float, float]:
    """Return the lowest and the highest probability over shifts of the edges of the blocks.

    Where the edges lie is arbitrary, and one bar's shift changes the figure. The bars are taken as a ring,
    and the first edge goes through a block in steps of equal length.

    Args:
        returns: Returns of each configuration on the same bars. (T, N)
        n_blocks: As for :func:`pbo`; 12 make 924 splits, which is quick enough to repeat.
        n_shifts: How many places of the first edge, 1 or more; no more than a block has bars.

    Raises:
        UsageError: As :func:`pbo`, or there are no shifts.

    >>> low, high = pbo_range(np.random.default_rng(0).normal(size=(517, 8)), 10)
    >>> 0.0 <= low < high <= 1.0
    True
    """
    if n_shifts < 1:
        raise UsageError(f"n_shifts is {n_shifts}, give 1 or more", n_shifts=n_shifts)
    _check(returns, n_blocks)
    block_bars = len(returns) // n_blocks
    shifts = sorted({k * block_bars // n_shifts for k in range(n_shifts)})
    probabilities = [pbo(np.roll(returns, -shift, axis=0), n_blocks).probability for shift in shifts]
    return min(probabilities), max(probabilities)


def _check(returns: Floats, n_blocks: int) -> None:
    if n_blocks % 2 or not 2 <= n_blocks <= 20:
        raise UsageError(f"n_blocks is {n_blocks}, give an even number from 2 to 20", n_blocks=n_blocks)
    if returns.ndim != 2 or returns.shape[1] < 2 or returns.shape[0] < 2 * n_blocks:
        raise UsageError(
            f"returns have shape {returns.shape}: give (bars, configurations) with two configurations or more"
            f" and {2 * n_blocks} bars or more, or fewer blocks than {n_blocks}",
            shape=returns.shape,
            n_blocks=n_blocks,
        )


def _halves(n_blocks: int) -> Floats:
    chosen = np.array(tuple(combinations(range(n_blocks), n_blocks // 2)), dtype=np.int64)
    halves = np.zeros((len(chosen), n_blocks))
    np.put_along_axis(halves, chosen, 1.0, axis=1)
    return halves  # (C, B)


def _sharpes(counts: Floats, sums: Floats, squares: Floats, mean: Floats, floor: Floats) -> Floats:
    n = counts[:, None]
    shift = sums / n
    variance = (squares - sums * shift) / (n - 1.0)
    defined = variance > floor
    return np.where(defined, (shift + mean) / np.sqrt(np.where(defined, variance, 1.0)), 0.0)


def _logits(fit: Floats, test: Floats) -> Floats:
    won = np.take_along_axis(test, fit.argmax(axis=1)[:, None], axis=1)
    below = (test < won).sum(axis=1)
    equal = (test == won).sum(axis=1)
    rank = below + 0.5 * (equal + 1)  # ties share the mean of their ranks
    w = rank / (test.shape[1] + 1)
    return np.log(w / (1.0 - w))
