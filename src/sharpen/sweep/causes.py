"""Why a sweep or a run ended, where something is decided by it: sentences are for people alone."""

from __future__ import annotations

from enum import StrEnum


class SweepCause(StrEnum):
    """What brought a sweep where it is."""

    UNSAID = ""
    TIME_CAP = "time_cap"


class RunCause(StrEnum):
    """What ended a run."""

    UNSAID = ""
    NO_METRIC = "no_metric"
    OUT_OF_MEMORY = "out_of_memory"


def is_alike(cause: RunCause, reason: str, last_cause: RunCause, last_reason: str) -> bool:
    """Return whether two failures are of one kind: of the same cause, or with the same last words.

    >>> is_alike(RunCause.NO_METRIC, "it logged loss", RunCause.NO_METRIC, "it logged nothing")
    True
    >>> is_alike(RunCause.UNSAID, "ValueError: x", RunCause.UNSAID, "KeyError: 'y'")
    False
    """
    return cause is last_cause and (cause is not RunCause.UNSAID or reason == last_reason)
