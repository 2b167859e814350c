"""The rules of a sweep: one function an event, from a state to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sharpen.sweep import agent_events, ask, events, user_commands
from sharpen.sweep.events import Event
from sharpen.sweep.state import SweepState
from sharpen.sweep.transitions import Transition


def step(state: SweepState, event: Event) -> Transition:
    """Return the next state and what to write and answer, in order.

    An event that asks for something gets exactly one answer, which comes last. The same event twice
    leaves the state as it was after the first.
    """
    return _TRANSITIONS[type(event)](state, event)


_TRANSITIONS: Mapping[type, Callable[[SweepState, Any], Transition]] = {
    events.LeaseAsked: agent_events.lease,
    events.Proposed: ask.take_proposal,
    events.Reported: agent_events.report,
    events.CheckpointSaved: agent_events.save_checkpoint,
    events.MadeSmaller: agent_events.make_smaller,
    events.ProgramExited: agent_events.leave,
    events.Beat: agent_events.beat,
    events.Released: agent_events.release,
    events.AgentLost: agent_events.lose,
    events.Ticked: agent_events.tick,
    events.Paused: user_commands.pause,
    events.Reopened: user_commands.reopen,
    events.Stopped: user_commands.stop,
    events.Canceled: user_commands.cancel,
    events.RunCanceled: user_commands.cancel_run,
    events.RunStopped: user_commands.stop_run,
    events.Closed: user_commands.close,
    events.RunAdded: user_commands.add,
    events.RunsAdded: user_commands.add_all,
    events.LimitsSet: user_commands.set_limits,
    events.RunDeleted: user_commands.delete_run,
    events.SweepDeleted: user_commands.delete_sweep,
}
