"""``wandb.init`` and what stands before it in scripts."""

from __future__ import annotations

import atexit
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sharpen import tracking
from sharpen.errors import UsageError
from sharpen.hints import nearest
from sharpen.tracking.assignment import read_assignment
from sharpen.tracking.project_sink import ProjectSink
from sharpen.tracking.sinks import Grant
from sharpen.wandb import current
from sharpen.wandb.config import as_mapping
from sharpen.wandb.run import About, Run, say

DEFAULT_PROJECT = "uncategorized"
VARIABLES = {
    "project": "WANDB_PROJECT",
    "name": "WANDB_NAME",
    "id": "WANDB_RUN_ID",
    "group": "WANDB_RUN_GROUP",
    "job_type": "WANDB_JOB_TYPE",
    "notes": "WANDB_NOTES",
    "tags": "WANDB_TAGS",
    "resume": "WANDB_RESUME",
    "mode": "WANDB_MODE",
}
"""What ``init`` is given, and the variable of the environment that says it otherwise."""
IGNORED = (
    "entity",
    "dir",
    "save_code",
    "settings",
    "sync_tensorboard",
    "monitor_gym",
    "allow_val_change",
    "anonymous",
    "force",
    "magic",
    "tensorboard",
    "config_exclude_keys",
    "config_include_keys",
)
MODES = ("online", "offline", "shared", "disabled", "dryrun")
RESUME = {"auto": "allow", "True": "allow", "allow": "allow", "must": "must", "never": "never"}


class NothingSink:
    """Keeps nothing: where a disabled run writes to."""

    grant: Grant | None = None

    def send(self, op: str, **args: Any) -> Mapping[str, Any]:
        """Do nothing."""
        return {}

    def report(self, step: int, metrics: Mapping[str, Any]) -> str:
        """Do nothing."""
        return ""

    def flush(self) -> None:
        """Do nothing."""

    def leads(self) -> bool:
        """Return True."""
        return True

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Do nothing."""

    def artifact(self, path: Path, name: str, type: str, metadata: Mapping[str, Any]) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def init(**given: Any) -> Run:
    """Return the run that this program is: the sweep's when an agent started it, else a new one of a project.

    It takes what ``wandb.init`` takes, by name: ``project``, ``config``, ``name``, ``id``, ``group``,
    ``job_type``, ``tags``, ``notes``, ``resume``, ``mode`` and ``reinit``. An entity and settings are taken,
    and without effect. A second call returns the same run, unless ``reinit`` says otherwise.

    Raises:
        UsageError: There is no such word, or the run is there, or is not, as ``resume`` wants it.
        StoreError: The store cannot be written.
    """
    odd = sorted(given.keys() - {*VARIABLES, *IGNORED, "config", "reinit"})
    if odd:
        meant = nearest(odd[0], [*VARIABLES, *IGNORED, "config", "reinit"])
        raise UsageError(f"wandb.init has no {odd[0]!r}{f'; {meant}' if meant else ''}")
    config = as_mapping(given.get("config"))
    if current.open_runs:
        before = current.open_runs[-1]
        if given.get("reinit") in (None, False, "default", "return_previous"):
            before.config.update(config)
            return before
        if given["reinit"] != "create_new":
            before.finish()
    settings = {
        name: given[name] if given.get(name) is not None else os.environ.get(variable) or None
        for name, variable in VARIABLES.items()
    }
    run = _made(settings, config)
    current.open_runs.append(run)
    atexit.register(run.finish)
    return run


def _made(settings: Mapping[str, Any], config: dict[str, Any]) -> Run:
    mode = settings["mode"] or "online"
    if mode not in MODES:
        raise UsageError(f"mode={mode!r}: it is one of {', '.join(MODES)}")
    tags = settings["tags"].split(",") if isinstance(settings["tags"], str) else list(settings["tags"] or ())
    labels = {name: str(settings[name]) for name in ("name", "group", "job_type", "notes") if settings[name]}
    about: dict[str, Any] = {**labels, "project": settings["project"] or DEFAULT_PROJECT, "tags": tuple(tags)}
    if mode == "disabled":
        return Run(tracking.Run(NothingSink(), config, 0, "search", False), About(**about, mode=mode))
    assigned = read_assignment(os.environ)
    if assigned.token is not None or assigned.results:
        tracked = tracking.init(config)
        about["chosen"] = frozenset(assigned.config)
        if own := {name: value for name, value in config.items() if name not in assigned.config}:
            tracked.sink.send("configure", values=own)
        return Run(tracked, About(**about))
    resume = _resume(settings["resume"], settings["id"])
    given_id = settings["id"] or secrets.token_hex(4)
    tracked = tracking.init(config, **about | {"id": given_id, "resume": resume})
    n_before = tracked.sink.n_lines if isinstance(tracked.sink, ProjectSink) else 0
    first_step = tracked.sink.step + 1 if isinstance(tracked.sink, ProjectSink) and n_before else 0
    say(f"run {tracked.id} of project {about['project']}; 'sharpen info {tracked.id}' shows it")
    return Run(tracked, About(**about, resumed=n_before > 0), first_step)


def _resume(word: Any, given_id: str | None) -> str:
    """Return what is to become of an earlier run of the same id; without ``resume`` it is begun anew."""
    if word in (None, False):
        return "overwrite" if given_id else "never"
    if str(word) not in RESUME:
        raise UsageError(f"resume={word!r}: it is one of allow, must, never, auto")
    return RESUME[str(word)]


def login(*_args: Any, **_more: Any) -> bool:
    """Return True: there is no account. The key of a server is SHARPEN_API_KEY, or in ``~/.netrc``."""
    return True


def setup(*_args: Any, **_more: Any) -> None:
    """Do nothing."""


def teardown(*_args: Any, **_more: Any) -> None:
    """Finish all runs."""
    for run in list(current.open_runs):
        run.finish()


class Settings(SimpleNamespace):
    """Taken, and without effect."""


def termlog(text: str = "", *_args: Any, **_more: Any) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr)


termwarn = termerror = termlog
