"""What a program may ask for a run that nobody leased to it: one function a request, and the table of names.

Such a run belongs to a project, has an id that its client chose, and is written under a grant: a token that
goes up by one whenever the run is taken up again, so that only the newest writer is heard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sharpen.coordinator.run_checks import (
    LABELS,
    check_artifact,
    check_labels,
    check_line,
    check_machine_metrics,
    check_request,
    check_rows,
)
from sharpen.coordinator.session import OpenRun, Reply, Session
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.jsonable import dumps
from sharpen.names import check_path_name, check_tags
from sharpen.run_ids import split_last_dash
from sharpen.store.port import Row
from sharpen.trial import TrialState

BEAT_KEPT_S = 5.0  # heartbeats are written this seldom


def _create_run(
    session: Session,
    run_id: str,
    key: str,
    project: str,
    resume: str = "never",
    **about: Any,
) -> Reply:
    """Make a run or take it up again, and grant the writing of it.

    Args:
        session: What the coordinator has in memory.
        run_id: The id, which the client chose.
        key: Names the request: the same one twice is granted once.
        project: What the run belongs to.
        resume: ``never``: the id must be new. ``must``: it must be there. ``allow``: either.
        about: ``config``, what the program says of its configuration; ``tags``, for a new run; ``process``,
            the ``pid`` and ``born`` of the writer, so that its death is seen at once; ``fork``, the
            ``run_id`` of another run and the ``step`` up to which a new run takes over what it logged; any of
            :data:`LABELS`.
    """
    config: Mapping[str, Any] = about.pop("config", None) or {}
    tags: Sequence[str] = about.pop("tags", None) or ()
    process: Mapping[str, Any] = about.pop("process", None) or {}
    fork: Mapping[str, Any] = about.pop("fork", None) or {}
    labels: Mapping[str, str] = about
    check_request(run_id, resume, labels, config, tags)
    existing = session.writer.run(run_id)
    now = session.clock.time()
    if existing is not None and existing["lease_key"] == key:
        return _granted(session, existing)
    owner = {"pid": process.get("pid"), "born": process.get("born")}
    _refuse_at_work(session, run_id, project)
    if existing is None:
        check_path_name("project", "a project", project)
        _refuse_new(session, run_id, resume)
        base = _base(session, fork)
        session.projects.count(project, 1, session.writer)
        row = {"id": run_id, "project": project, "state": TrialState.RUNNING, "reason": "", "config": "{}"}
        row |= {"program_config": dumps(config), "token": 1, "lost": 0, "lease_key": key, "stop": ""}
        row |= {"summary": "{}", "tags": dumps(sorted(set(tags))), **labels, **owner}
        session.writer.create_run(row | {"created_at": now, "started_at": now, "heartbeat_at": now})
        existing = _forked(session, row, base, fork["step"]) if base else row | {"n_lines": 0}
    else:
        _refuse_resumption(existing, run_id, project, resume)
        values = {"state": TrialState.RUNNING, "reason": "", "stop": "", "token": existing["token"] + 1}
        values |= {"lease_key": key, "ended_at": None, "exit_code": None, "heartbeat_at": now}
        session.writer.set_run(run_id, values | labels | owner)
        session.writer.merge_config(run_id, config)
        existing = session.writer.run(run_id)
        assert existing is not None  # noqa: S101 - it has just been written
    return _granted(session, existing)


def _base(session: Session, fork: Mapping[str, Any]) -> Row | None:
    """Return the run that a new one is forked from; None for none."""
    if not fork:
        return None
    base_id = fork["run_id"]
    base = session.writer.run(base_id)
    if base is None or base["deleted_at"] is not None:
        raise NotFound(f"no run {base_id!r} to fork from")
    if base["sweep_id"] is not None:
        raise UsageError(f"run {base_id} belongs to a sweep: only a run of no sweep can be forked")
    return base


def _forked(session: Session, row: Row, base: Row, step: int) -> Row:
    """Give a new run the configuration of another, and what that has logged up to a step."""
    run_id, token = row["id"], row["token"]
    own = json.loads(row["program_config"])
    inherited = {n: value for n, value in json.loads(base["program_config"]).items() if n not in own}
    session.writer.merge_config(run_id, inherited)
    session.writer.copy_history(run_id, base["id"], step)
    session.writer.rewind_history(run_id, token, step)
    forked = session.writer.run(run_id)
    assert forked is not None  # noqa: S101 - it has just been written
    return forked


def _refuse_at_work(session: Session, run_id: str, project: str) -> None:
    """Refuse a run that would be one too many of its project at work."""
    if run_id not in session.tracked:
        session.projects.refuse_at_work(project, session.n_at_work(project))


def _refuse_new(session: Session, run_id: str, resume: str) -> None:
    """Refuse a new run that must not be new, and an id that names something else, or may come to do so."""
    if resume == "must":
        raise NotFound(f"no run {run_id!r} to resume: leave resume out, or say resume='allow'")
    sweep_id, number = split_last_dash(run_id)
    if session.writer.tags("sweep", run_id) is not None:
        raise UsageError(f"{run_id} is the id of a sweep: choose another for the run")
    if number.isdecimal() and session.writer.tags("sweep", sweep_id) is not None:
        raise UsageError(f"{run_id} is the id of a run of sweep {sweep_id}: choose another")


def _refuse_resumption(existing: Row, run_id: str, project: str, resume: str) -> None:
    if existing["deleted_at"] is not None:
        raise NotFound(f"run {run_id} has been deleted: choose another id")
    if existing["sweep_id"] is not None:
        raise UsageError(f"run {run_id} belongs to sweep {existing['sweep_id']}: only its agents write it")
    if existing["project"] != project:
        raise UsageError(
            f"run {run_id} belongs to project {existing['project']}, not {project}: choose another id"
        )
    if resume == "never":
        raise UsageError(
            f"there is a run {run_id} already: go on with it by resume='allow', or choose another id"
        )


def _granted(session: Session, row: Row) -> Reply:
    """Remember who writes a run, and return what the writer has to know of it."""
    run_id, now = row["id"], session.clock.monotonic()
    session.tracked[run_id] = OpenRun(row["token"], row["pid"], row["born"], now, row["stop"], row["project"])
    n_lines: int = row["n_lines"]
    newest = session.reader.tracked.history(run_id, n_lines - 1) if n_lines else ()
    reply: Reply = {"run_id": run_id, "token": row["token"], "n_lines": n_lines}
    return reply | {"step": newest[-1].step if newest else 0, "config": json.loads(row["program_config"])}


def _append_history(
    session: Session, run_id: str, token: int, first_line: int, rows: Sequence[tuple[int, dict[str, Any]]]
) -> Reply:
    """Keep logged rows; those whose lines are there already are passed over, so it may be asked twice."""
    session.granted_run(run_id, token)
    check_rows(session, run_id, rows)
    row = session.writer.run(run_id)
    assert row is not None  # noqa: S101 - it is granted
    n_lines: int = row["n_lines"]
    if first_line > n_lines or first_line < 0:
        raise UsageError(
            f"{run_id}: its history has {n_lines} lines, so the next cannot be line {first_line}"
        )
    new = [(first_line + i, step, metrics) for i, (step, metrics) in enumerate(rows)][n_lines - first_line :]
    if new:
        session.writer.append_history(run_id, token, new, session.clock.time())
    return {"n_lines": n_lines + len(new), "stop": row["stop"]}


def _machine_metrics(
    session: Session, run_id: str, token: int, first_line: int, rows: Sequence[tuple[float, dict[str, Any]]]
) -> Reply:
    """Keep what the run's machine did: (Unix seconds, figures by name), in place of the same lines."""
    session.granted_run(run_id, token)
    check_line(run_id, first_line + len(rows))
    check_machine_metrics(run_id, [figures for _, figures in rows])
    if rows:
        lines = [
            {"run_id": run_id, "token": token, "line": first_line + i, "metrics": dumps(figures), "at": at}
            for i, (at, figures) in enumerate(rows)
        ]
        session.writer.put_machine_metrics(lines)
    return {}


def _overwrite(session: Session, run_id: str, token: int) -> Reply:
    """Forget what was logged before this grant: the run begins anew."""
    session.granted_run(run_id, token)
    session.writer.rewind_history(run_id, token, None)
    session.writer.set_run(run_id, {"summary": "{}", "program_config": "{}"})
    return {}


def _rewind(session: Session, run_id: str, token: int, step: int) -> Reply:
    """Forget what was logged behind a step: the run goes on from there."""
    if session.granted_run(run_id, token).sweep_id is not None:
        raise UsageError(f"run {run_id} belongs to a sweep: it goes on from a checkpoint, and is not rewound")
    session.writer.rewind_history(run_id, token, step)
    session.writer.set_run(run_id, {"summary": "{}"})
    return {}


def _edit_run(session: Session, run_id: str, changes: Mapping[str, Any]) -> Reply:
    """Change what is said of a run, at work or not, of a sweep or of none.

    Args:
        session: What the coordinator has in memory.
        run_id: Which run.
        changes: ``config`` and ``summary``, which are laid over what is there, ``tags``, which replace it,
            and any of :data:`LABELS`.
    """
    existing = session.writer.run(run_id)
    if existing is None or existing["deleted_at"] is not None:
        raise NotFound(f"no run {run_id!r}")
    labels = {name: value for name, value in changes.items() if name not in ("config", "summary", "tags")}
    check_labels(labels, LABELS)
    if changes.get("tags") is not None:
        check_tags("tags", changes["tags"])
        labels["tags"] = dumps(sorted({*changes["tags"]}))
    if labels:
        session.writer.set_run(run_id, labels)
    if changes.get("config"):
        session.writer.merge_config(run_id, changes["config"])
    if changes.get("summary"):
        session.writer.merge_summary(run_id, changes["summary"])
    return {}


def _attach(session: Session, run_id: str, name: str, **about: Any) -> Reply:
    """Keep a file with a run that may have ended."""
    check_artifact(name, about)
    existing = session.writer.run(run_id)
    if existing is None or existing["deleted_at"] is not None:
        raise NotFound(f"no run {run_id!r}")
    row = {"run_id": run_id, "name": name, "type": about["type"], "digest": about["digest"]}
    row |= {"n_bytes": about["n_bytes"], "metadata": dumps(about["metadata"])}
    sweep_id = existing["sweep_id"]
    project = existing["project"] if sweep_id is None else session.sweep(sweep_id).spec.project
    session.projects.refuse_bytes(project, row, session.writer)
    session.writer.put_artifact(row | {"at": session.clock.time()})
    return {}


def _configure(session: Session, run_id: str, token: int, values: Mapping[str, Any]) -> Reply:
    """Lay values over what the program said of its configuration; what a sweep chose stays."""
    session.granted_run(run_id, token)
    session.writer.merge_config(run_id, values)
    return {}


def _describe_run(session: Session, run_id: str, token: int, **labels: str) -> Reply:
    """Change a run's labels: any of :data:`LABELS`, ``project`` among them for a run of a sweep."""
    granted = session.granted_run(run_id, token)
    allowed = (*LABELS, "project") if granted.sweep_id is not None else LABELS
    check_labels(labels, allowed)
    session.writer.set_run(run_id, labels)
    return {}


def _beat_run(session: Session, run_id: str, token: int) -> Reply:
    """Take note that the writer lives; returns why it is to end, or nothing."""
    if session.granted_run(run_id, token).sweep_id is not None:  # its agent beats for it
        return {"stop": ""}
    live = session.tracked[run_id]
    if live.heard_at - live.kept_at > BEAT_KEPT_S:
        session.tracked[run_id] = replace(live, kept_at=live.heard_at)
        session.writer.set_run(run_id, {"heartbeat_at": session.clock.time()})
    return {"stop": live.stop}


def _finish_run(session: Session, run_id: str, token: int, exit_code: int = 0, reason: str = "") -> Reply:
    """End a run: canceled when it was told to end, finished with exit code 0, failed with another."""
    if session.granted_run(run_id, token).sweep_id is not None:
        raise UsageError(f"run {run_id} belongs to a sweep: it ends by 'exit'")
    live = session.tracked[run_id]
    state = TrialState.FINISHED if exit_code == 0 else TrialState.FAILED
    end_run(session, run_id, TrialState.CANCELED if live.stop else state, live.stop or reason, exit_code)
    return {}


def end_run(
    session: Session, run_id: str, state: TrialState, reason: str, exit_code: int | None = None
) -> None:
    """Write that a run of no sweep has ended, and forget its writer."""
    values = {"state": state, "reason": reason, "exit_code": exit_code, "ended_at": session.clock.time()}
    session.writer.set_run(run_id, values)
    del session.tracked[run_id]


def cancel_tracked(session: Session, run_id: str, reason: str) -> Reply:
    """Tell the writer of a run of no sweep to end, by the next that it asks.

    Raises:
        Refused: The run has ended.
    """
    live = session.tracked.get(run_id)
    if live is None:
        raise Refused(f"run {run_id} has ended", why="ended")
    session.tracked[run_id] = replace(live, stop=reason)
    session.writer.set_run(run_id, {"stop": reason, "is_canceled": True})
    return {"state": TrialState.RUNNING}


OPERATIONS: Mapping[str, Callable[..., Reply]] = {
    "create_run": _create_run,
    "append_history": _append_history,
    "machine_metrics": _machine_metrics,
    "overwrite": _overwrite,
    "rewind": _rewind,
    "edit_run": _edit_run,
    "attach": _attach,
    "configure": _configure,
    "describe_run": _describe_run,
    "beat_run": _beat_run,
    "finish_run": _finish_run,
}
