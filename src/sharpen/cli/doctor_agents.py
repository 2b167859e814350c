"""What doctor says of the agents of each open sweep: how many there are, and which of them are silent."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sharpen.cli.printing import when
from sharpen.cli.same_store import same_store
from sharpen.errors import SharpenError
from sharpen.hints import count, duration
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState
from sharpen.views.dead_agents import dead_agents
from sharpen.wire import Client, address_of, open_channel
from sharpen.wire.processes import is_here

LEASE_S = 30.0
"""How long an agent may be silent, where nobody who writes says it."""
ANSWER_S = 0.2


def agents_words(home: Path, reader: Reader) -> Iterator[tuple[bool, str]]:
    """Give, for each open sweep, whether it is well, and a sentence about its agents."""
    sweeps = [sweep for sweep in reader.sweeps() if SweepStatus(sweep.status).is_open]
    if not sweeps:
        yield True, "no sweep is open"
    for sweep in sweeps:
        yield _of_sweep(home, reader, sweep.id)


def _of_sweep(home: Path, reader: Reader, sweep_id: str) -> tuple[bool, str]:
    agents, dead = reader.agents(sweep_id), dead_agents(reader, sweep_id)
    live = [name for name, *_, identity in agents if is_here(identity) and name not in dead]
    running = [run for run in reader.live_runs(sweep_id) if run.state == TrialState.RUNNING]
    far = {name for name, *_, identity in agents if not is_here(identity)}
    far_runs = [run for run in running if run.agent_id in far]
    heard, silent, unheard = _signs(home, reader, sweep_id, far_runs)
    lost = [run.id for run in running if run.agent_id in dead]
    at_work = f"{len(heard)} elsewhere at work"
    if heard:
        at_work += f" (heard {_ago(heard)})"
    if unheard:
        at_work += f", {len(unheard)} not heard yet by who writes now (last sign {_ago(unheard)})"
    summary = (
        f"sweep {sweep_id}: {count(len(live), 'agent')} here, {at_work}, {count(len(running), 'run')} running"
    )
    if silent:
        first = max(silent, key=lambda name: silent[name])
        since = f"{first} silent since {when(time.time() - silent[first])}"
        others = f", and {count(len(silent) - 1, 'other')}" if len(silent) > 1 else ""
        summary += f"; {since} ({duration(silent[first])}){others}: see whether its machine is up"
        return False, summary
    if lost:
        return False, (
            f"{summary}; the agent of {', '.join(lost[:3])} is dead: "
            "the run goes back as soon as somebody writes"
        )
    if not live and not heard and not unheard:
        return False, f"{summary}; start one with '{same_store(f'sharpen agent {sweep_id}')}'"
    return True, summary


class Signs(NamedTuple):
    """For how many seconds agents that hold a run have given no sign of life.

    Attributes:
        heard: Those within their lease.
        silent: The others.
        unheard: Those that whoever writes has not heard yet, and still gives the time of a lease.
    """

    heard: Mapping[str, float]
    silent: Mapping[str, float]
    unheard: Mapping[str, float]


def _signs(home: Path, reader: Reader, sweep_id: str, runs: Sequence[RunRow]) -> Signs:
    if not runs:
        return Signs({}, {}, {})
    lease_s, told, unheard = _told(home, sweep_id)
    now = time.time()
    silent_s: dict[str, float] = {}
    for run in runs:
        name = run.agent_id or ""
        since_s = told[name] if name in told else max(0.0, now - _last_sign(reader, run))
        silent_s[name] = min(since_s, silent_s.get(name, since_s))
    known = {name: seconds for name, seconds in silent_s.items() if name not in unheard}
    return Signs(
        heard={name: seconds for name, seconds in known.items() if seconds <= lease_s},
        silent={name: seconds for name, seconds in known.items() if seconds > lease_s},
        unheard={name: seconds for name, seconds in silent_s.items() if name in unheard},
    )


def _ago(signs: Mapping[str, float]) -> str:
    return f"{duration(max(signs.values()))} ago{' at most' if len(signs) > 1 else ''}"


def _told(home: Path, sweep_id: str) -> tuple[float, Mapping[str, float], Container[str]]:
    """Return the length of a lease, how long agents were silent, and who was not heard, as it is told."""
    client = Client(open_channel(address_of(home)), None, ANSWER_S)
    try:
        answer = client.call("heard", sweep_id=sweep_id)
    except SharpenError:  # nobody writes, or one of an older version
        return LEASE_S, {}, ()
    finally:
        client.close()
    return answer["lease_s"], answer["silent_s"], answer.get("unheard", ())


def _last_sign(reader: Reader, run: RunRow) -> float:
    """Return when an agent gave the last sign of life that is stored with its run, in Unix seconds."""
    reports = reader.reports(run_id=run.id)
    return max([run.started_at or run.created_at, *(report.at for report in reports[-1:])])
