"""How many threads linear algebra has in this process."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_OPENBLAS = "OPENBLAS_NUM_THREADS"


def one_thread() -> None:
    """Give linear algebra one thread in this process, as far as its libraries are loaded by now.

    Matrices are small here: threads for them would only wait, and take the cores from the runs. And a sum is
    another one in its last digits with another number of threads.
    """
    threadpool_limits(limits=1)


@contextmanager
def loading_one_thread() -> Generator[None]:
    """Let linear algebra that is loaded in this block have one thread.

    OpenBLAS that is loaded outside of the main thread heeds nothing but its variable.
    """
    before = os.environ.get(_OPENBLAS)
    os.environ[_OPENBLAS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_OPENBLAS]
        else:
            os.environ[_OPENBLAS] = before
