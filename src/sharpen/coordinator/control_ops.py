"""What people may ask of a sweep or a run: one function a request, and the table of their names.

Each raises before it writes anything, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sharpen.coordinator.project_limits import NAMES as PROJECT_LIMITS
from sharpen.coordinator.session import Reply, Session
from sharpen.coordinator.tracking_ops import cancel_tracked
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.hints import describe
from sharpen.jsonable import LARGEST_INTEGER, dumps
from sharpen.names import check_name, check_path_name, check_tags
from sharpen.run_ids import run_id
from sharpen.store.port import Kind
from sharpen.sweep import RERUN
from sharpen.sweep.effects import Rejected
from sharpen.sweep.events import (
    Canceled,
    Closed,
    Event,
    LimitsSet,
    Paused,
    Reopened,
    RunAdded,
    RunCanceled,
    RunDeleted,
    RunsAdded,
    RunStopped,
    Stopped,
    SweepDeleted,
)
from sharpen.sweep.queued_configs import complete_all

LIMITS = ("run_cap", "max_failures", "time_cap_s")


def _steer(session: Session, sweep_id: str, event: Event) -> Reply:
    """Move a sweep, and return where it is."""
    answer = session.advance(sweep_id, event)
    if isinstance(answer, Rejected):
        raise Refused(f"sweep {sweep_id}: {answer.message}", why=answer.why)
    return _where(session, sweep_id)


def _where(session: Session, sweep_id: str) -> Reply:
    """Return a sweep's status, its cap, and how many of its runs are at work."""
    state = session.sweep(sweep_id).state
    n_running = sum(live.lease is not None for live in state.live.values())
    return {"status": state.status, "run_cap": state.rules.run_cap, "n_running": n_running}


def _limit_project(session: Session, project: str, limits: Mapping[str, int | None]) -> Reply:
    """Change limits of a project, and return all of them; None takes one away."""
    check_path_name("project", "a project", project)
    for name, most in limits.items():
        if name not in PROJECT_LIMITS:
            raise UsageError(f"no limit {name!r:.60}; there are: {', '.join(PROJECT_LIMITS)}")
        is_number = isinstance(most, int) and not isinstance(most, bool)
        if most is not None and not (is_number and 0 <= most <= LARGEST_INTEGER):
            raise UsageError(f"{name}: {most!r:.60} is no number from 0 to {LARGEST_INTEGER}")
    return asdict(session.projects.change(project, limits, session.writer))


def _pause(session: Session, sweep_id: str) -> Reply:
    return _steer(session, sweep_id, Paused())


def _reopen(session: Session, sweep_id: str, run_cap: int | None = None) -> Reply:
    _check_limit("run_cap", run_cap)
    return _steer(session, sweep_id, Reopened(run_cap))


def _stop(session: Session, sweep_id: str) -> Reply:
    return _steer(session, sweep_id, Stopped())


def _cancel(session: Session, sweep_id: str, reason: str) -> Reply:
    return _steer(session, sweep_id, Canceled(_said(reason)))


def _cancel_run(session: Session, run_id: str, reason: str) -> Reply:
    if _is_tracked(session, run_id):
        return cancel_tracked(session, run_id, _said(reason))
    sweep_id, n = _place(session, run_id)
    reply = _steer(session, sweep_id, RunCanceled(n, _said(reason)))
    return reply | {"state": session.sweep(sweep_id).state.trials[n - 1].state}


def _said(reason: str) -> str:
    # an empty one would read as "has not been told to end"
    return reason.strip() or "canceled"


def _edit(session: Session, sweep_id: str, changes: Mapping[str, Any]) -> Reply:
    unknown = sorted(changes.keys() - {*LIMITS, "name"})
    if unknown:
        raise UsageError(f"a sweep has no {unknown[0]!r} to edit; it has: name, {', '.join(LIMITS)}")
    if "name" in changes:
        check_name("edit", "a sweep", changes["name"])
    rules = session.sweep(sweep_id).state.rules
    limits = {name: changes.get(name, getattr(rules, name)) for name in LIMITS}
    for name, value in limits.items():
        _check_limit(name, value)
    reply = _steer(session, sweep_id, LimitsSet(**limits))
    if "name" in changes:
        session.writer.set_sweep(sweep_id, {"name": changes["name"]})
    return reply


def _check_limit(name: str, value: Any) -> None:
    """Refuse a limit that is none; None is no limit."""
    kind, noun = ((int, float), "a number") if name == "time_cap_s" else (int, "a whole number")
    is_one = isinstance(value, kind) and not isinstance(value, bool) and 0 < value < math.inf
    if value is not None and not is_one:
        raise UsageError(f"{name} must be {noun} above 0, not {value!r}")
    if value is not None and value > LARGEST_INTEGER:
        raise UsageError(f"{name} is at most {LARGEST_INTEGER}, not {value!r}")


def _add(session: Session, sweep_id: str, key: str, points: Sequence[Mapping[str, Any]]) -> Reply:
    configs = complete_all(session.sweep(sweep_id).state.rules.space, points)
    return _create(session, sweep_id, key, [_Addition(config, "queued") for config in configs])


def _schedule(session: Session, sweep_id: str, key: str, config: Mapping[str, Any] | None) -> Reply:
    """Let a configuration wait that a program chose, within the cap; None when it has no more.

    Where there is no room the answer names no run.
    """
    state = session.sweep(sweep_id).state
    if config is None:
        return {"runs": [], **_steer(session, sweep_id, Closed())}
    is_new = not session.writer.runs_of_request(sweep_id, key)
    if is_new and (state.is_full or not state.status.is_open):
        return {"runs": [], **_where(session, sweep_id)}
    return _add(session, sweep_id, key, [config])


def _stop_run(session: Session, run_id: str, reason: str) -> Reply:
    sweep_id, n = _place(session, run_id)
    return _steer(session, sweep_id, RunStopped(n, _said(reason)))


def _rerun(session: Session, run_id: str, key: str) -> Reply:
    sweep_id, n = _place(session, run_id)
    original = session.sweep(sweep_id).state.trials[n - 1]
    return _create(session, sweep_id, key, [_Addition(original.config, RERUN, n, original.repeat)])


@dataclass(frozen=True, slots=True)
class _Addition:
    """A run to be."""

    config: Mapping[str, Any]
    origin: str
    parent: int | None = None
    repeat: int = 0


def _create(session: Session, sweep_id: str, key: str, additions: Sequence[_Addition]) -> Reply:
    """Let runs wait, once for a key; each has a key of its own, which begins with the request's."""
    ids = session.writer.runs_of_request(sweep_id, key)
    if not ids:
        first = session.sweep(sweep_id).state.n_created + 1
        runs = tuple(
            RunAdded(first + i, new.config, new.origin, new.parent, new.repeat, f"{key}/{i}")
            for i, new in enumerate(additions)
        )
        _steer(session, sweep_id, RunsAdded(runs))
        ids = [run_id(sweep_id, run.number) for run in runs]
    return {"runs": ids, **_where(session, sweep_id)}


def _delete(session: Session, target: str) -> Reply:
    row = session.writer.run(target)
    if row is None:
        return _steer(session, target, SweepDeleted())
    if row["sweep_id"] is None:
        return _delete_tracked(session, target)
    return _steer(session, row["sweep_id"], RunDeleted(row["number"]))


def _is_tracked(session: Session, target: str) -> bool:
    """Return whether a name is of a run of no sweep."""
    row = session.writer.run(target)
    return row is not None and row["sweep_id"] is None


def _delete_tracked(session: Session, run_id: str) -> Reply:
    if run_id in session.tracked:
        raise Refused(f"run {run_id} is at work: cancel it first", why="illegal")
    session.writer.set_run(run_id, {"deleted_at": session.clock.time()})
    return {}


def _note(session: Session, target: str, text: str) -> Reply:
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - it came by wire
        raise UsageError(f"a note is text, not {describe(text)}")
    kind, _ = _labelled(session, target)
    _label(session, kind, target, {"note": text})
    return {"note": text}


def _tag(session: Session, target: str, add: Sequence[str], remove: Sequence[str]) -> Reply:
    check_tags("tag", add)
    kind, tags = _labelled(session, target)
    odd = [name for name in add if not name.strip() or name != name.strip()]
    if odd:
        raise UsageError(f"a tag is a word or a few, without space around them: {odd[0]!r} is not")
    new_tags = sorted({*tags, *add} - {*remove})
    _label(session, kind, target, {"tags": dumps(new_tags)})
    return {"tags": new_tags}


def _permuted(session: Session, run_id: str, summary: Mapping[str, Any]) -> Reply:
    """Keep with a run that has ended what permuted histories said of it; what was there before goes."""
    sweep_id, n = _place(session, run_id)
    if not session.sweep(sweep_id).state.trials[n - 1].state.is_final:
        raise Refused(f"run {run_id} is not over", why="illegal")
    session.writer.merge_summary(run_id, summary)
    return {}


def _labelled(session: Session, target: str) -> tuple[Kind, list[str]]:
    """Return whether a name is of a sweep or of a run, and its tags; it must not be deleted."""
    row = session.writer.run(target)
    kind: Kind = "sweep" if row is None else "run"
    if row and row["sweep_id"] and session.sweep(row["sweep_id"]).state.is_deleted:
        raise NotFound(f"no run {target!r}: its sweep has been deleted")
    tags = session.writer.tags(kind, target)
    if tags is None:
        raise NotFound(f"no {kind} {target!r}")
    return kind, tags


def _place(session: Session, run_id: str) -> tuple[str, int]:
    """Return the sweep and the number of a run that is there and not deleted."""
    row = session.writer.run(run_id)
    if row is None or row["deleted_at"] is not None:
        raise NotFound(f"no run {run_id!r}")
    if row["sweep_id"] is None:
        raise UsageError(f"run {run_id} belongs to no sweep")
    return row["sweep_id"], row["number"]


def _label(session: Session, kind: Kind, target: str, values: Mapping[str, Any]) -> None:
    write = session.writer.set_run if kind == "run" else session.writer.set_sweep
    write(target, values)


OPERATIONS: Mapping[str, Callable[..., Reply]] = {
    "limit_project": _limit_project,
    "pause": _pause,
    "reopen": _reopen,
    "stop": _stop,
    "cancel": _cancel,
    "cancel_run": _cancel_run,
    "edit": _edit,
    "add": _add,
    "schedule": _schedule,
    "stop_run": _stop_run,
    "rerun": _rerun,
    "delete": _delete,
    "note": _note,
    "tag": _tag,
    "permuted": _permuted,
}
