"""Histories that the contract suites are run on."""

from __future__ import annotations

from sharpen.testing.histories import COUNTABLE, HISTORIES, MIXED, history, trial
from sharpen.trial import TrialState

EVERY_STATE = tuple(TrialState)

__all__ = ["COUNTABLE", "EVERY_STATE", "HISTORIES", "MIXED", "history", "trial"]
