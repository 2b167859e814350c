"""Compiled numeric kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from sharpen.errors import MissingExtra

try:
    import numba  # pyright: ignore[reportMissingTypeStubs]
except ImportError as error:
    raise MissingExtra("numba", "data") from error

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function compiled by numba at its first call, with the machine code cached on disk."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))  # pyright: ignore
