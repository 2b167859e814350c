"""What may be asked of the coordinator: one function a request, and the table of their names.

Each raises before it writes anything, or not at all.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from sharpen import spec
from sharpen.coordinator import control_ops, registry_ops, run_checks, tracking_ops
from sharpen.coordinator.project_limits import FULL
from sharpen.coordinator.restore import rules_for, watched_in
from sharpen.coordinator.session import GrantedRun, JoinedAgent, OpenSweep, Reply, Session
from sharpen.errors import NotFound, Refused
from sharpen.facts import SMALLER
from sharpen.jsonable import dumps
from sharpen.run_ids import run_id, split_run_id
from sharpen.seeds import repeat_seed
from sharpen.spec import Metric
from sharpen.store.collection_rows import bundle_of
from sharpen.store.replaced_checkpoints import note
from sharpen.store.rows import SweepFile
from sharpen.sweep import SweepState, SweepStatus, leads
from sharpen.sweep.effects import Accepted, BeatAnswer, Granted, NothingNow, SweepOver
from sharpen.sweep.events import (
    Beat,
    CheckpointSaved,
    LeaseAsked,
    MadeSmaller,
    ProgramExited,
    Released,
    Reported,
)
from sharpen.threads import one_thread
from sharpen.trial import finite

ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is mistaken for another
DEFAULT_SEED = 0

CHECKPOINT = "checkpoint"


def _create_sweep(
    session: Session,
    key: str,
    text: str,
    place: Mapping[str, str],
    seed: int | None = None,
    run_cap: int | None = None,
) -> Reply:
    existing = session.writer.sweep_of_request(key)
    if existing is not None:
        return {"sweep_id": existing}
    sweep = spec.parse(text, where=place["source"])
    seed = next(s for s in (seed, sweep.seed, DEFAULT_SEED) if s is not None)
    run_cap = run_cap if run_cap is not None else sweep.run_cap
    state = SweepState(rules_for(sweep, seed, run_cap))
    sweep_id = "".join(secrets.choice(ID_LETTERS) for _ in range(8))
    values = {"id": sweep_id, "key": key, "name": sweep.name, "status": state.status, "spec": text}
    values |= {"source": place["source"], "workdir": place["workdir"], "seed": seed, "run_cap": run_cap}
    values |= {"max_failures": sweep.max_failures, "time_cap_s": sweep.time_cap_s}
    values |= {"project": sweep.project}
    session.writer.create_sweep(values | {"created_at": session.clock.time()})
    session.open[sweep_id] = OpenSweep(sweep, state)
    return {"sweep_id": sweep_id}


def _sweep(session: Session, word: str) -> Reply:
    row = session.reader.sweep(word)
    return asdict(SweepFile(row.id, row.spec, row.source, row.workdir))


def _join(session: Session, sweep_id: str, agent_id: str, host: str, pid: int, born: str) -> Reply:
    session.sweep(sweep_id)
    if agent_id not in session.agents:
        values = {"id": agent_id, "sweep_id": sweep_id, "host": host, "pid": pid, "born": born}
        session.writer.add_agent(values | {"started_at": session.clock.time()})
        session.agents[agent_id] = JoinedAgent(pid, born)
    n_left = session.sweep(sweep_id).state.n_left
    answer: Reply = {} if n_left is None else {"n_left": n_left}
    newest = session.writer.newest_version(bundle_of(sweep_id))
    if newest < 0:
        return answer
    bundle = session.writer.version(bundle_of(sweep_id), newest)
    return answer if bundle is None else answer | {"bundle": bundle["digest"]}


def _lease(session: Session, sweep_id: str, agent_id: str, key: str) -> Reply:
    n_modules = len(sys.modules)
    try:
        answer = session.advance(sweep_id, LeaseAsked(agent_id, key, session.clock.monotonic()))
    except Refused as refusal:
        if refusal.facts.get("why") != FULL:
            raise
        state = session.sweep(sweep_id).state
        answer = NothingNow() if state.live else SweepOver(state.status, refusal.message)  # one may come back
    finally:
        if len(sys.modules) > n_modules:  # a search method loads what it needs when it is first needed
            one_thread()
    match answer:
        case Granted(number, token):
            return {"run": _leased_run(session, sweep_id, number, token)}
        case SweepOver(status, reason):
            return {"over": status, "reason": reason}
        case _:
            paused = {"paused": True} if session.sweep(sweep_id).state.status is SweepStatus.PAUSED else {}
            return {"wait": isinstance(answer, NothingNow), **paused}


def _leased_run(session: Session, sweep_id: str, number: int, token: int) -> Reply:
    state = session.sweep(sweep_id).state
    live = state.live[number]
    run: Reply = {"run_id": run_id(sweep_id, number), "token": token}
    if (cap := state.rules.run_cap) is not None:
        run["n_left"] = max(cap - number, 0)  # by its number: the answer to the same question stays the same
    run["config"] = session.sweep(sweep_id).spec.with_budget(live.trial.config, live.trial.fidelity)
    run["seed"] = repeat_seed(state.rules.seed, live.trial.repeat)
    if live.resumed is not None:
        run["checkpoint"] = {"digest": live.resumed.digest, "step": live.resumed.step}
    if live.trial.parent is not None:
        run["parent"] = run_id(sweep_id, live.trial.parent)
    if live.trial.fidelity is not None:
        run["fidelity"] = live.trial.fidelity
    return run


def _beat(session: Session, sweep_id: str, agent_id: str, held: Sequence[tuple[str, int]]) -> Reply:
    pairs = tuple((split_run_id(run)[1], token) for run, token in held)
    answer = session.advance(sweep_id, Beat(agent_id, pairs, session.clock.monotonic()))
    if not isinstance(answer, BeatAnswer):
        raise Refused(f"agent {agent_id} got no answer", why="illegal")
    stop = {run_id(sweep_id, number): reason for number, reason in answer.stop.items()}
    cancel = {run_id(sweep_id, number): reason for number, reason in answer.cancel.items()}
    lost = [(run_id(sweep_id, number), token) for number, token in answer.lost]
    return {"stop": stop, "cancel": cancel, "lost": lost}


def _report(session: Session, run_id: str, token: int, rows: Sequence[tuple[int, dict[str, Any]]]) -> Reply:
    sweep_id, n = session.leased(run_id, token)
    run_checks.check_rows(session, run_id, rows)
    metric, rules = session.sweep(sweep_id).spec.metric, session.sweep(sweep_id).state.rules
    now = session.clock.monotonic()
    events = [
        Reported(n, token, step, _turned(metric, metrics), now, watched_in(rules, metrics), metrics)
        for step, metrics in rows
    ]
    answer = session.advance(sweep_id, *events)
    return {"stop": answer.stop if isinstance(answer, Accepted) else ""}


def _turned(metric: Metric, metrics: Mapping[str, Any]) -> float | None:
    """Return a sweep's metric as its trials have it, larger is better; None when it was not logged."""
    return metric.larger_is_better(finite(metrics[metric.name])) if metric.name in metrics else None


def _leads(session: Session, run_id: str, token: int) -> Reply:
    sweep_id, n = session.leased(run_id, token)
    state = session.sweep(sweep_id).state
    return {"leads": leads(state, state.live[n])}


def _console(session: Session, run_id: str, token: int, first_line: int, text: str) -> Reply:
    session.granted_run(run_id, token)
    run_checks.check_line(run_id, first_line)
    row = {"run_id": run_id, "token": token, "first_line": first_line, "text": text}
    session.writer.put_console(row | {"at": session.clock.time()})
    return {}


def _summarize(session: Session, run_id: str, token: int, values: dict[str, Any]) -> Reply:
    granted = session.granted_run(run_id, token)
    session.writer.merge_summary(run_id, values)
    smaller = values.get(SMALLER)
    if isinstance(smaller, dict) and granted.sweep_id is not None and granted.number is not None:
        event = MadeSmaller(granted.number, token, cast("dict[str, Any]", smaller))
        session.advance(granted.sweep_id, event)
    return {}


def _artifact(session: Session, run_id: str, token: int, name: str, **about: Any) -> Reply:
    granted = session.granted_run(run_id, token)
    run_checks.check_artifact(name, about)
    metadata = about["metadata"]
    row = {"run_id": run_id, "name": name, "type": about["type"], "digest": about["digest"]}
    row |= {"n_bytes": about["n_bytes"], "metadata": dumps(metadata)}
    session.projects.refuse_bytes(_project_of(session, granted), row, session.writer)
    session.writer.put_artifact(row | {"at": session.clock.time()})
    if about["type"] == CHECKPOINT and granted.sweep_id is not None and granted.number is not None:
        given_step = metadata.get("step")
        is_step = isinstance(given_step, int) and not isinstance(given_step, bool) and given_step >= 0
        live = session.sweep(granted.sweep_id).state.live[granted.number]
        step = given_step if is_step else live.last_step
        before = live.trial.checkpoint
        if before is not None and before.digest != about["digest"]:
            with contextlib.suppress(OSError):  # a full disk: it stays until somebody clears the store
                note(session.reader.home, before.digest)
        session.advance(granted.sweep_id, CheckpointSaved(granted.number, token, about["digest"], step))
    return {}


def _project_of(session: Session, granted: GrantedRun) -> str:
    """Return whose limits the run of a grant counts for."""
    if granted.sweep_id is not None:
        return session.sweep(granted.sweep_id).spec.project
    return session.tracked[granted.run_id].project


def _exit(session: Session, run_id: str, token: int, exit_code: int, last_words: str) -> Reply:
    sweep_id, n = session.leased(run_id, token)
    has_metric = bool(session.sweep(sweep_id).state.live[n].trial.reports)
    names = () if has_metric else tuple(session.writer.names_logged(run_id))
    session.advance(sweep_id, ProgramExited(n, token, exit_code, last_words, names))
    return {}


def _release(session: Session, run_id: str, token: int) -> Reply:
    sweep_id, n = session.leased(run_id, token)
    session.advance(sweep_id, Released(n, token))
    return {}


def _look(session: Session, look_id: str, run_id: str, who: str) -> Reply:
    run = session.reader.run(run_id)
    row = {"id": look_id, "sweep_id": run.sweep_id, "run_id": run_id, "who": who}
    session.writer.begin_look(row | {"at": session.clock.time()})
    return {}


def _looked(session: Session, look_id: str, result: dict[str, Any]) -> Reply:
    if not session.writer.end_look(look_id, dumps(result)):
        raise NotFound(f"no look {look_id!r} at a lockbox has begun")
    return {}


def _heard(session: Session, sweep_id: str) -> Reply:
    """Return for how many seconds each agent with a run has been silent, and which was never heard here."""
    sweep, now = session.sweep(sweep_id), session.clock.monotonic()
    lease_s, unheard = sweep.state.rules.lease_s, sweep.unheard
    leases = [live.lease for live in sweep.state.live.values() if live.lease is not None]
    silent_s = {
        lease.agent: max(0.0, now - lease.deadline + lease_s)
        for lease in leases
        if lease.agent not in unheard
    }
    return {"lease_s": lease_s, "silent_s": silent_s, "unheard": sorted(unheard)}


def _ping(session: Session) -> Reply:
    return {"schema": session.writer.schema_version()}


OPERATIONS: Mapping[str, Callable[..., Reply]] = {
    "create_sweep": _create_sweep,
    "sweep": _sweep,
    "join": _join,
    "lease": _lease,
    "beat": _beat,
    "report": _report,
    "leads": _leads,
    "console": _console,
    "summarize": _summarize,
    "artifact": _artifact,
    "exit": _exit,
    "release": _release,
    "look": _look,
    "looked": _looked,
    "heard": _heard,
    "ping": _ping,
    **control_ops.OPERATIONS,
    **registry_ops.OPERATIONS,
    **tracking_ops.OPERATIONS,
}
