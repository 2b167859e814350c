"""Points that cover the unit cube evenly: Sobol sequences, scrambled at random.

``scipy.stats.qmc`` has them too, but takes most of a second to import, for which the first run of every sweep
would wait.

Source: Sobol' (1967); Joe, Kuo (2008), Constructing Sobol Sequences with Better Two-Dimensional Projections,
SIAM Journal on Scientific Computing 30, with their direction numbers (new-joe-kuo-6.21201); Matoušek (1998),
On the L2-Discrepancy for Anchored Boxes, Journal of Complexity 14, for the scrambling: a random lower
triangular matrix and a random shift, both of bits.

Notation: ``D`` dimensions, ``N`` points, ``B`` bits of a coordinate.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from sharpen.arrays import Floats

BITS = 30

# of each dimension but the first: a primitive polynomial over GF(2), its coefficients the bits of the number,
# then as many odd numbers as its degree
_JOE_KUO = """
3: 1; 7: 1 3; 11: 1 3 1; 13: 1 1 1; 19: 1 1 3 3; 25: 1 3 5 13; 37: 1 1 5 5 17; 41: 1 1 5 5 5; 47: 1 1 7
11 19; 55: 1 1 5 1 1; 59: 1 1 1 3 11; 61: 1 3 5 5 31; 67: 1 3 3 9 7 49; 91: 1 1 1 15 21 21; 97: 1 3 1 13
27 49; 103: 1 1 1 15 7 5; 109: 1 3 1 15 13 25; 115: 1 1 5 5 19 61; 131: 1 3 7 11 23 15 103; 137: 1 3 7
13 13 15 69; 143: 1 1 3 13 7 35 63; 145: 1 3 5 9 1 25 53; 157: 1 3 1 13 9 35 107; 167: 1 3 1 5 27 61 31;
171: 1 1 5 11 19 41 61; 185: 1 3 5 3 3 13 69; 191: 1 1 7 13 1 19 1; 193: 1 3 7 5 13 19 59; 203: 1 1 3 9
25 29 41; 211: 1 3 5 13 23 1 55; 213: 1 3 7 3 13 59 17; 229: 1 3 1 3 5 53 69; 239: 1 1 5 5 23 33 13;
241: 1 1 7 7 1 61 123; 247: 1 1 7 9 13 61 49; 253: 1 3 3 5 3 55 33; 285: 1 3 1 15 31 13 49 245; 299: 1 3
5 15 31 59 63 97; 301: 1 3 1 11 11 11 77 249; 333: 1 3 1 11 27 43 71 9; 351: 1 1 7 15 21 11 81 45; 355:
1 3 7 3 25 31 65 79; 357: 1 3 1 1 19 11 3 205; 361: 1 1 5 9 19 21 29 157; 369: 1 3 7 11 1 33 89 185;
391: 1 3 3 3 15 9 79 71; 397: 1 3 7 11 15 39 119 27; 425: 1 1 3 1 11 31 97 225; 451: 1 1 1 3 23 43 57
177; 463: 1 3 7 7 17 17 37 71; 487: 1 3 1 5 27 63 123 213; 501: 1 1 3 5 11 43 53 133; 529: 1 3 5 5 29 17
47 173 479; 539: 1 3 3 11 3 1 109 9 69; 545: 1 1 1 5 17 39 23 5 343; 557: 1 3 1 5 25 15 31 103 499; 563:
1 1 1 11 11 17 63 105 183; 601: 1 1 5 11 9 29 97 231 363; 607: 1 1 5 15 19 45 41 7 383; 617: 1 3 7 7 31
19 83 137 221; 623: 1 1 1 3 23 15 111 223 83; 631: 1 1 5 13 31 15 55 25 161; 637: 1 1 3 13 25 47 39 87
257
"""
MOST_DIMENSIONS = _JOE_KUO.count(";") + 2


class Sobol:
    """A scrambled Sobol sequence; any first part of it, best of 2**k points, covers the cube evenly.

    Args:
        n_dimensions: D, from 1 to :data:`MOST_DIMENSIONS`.
        rng: What the scrambling is drawn from; None for no scrambling.

    >>> Sobol(2, None).points(0, 4)
    array([[0.  , 0.  ],
           [0.5 , 0.5 ],
           [0.75, 0.25],
           [0.25, 0.75]])
    """

    def __init__(self, n_dimensions: int, rng: np.random.Generator | None) -> None:
        self._directions = _directions(n_dimensions)
        self._shift = np.zeros(n_dimensions, dtype=np.int64)
        if rng is not None:
            self._directions = _scrambled(self._directions, rng)
            self._shift = rng.integers(0, 1 << BITS, n_dimensions)

    def points(self, first: int, n: int) -> Floats:
        """Return the points from a place of the sequence on, (N, D), each coordinate in [0, 1)."""
        index = np.arange(first, first + n)
        gray = index ^ (index >> 1)
        integers = np.broadcast_to(self._shift, (n, len(self._shift))).copy()
        for bit in range(int(gray.max()).bit_length() if n else 0):
            integers[(gray >> bit) & 1 == 1] ^= self._directions[:, bit]
        return integers / (1 << BITS)


@cache
def _directions(n_dimensions: int) -> npt.NDArray[np.int64]:
    """Return the direction numbers, (D, B), each an integer below 2**B."""
    numbers = [[1] * BITS]
    for row in _JOE_KUO.split(";")[: n_dimensions - 1]:
        polynomial, _, first_numbers = row.partition(":")
        numbers.append(_continued(int(polynomial), [int(m) for m in first_numbers.split()]))
    return np.array(numbers, dtype=np.int64) << np.arange(BITS - 1, -1, -1)


def _continued(polynomial: int, m: list[int]) -> list[int]:
    """Return numbers continued by the recurrence of a polynomial (Joe and Kuo, equation 2)."""
    degree = len(m)
    for k in range(degree, BITS):
        number = m[k - degree] ^ (m[k - degree] << degree)
        for i in range(1, degree):
            if polynomial >> (degree - i) & 1:
                number ^= m[k - i] << i
        m.append(number)
    return m


def _scrambled(directions: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the numbers with their bits multiplied by a random lower triangular matrix, one a dimension."""
    down = np.arange(BITS - 1, -1, -1)
    bits = (directions[:, None, :] >> down[:, None]) & 1  # (D, B of a number, B numbers)
    matrix = np.tril(rng.integers(0, 2, (len(directions), BITS, BITS)), -1) + np.eye(BITS, dtype=np.int64)
    mixed = (matrix.astype(np.float64) @ bits.astype(np.float64)).astype(np.int64) & 1
    return (mixed << down[:, None]).sum(axis=1)
