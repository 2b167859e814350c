"""What the runs of a sweep are called: SWEEP-NUMBER.

A run of no sweep is called what its program chose, dashes and all: whether an id names a run of a sweep, only
the store can say.
"""

from __future__ import annotations

import re

from sharpen.errors import NotFound

NUMBER = re.compile("0|[1-9][0-9]{0,17}")  # fits 64 bits


def run_id(sweep_id: str, number: int) -> str:
    """Return the id of a sweep's run.

    >>> run_id("k3v9x2aq", 7)
    'k3v9x2aq-7'
    """
    return f"{sweep_id}-{number}"


def split_run_id(run_id: str) -> tuple[str, int]:
    """Return the sweep's id and the run's number.

    Raises:
        NotFound: It is no run's id. There is one way to write a number: ``k3v9x2aq-07`` is none.

    >>> split_run_id("k3v9x2aq-7")
    ('k3v9x2aq', 7)
    """
    sweep_id, digits = split_last_dash(run_id)
    if NUMBER.fullmatch(digits) is None:
        raise NotFound(f"no run {run_id!r}: a run is called SWEEP-NUMBER")
    return sweep_id, int(digits)


def split_last_dash(word: str) -> tuple[str, str]:
    """Return what stands before the last dash and what follows it: a sweep's id and a number, or ``best``.

    >>> split_last_dash("last-best"), split_last_dash("k3v9x2aq")
    (('last', 'best'), ('', 'k3v9x2aq'))
    """
    before, _, after = word.rpartition("-")
    return before, after
