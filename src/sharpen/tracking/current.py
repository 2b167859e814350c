"""The runs that this process carries out: ``init`` and ``init_all``, and logging to the newest of them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sharpen.errors import UsageError
from sharpen.facts import CODE
from sharpen.http import home_of
from sharpen.jsonable import refuse_deep
from sharpen.names import check_path_name, check_tags
from sharpen.store.blobs import open_blobs
from sharpen.tracking.assignment import Assignment, read_assignment, read_assignments
from sharpen.tracking.config import merged
from sharpen.tracking.own_code import own_code
from sharpen.tracking.project_sink import ProjectSink
from sharpen.tracking.run import Checkpoint, Run, RunInputs, current
from sharpen.tracking.scratch import FileClaims
from sharpen.tracking.sinks import FileSink, Sink, SweepSink
from sharpen.tracking.terminal_sink import TerminalSink
from sharpen.tracking.wandb_sink import WandbSink, is_started

LABELS: Mapping[str, str] = {
    "name": "display_name",
    "group": "group_name",
    "job_type": "job_type",
    "notes": "note",
}  # what programs call them, and what the store does


def init(config: Mapping[str, Any] | None = None, project: str | None = None, **about: Any) -> Run:
    """Return the run that this process is: the sweep's when an agent started it, one of its own otherwise.

    With a project the run is kept in the store, also when no agent started it. When the stock ``wandb agent``
    started it, all goes to that client: one program serves both.

    Args:
        config: The program's own values; those that the sweep chose win over them, also inside of nested
            groups: ``{"model": {"dim": 2, "lr": 0.1}}`` keeps ``lr`` when the sweep chooses ``model.dim``.
        project: What a run of no sweep belongs to; None for a run that is only printed. A sweep's run has
            no use for it, nor for what follows.
        about: ``id``, of your choice; ``resume``, one of ``never`` (the default: the id must be new),
            ``allow``, ``must`` and ``overwrite`` (what the id's earlier run logged counts no more); ``name``,
            ``group``, ``job_type``, ``notes`` and ``tags``; ``home``, the store's folder; by default the
            server in SHARPEN_SERVER, the folder in SHARPEN_HOME, or ``.sharpen``.

    Raises:
        UsageError: SHARPEN_RUN holds what no agent writes; or the run is there, or is not, as ``resume``
            wants it; or the project, a label or a tag is no text of one line, or too long.
        StoreError: The checkpoint to go on from is missing or damaged; or the store cannot be written.
    """
    refuse_deep("init: config", config)
    assigned = read_assignment(os.environ)
    odd = sorted(about.keys() - {*LABELS, "id", "resume", "tags", "home"})
    if odd:
        raise UsageError(f"init has no {odd[0]!r}; it has: id, resume, home, tags, {', '.join(LABELS)}")
    if about and project is None:
        raise UsageError(f"init: {', '.join(about)} needs a project: init(project='momentum', …)")
    is_alone = assigned.token is None and not assigned.results
    if is_alone and is_started(os.environ):
        return _of_stock_agent(config or {})
    if project is None or not is_alone:
        return _made(config, assigned, is_member=False)
    return _of_project(config or {}, project, about)


def _of_stock_agent(config: Mapping[str, Any]) -> Run:
    sink = WandbSink(config)
    own = merged(config, sink.config, ())
    run = Run(sink, own, _seed(Assignment(), own), "search", in_sweep=True)
    current.append(run)
    return run


def _of_project(config: Mapping[str, Any], project: str, about: Mapping[str, Any]) -> Run:
    check_path_name("init", "a project", project)
    check_tags("init", about.get("tags") or ())
    labels = {LABELS[name]: value for name, value in about.items() if name in LABELS and value is not None}
    request = {"run_id": about.get("id") or secrets.token_hex(4), "project": project, "config": dict(config)}
    request |= {"resume": about.get("resume") or "never", "tags": list(about.get("tags") or ()), **labels}
    home = Path(folder) if (folder := about.get("home")) else home_of(os.environ)
    sink = ProjectSink(home, request)
    own = merged(sink.config, config, ())
    run = Run(sink, own, _seed(Assignment(), own), "search", in_sweep=False, given=RunInputs(step=sink.step))
    current.append(run)
    return run


def init_all(config: Mapping[str, Any] | None = None) -> list[Run]:
    """Return all the runs that this process is to carry out: one, or with ``--population N`` up to N at once.

    Call :meth:`Run.finish` on each when its work is done, and look at :attr:`Run.stopped` after each ``log``:
    the others go on. A program with one run has it exactly as :func:`init` returns it.

    Args:
        config: The program's own values, as for :func:`init`; each run's own values win over them.

    Raises:
        UsageError: SHARPEN_RUN holds what no agent writes.
        StoreError: A checkpoint to go on from is missing or damaged.

    >>> from sharpen import tracking
    >>> for run in tracking.init_all({"depth": 2}):
    ...     run.log({"score": run.config.depth})
    ...     run.finish()
    step 1  score=2
    """
    refuse_deep("init_all: config", config)
    assigned = read_assignments(os.environ)
    return [_made(config, one, is_member=len(assigned) > 1) for one in assigned]


def _made(config: Mapping[str, Any] | None, assigned: Assignment, *, is_member: bool) -> Run:
    run = Run(
        _sink(assigned),
        merged(config or {}, assigned.config, assigned.whole),
        seed=_seed(assigned, config or {}),
        stage=assigned.stage,
        in_sweep=assigned.token is not None,
        given=replace(_given(assigned), is_member=is_member),
    )
    current.append(run)
    return run


def _sink(assigned: Assignment) -> Sink:
    if assigned.token is not None:
        lease = (assigned.channel, assigned.run_id, assigned.token)
        return SweepSink(*lease, _about_code(), assigned.waits_for)
    if assigned.results:
        keeps_files = assigned.stage == "lockbox"
        return FileSink(open_blobs(assigned.channel) if keeps_files else None, Path(assigned.results))
    return TerminalSink()


def _about_code() -> dict[str, Any]:
    return {CODE: code} if (code := own_code()) else {}


def _seed(assigned: Assignment, config: Mapping[str, Any]) -> int:
    if assigned.seed is not None:
        return assigned.seed
    seed: Any = os.environ.get("SHARPEN_SEED", config.get("seed", 0))
    return int(seed)


def log(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """Log to the run that :func:`init` made last; see :meth:`Run.log`."""
    _last().log(metrics, step)


def log_artifact(path: str | Path, name: str | None = None, type: str = "file") -> None:
    """Store a file with the run that :func:`init` made last; see :meth:`Run.log_artifact`."""
    _last().log_artifact(path, name, type)


def _given(assigned: Assignment) -> RunInputs:
    claims = FileClaims(Path(assigned.claims) if assigned.claims else None, assigned.run_id)
    folder = Path(assigned.dir) if assigned.dir else None
    return RunInputs(_checkpoint(assigned), assigned.permutation_seed, folder, claims, assigned.fidelity)


def _checkpoint(assigned: Assignment) -> Checkpoint | None:
    if assigned.checkpoint is None:
        return None
    file = open_blobs(assigned.channel).fetch(assigned.checkpoint["digest"])
    return Checkpoint(file, assigned.checkpoint["step"])


def _last() -> Run:
    if not current:
        raise UsageError("call sharpen.tracking.init() before logging")
    return current[-1]
