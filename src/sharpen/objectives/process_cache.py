"""What the runs of one machine need not compute each for itself: kept in memory, shared through forks.

A program's ``preload`` fills :data:`PROCESS_CACHE` in the fork server; the processes that are forked off it
find there what they would compute, and copy nothing.
"""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class ProcessCache:
    """Values by key: the ones used last, up to a number of them.

    The key has to say all that the value depends on, such as a content hash and the settings.

    >>> kept = ProcessCache(n_most=2)
    >>> [kept.get(key, lambda: key * 10) for key in (1, 2, 1, 3)]
    [10, 20, 10, 30]
    >>> [kept.get(key, lambda: "made anew") for key in (1, 2)]
    [10, 'made anew']
    """

    def __init__(self, n_most: int) -> None:
        assert n_most > 0  # noqa: S101 - the newest is always kept
        self._n_most = n_most
        self._values: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made if it is not there."""
        if key not in self._values:
            self._values[key] = make()
        self._values.move_to_end(key)
        if len(self._values) > self._n_most:
            self._values.popitem(last=False)
        return cast("T", self._values[key])


PROCESS_CACHE = ProcessCache(n_most=16)
"""This process's. Keys are tuples that begin with what the value is."""


def run_in_fork(function: Callable[[], T], meanwhile: Callable[[], object] = lambda: None) -> T:
    """Return what a function gives, computed in a forked process that ends with it.

    So whatever it leaves behind, above all threads, does not stay in this process, which can go on forking.
    The value and any exception have to be picklable. What this process may do meanwhile is called first.

    >>> run_in_fork(lambda: os.getpid()) == os.getpid()
    False
    """
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(function, there)
    os.close(there)
    try:
        meanwhile()
    finally:
        with open(here, "rb") as pipe:  # noqa: PTH123 - a descriptor
            data = pipe.read()
        os.waitpid(pid, 0)
    if not data:
        raise RuntimeError("the process that was to compute this apart has died")
    value, problem = pickle.loads(data)  # noqa: S301 - from a fork of this process
    if problem is not None:
        raise problem
    return value


def _answer(function: Callable[[], object], pipe: int) -> None:
    try:
        try:
            data = pickle.dumps((function(), None), protocol=5)
        except BaseException as problem:  # it is the caller's
            data = pickle.dumps((None, problem))
        with open(pipe, "wb") as file:
            file.write(data)
    finally:
        os._exit(0)
