# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Whether members are faster as one stack of weights or one after another: measured, once a shape.

On a CPU core a stack wins with small minibatches and loses with large ones; on a GPU it is what fills the
card. Both give the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Literal

import torch

from sharpen.objectives.rl.networks import Mlp, Observed, Parameters
from sharpen.objectives.rl.streams import Streams

Layout = Literal["stack", "loop"]
_REPEATS = 3


@cache
def faster(sizes: tuple[int, ...], batch_size: int, n_members: int, device: str = "cpu") -> Layout:
    """Return which layout takes less time for a gradient of all members.

    Args:
        sizes: Widths of the network, from input to output.
        batch_size: Rows of a minibatch.
        n_members: How many.
        device: Where.

    >>> faster((3, 8, 1), 16, 1)
    'loop'
    """
    if n_members == 1:
        return "loop"
    stacked = _gradient(sizes, batch_size, n_members, device)
    single = _gradient(sizes, batch_size, 1, device)

    def loop() -> None:
        for _ in range(n_members):
            single()

    return "stack" if _seconds(stacked, device) < _seconds(loop, device) else "loop"


def _gradient(sizes: tuple[int, ...], batch_size: int, n_members: int, device: str) -> Callable[[], None]:
    net = Mlp("net", sizes)
    streams = Streams.of(range(n_members), device)
    parameters = Parameters(net.draw(streams))
    seen = Observed(streams.normal(batch_size, sizes[0]))

    def once() -> None:
        parameters.gradient(net.forward(parameters.views, seen).square().sum())

    return once


def _seconds(work: Callable[[], None], device: str) -> float:
    work()
    times: list[float] = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times)
