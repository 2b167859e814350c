"""The rules of a sweep: one function an event, from a state to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sharpen.sweep import events, searching, steering, working
from sharpen.sweep.events import Event
from sharpen.sweep.moves import Outcome
from sharpen.sweep.state import SweepState


def step(state: SweepState, event: Event) -> Outcome:
    """Return the next state and what to write and answer, in order.

    An event that asks for something gets exactly one answer, which comes last. The same event twice
    leaves the state as it was after the first.
    """
    return _RULES[type(event)](state, event)


_RULES: Mapping[type, Callable[[SweepState, Any], Outcome]] = {
    events.LeaseAsked: working.lease,
    events.Proposed: searching.hear,
    events.Reported: working.report,
    events.CheckpointSaved: working.save_checkpoint,
    events.ProgramExited: working.leave,
    events.Beat: working.beat,
    events.Released: working.release,
    events.AgentLost: working.lose,
    events.Ticked: working.tick,
    events.Paused: steering.pause,
    events.Reopened: steering.reopen,
    events.Stopped: steering.stop,
    events.Canceled: steering.cancel,
    events.RunCanceled: steering.cancel_run,
    events.RunAdded: steering.add,
    events.RunsAdded: steering.add_all,
    events.LimitsSet: steering.set_limits,
    events.RunDeleted: steering.delete_run,
    events.SweepDeleted: steering.delete_sweep,
}
