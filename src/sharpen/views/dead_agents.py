"""Agents whose process is no more, though nobody may have written it down yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState
from sharpen.wire import processes


def has_agents(reader: Reader, sweep_id: str) -> bool:
    """Return whether an agent works on a sweep: its process lives, or, on another machine, it holds a run."""
    holders = {run.agent_id for run in reader.live_runs(sweep_id) if run.state == TrialState.RUNNING}
    agents, dead = reader.agents(sweep_id), dead_agents(reader, sweep_id)
    return any(
        name not in dead if processes.is_here(identity) else name in holders for name, *_, identity in agents
    )


def status_of(reader: Reader, sweep: SweepRow) -> str:
    """Return the stored status, or ``idle`` for a running sweep that no agent of this machine works on."""
    if sweep.status != SweepStatus.RUNNING:
        return sweep.status
    return sweep.status if has_agents(reader, sweep.id) else "idle"


def dead_agents(reader: Reader, sweep_id: str) -> set[str]:
    """Return the agents of this machine that have worked on a sweep and are no more."""
    agents = reader.agents(sweep_id)
    return {name for name, _, pid, identity in agents if processes.is_dead(pid, identity)}


def lost_as_waiting(reader: Reader, sweep_id: str, runs: Sequence[RunRow]) -> list[RunRow]:
    """Return the runs of a sweep, those of dead agents as waiting."""
    dead = dead_agents(reader, sweep_id) if any(run.state == TrialState.RUNNING for run in runs) else ()
    return [
        replace(run, state=TrialState.PENDING, reason=f"agent {run.agent_id} died")
        if run.state == TrialState.RUNNING and run.agent_id in dead
        else run
        for run in runs
    ]
