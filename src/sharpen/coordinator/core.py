"""Requests in, one transaction, replies out.

Every sweep's state is kept in memory as an immutable value; a batch of requests moves the states forward
and writes the same in one transaction. When the commit fails, the old values are still there: nothing was
acknowledged and nothing has changed. That is why every request may be repeated.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from sharpen.coordinator.agent_ops import OPERATIONS
from sharpen.coordinator.project_limits import Limits
from sharpen.coordinator.session import Clock, OpenRun, Reply, Session, SteadyClock
from sharpen.coordinator.tracking_ops import end_run
from sharpen.errors import Refused, SharpenError, StoreError, UsageError
from sharpen.store.backends import backend_of
from sharpen.store.project_use import limits_of
from sharpen.sweep import Question, question
from sharpen.sweep.events import AgentLost, Event, Proposed, Ticked
from sharpen.trial import TrialState

LOG = logging.getLogger(__name__)
Request = Mapping[str, Any]


class Coordinator:
    """The one writer of a store. Not for several threads at once.

    Args:
        home: The store's folder.
        clock: The :mod:`time` module, or a test's.
    """

    def __init__(self, home: Path, clock: Clock) -> None:
        self._store = backend_of(home).open_store(home)
        self._thinking: set[str] = set()
        try:
            reader = self._store.reader()
            self._session = Session(reader, SteadyClock(clock, reader.newest_date()))
            self._session.projects.limits = {
                row.project: Limits(row.runs_at_once, row.runs, row.n_bytes) for row in limits_of(reader)
            }
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        for row in self._session.reader.sweeps():
            if row.n_runs.get(TrialState.RUNNING):  # the others can wait until somebody asks for them
                with contextlib.suppress(UsageError, StoreError):  # who asks hears why
                    self._session.sweep(row.id)
        now = self._session.clock.monotonic()
        for run in self._session.reader.tracked.running():  # whoever writes it has its full time again
            self._session.tracked[run.id] = OpenRun(run.token, run.pid, run.born, now, run.stop, run.project)

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Return the replies to a batch of requests; all that they changed is on the disk by then."""
        try:
            with self._transaction():
                return [self._reply(request) for request in requests]
        except Exception as problem:  # a batch must not fail for one of its requests
            if len(requests) > 1:
                return [reply for request in requests for reply in self.answer([request])]
            return [_error(problem, requests[0] if requests else None)]

    def tick(self) -> None:
        """Take back the runs of agents that have died or been silent for too long, and count working time.

        Raises:
            StoreError: The store cannot be written; nothing has changed.
        """
        events, silent = self._overdue(), self._session.silent()
        if not events and not silent:
            return
        with self._transaction():
            for sweep_id, event in events:
                self._session.advance(sweep_id, event)
            for run_id, why in silent.items():
                end_run(self._session, run_id, TrialState.CRASHED, why)

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        """Give the session a transaction; when it fails, memory is as it was before, like the store."""
        session = self._session
        before = dict(session.open), dict(session.agents), dict(session.tracked), session.projects.copy()
        try:
            with self._store.transaction() as session.writer:
                yield
        except BaseException:
            session.open, session.agents, session.tracked, session.projects = before
            raise

    def reset_leases(self) -> None:
        """Give every lease its full time again: while this process slept it heard no heartbeat.

        Raises:
            StoreError: The store cannot be read.
        """
        self._session.open, self._session.agents, self._session.tracked = {}, {}, {}
        self._open()

    def mark(self, sweep_id: str) -> list[Any]:
        """Return what changes whenever an agent that was told to wait may find a run.

        Raises:
            NotFound: There is no such sweep.
        """
        state = self._session.sweep(sweep_id).state
        n_waiting = sum(live.lease is None for live in state.live.values())
        project = self._session.sweep(sweep_id).spec.project
        if self._session.projects.of(project).runs_at_once is not None:
            n_waiting = [n_waiting, self._session.is_full(project)]
        limits = [state.rules.run_cap, state.rules.max_failures, state.rules.time_cap_s]
        made = [len(state.proposed), state.exhausted]
        return [state.status, state.n_created, state.n_ended, n_waiting, *made, *limits]

    def questions(self) -> dict[str, Question]:
        """Return what slow search methods are to be asked now, by sweep; each is given out once.

        Whoever takes one asks it, in another thread, and brings what came of it to :meth:`take_proposal`.
        """
        to_ask: dict[str, Question] = {}
        for sweep_id, sweep in self._session.open.items():
            next_question = None if sweep_id in self._thinking else question(sweep.state)
            if next_question is not None:
                to_ask[sweep_id] = next_question
        self._thinking |= set(to_ask)
        return to_ask

    def take_proposal(self, sweep_id: str, event: Proposed) -> None:
        """Take in what a search method answered.

        Raises:
            StoreError: The store cannot be written; nothing has changed, and the method is asked again.
        """
        self._thinking.discard(sweep_id)
        with self._transaction():
            self._session.advance(sweep_id, event)

    @property
    def home(self) -> Path:
        """The store's folder."""
        return self._session.reader.home

    @property
    def has_writers(self) -> bool:
        """Whether a run is at work, under a lease or without one."""
        leases = (live.lease for sweep in self._session.open.values() for live in sweep.state.live.values())
        return bool(self._session.tracked) or any(lease is not None for lease in leases)

    def may_write(self) -> bool:
        """Return whether this process is still the one writer; once it is not, others go on in its place."""
        return self._store.holds()

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def _reply(self, request: Request) -> Reply:
        op, args = request.get("op"), request.get("args", {})
        operation = OPERATIONS.get(op) if isinstance(op, str) else None
        if operation is None:
            return _error(UsageError(f"no request {op!r:.200}; there are: {', '.join(OPERATIONS)}"))
        if not isinstance(args, dict):
            return _error(UsageError(f"request {op}: its args are a mapping of names, not {args!r:.200}"))
        try:
            return {"ok": operation(self._session, **args)}
        except (UsageError, Refused) as refusal:  # raised before anything is written
            return _error(refusal)
        except TypeError:
            if wrong := _wrong_names(operation, cast("Mapping[str, Any]", args)):
                return _error(UsageError(f"request {op}: {wrong}"))
            raise

    def _overdue(self) -> list[tuple[str, Event]]:
        events: list[tuple[str, Event]] = []
        now = self._session.clock.monotonic()
        for sweep_id, sweep in self._session.open.items():
            leases = [live.lease for live in sweep.state.live.values() if live.lease is not None]
            names = sorted({lease.agent for lease in leases})
            events += [(sweep_id, AgentLost(name)) for name in names if self._session.is_dead(name)]
            if leases or sweep.state.counted_at is not None:
                events.append((sweep_id, Ticked(now)))
        return events


def _wrong_names(operation: Callable[..., Reply], args: Mapping[str, Any]) -> str:
    """Return which argument is missing, or is one too many; empty when they fit."""
    try:
        inspect.signature(operation).bind(None, **args)
    except TypeError as problem:
        return str(problem)
    return ""


def _error(problem: Exception, request: object = None) -> Reply:
    if isinstance(problem, SharpenError):
        kind, message, facts = type(problem).__name__, problem.message, problem.facts
    else:
        kind, message, facts = _internal_error(problem, request)
    return {"error": {"kind": kind, "message": message, "facts": facts}}


def _internal_error(problem: Exception, request: object) -> tuple[str, str, dict[str, Any]]:
    """Log an unforeseen error; return the answer for its client."""
    op = cast("Request", request).get("op") if isinstance(request, Mapping) else request
    error_id = secrets.token_hex(4)
    LOG.error("internal error %s in the request %.200r", error_id, op, exc_info=problem)
    message = f"internal error {error_id} in the request {op!r:.200}: {type(problem).__name__}: {problem}"
    return (
        "InternalError",
        f"{message}; the log of the process that holds the store says where",
        {"id": error_id},
    )
