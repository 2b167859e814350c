"""The sweep as a state machine: ``step(state, event) -> (state, effects)``.

Nothing here reads a clock, a file or a database. Events carry the time; effects say what the coordinator
is to write and what it is to answer, and it does both in one transaction, so that the state in memory and
the one on the disk never differ.

A run moves pending -> leased -> ended, and back to pending when its agent is lost. Each lease of it has a
*token* one larger than the last; words that carry an older token are refused, so an agent that was thought
dead cannot spoil the run that another one has since repeated.

A run that is told to end goes on until its program has left: *stopped* when the sweep's stop rule said so,
*canceled* when a person did. A deleted run keeps its number and its place under the cap. Listings do not show
it; optimizers and stoppers see its configuration as one that was canceled, with no figures, so that it is not
proposed again.

With repeats a configuration has several runs, each with a seed of its own; ``repeats`` says what they come
to.

``plugin_calls`` asks search methods and stop rules, which may fail; ``ask`` says when a search method
is asked, and in which thread.

``agent_events`` has what agents and programs say, ``user_commands`` what people say, ``transitions`` what
both share.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sharpen.sweep.ask import Question, question
    from sharpen.sweep.repeats import RERUN, Configurations, fold
    from sharpen.sweep.state import Assessment, Lease, LiveRun, SweepRules, SweepState
    from sharpen.sweep.state_machine import step
    from sharpen.sweep.status import SweepStatus
    from sharpen.sweep.transitions import leads, leased
    from sharpen.sweep.trials import Trials
    from sharpen.trial import StoredCheckpoint

__all__ = [
    "RERUN",
    "Assessment",
    "Configurations",
    "Lease",
    "LiveRun",
    "Question",
    "StoredCheckpoint",
    "SweepRules",
    "SweepState",
    "SweepStatus",
    "Trials",
    "fold",
    "leads",
    "leased",
    "question",
    "step",
]

_HOMES = {
    "state_machine": ("step",),
    "repeats": ("RERUN", "Configurations", "fold"),
    "ask": ("Question", "question"),
    "state": ("Assessment", "StoredCheckpoint", "Lease", "LiveRun", "SweepRules", "SweepState"),
    "status": ("SweepStatus",),
    "transitions": ("leased", "leads"),
    "trials": ("Trials",),
}


def __getattr__(name: str) -> Any:
    """Return what a module of the room has; one that only lists runs needs no search methods."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"sharpen.sweep.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Callable(ModuleType):
    """This room, which is also ``wandb.sweep`` of scripts that say ``import sharpen as wandb``."""

    def __call__(self, *args: Any, **given: Any) -> str:
        # by its name: this room itself knows nothing of those words
        return import_module("sharpen.wandb.sweeps").sweep(*args, **given)


sys.modules[__name__].__class__ = _Callable
