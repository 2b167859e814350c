"""A sketch of prices: a short text by which the same prices are known under any name.

Each run of three changes of a close is hashed, and the smallest hashes are kept. So sketches of a file and of
its copy share hashes, also where the copy has another symbol, another scale, other times, or fewer bars.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharpen.arrays import Floats

N_HASHES = 48
N_CHANGES = 3  # in a row: one change alone may be a tick that many prices know
_DIGITS = 8  # of each hash in the text
_PLACES = 1e6  # changes are compared to a millionth: what single precision keeps
_ODD = np.uint64(0x9E3779B97F4A7C15)


def sketch(close: Floats) -> str:
    """Return the sketch of closes; empty where too few of them change.

    Args:
        close: NaN where a symbol has no bar. (T, S)

    Source: Broder (1997), On the Resemblance and Containment of Documents: shingles, and the smallest of
        their hashes.

    >>> close = 100.0 * np.cumprod(1.0 + np.random.default_rng(0).normal(0.0, 0.01, (300, 2)), axis=0)
    >>> first, second = close[:, [0]], close[:, [1]]
    >>> is_akin(sketch(close), sketch(3.0 * second[40:])), is_akin(sketch(first), sketch(second))
    (True, False)
    >>> sketch(np.ones((300, 1)))
    ''
    """
    parts = [_shingles(column[np.isfinite(column)]) for column in close.T]
    hashes = np.unique(np.concatenate(parts)) if parts else np.empty(0, dtype=np.uint64)
    return "".join(f"{one:0{_DIGITS}x}" for one in hashes[:N_HASHES].tolist())


def is_akin(one: str, other: str) -> bool:
    """Return whether two sketches are of prices that are the same in part.

    >>> is_akin("", "")
    False
    """
    return not _parts(one).isdisjoint(_parts(other))


def _parts(text: str) -> set[str]:
    return {text[at : at + _DIGITS] for at in range(0, len(text) - _DIGITS + 1, _DIGITS)}


def _shingles(close: Floats) -> NDArray[np.uint64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = np.rint((close[1:] / close[:-1] - 1.0) * _PLACES)
    changes = changes[np.isfinite(changes) & (changes != 0.0) & (np.abs(changes) < 1e15)].astype(np.int64)
    mixed = _mix(changes.view(np.uint64))
    hashes = np.zeros(max(len(mixed) - N_CHANGES + 1, 0), dtype=np.uint64)
    for offset in range(N_CHANGES):
        hashes = _mix(hashes * _ODD + mixed[offset : offset + len(hashes)])
    return hashes >> np.uint64(64 - 4 * _DIGITS)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # the finaliser of splitmix64: wraps around by design
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
