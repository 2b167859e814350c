"""Compiled numeric kernels, and the array types that they work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function compiled by numba at its first call, with the machine code cached on disk."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))  # pyright: ignore
