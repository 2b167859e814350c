"""The run that ``init`` returns, in the words of the W&B client."""

from __future__ import annotations

import atexit
import fnmatch
import math
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sharpen import tracking
from sharpen.errors import UsageError
from sharpen.http import home_of, server_of
from sharpen.jsonable import number
from sharpen.run_ids import split_last_dash
from sharpen.wandb import current
from sharpen.wandb.config import Config
from sharpen.wandb.media import logged_value
from sharpen.wire import Client, open_channel

if TYPE_CHECKING:
    from sharpen.wandb.artifacts import Artifact

ENTITY = "local"
WORDS = {"min": min, "max": max}


class AlertLevel(Enum):
    """How bad what an alert says is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a run when it is made.

    Attributes:
        project: What it belongs to.
        name: What people call it; empty for its id.
        group: Runs that belong together.
        job_type: What it does, such as ``eval``.
        notes: Text of its user.
        tags: Words to find it by.
        mode: ``online``, or ``disabled`` for one that keeps nothing.
        resumed: Whether an earlier program wrote it.
        chosen: Names in its configuration that a sweep chose.
    """

    project: str
    name: str = ""
    group: str = ""
    job_type: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    mode: str = "online"
    resumed: bool = False
    chosen: frozenset[str] = field(default_factory=frozenset[str])


class Summary(dict[str, Any]):
    """What each metric was last, and values of one's own, which are kept the moment they are set."""

    def __init__(self, run: tracking.Run) -> None:
        super().__init__()
        self._run = run

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, values: Any = None, **more: Any) -> None:
        """Set several values."""
        new: dict[str, Any] = {**(values or {}), **more}
        if new:
            self._run.summary.update(new)
            super().update(new)

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Take note of what was logged, which is kept already."""
        super().update({name: value for name, value in metrics.items() if not name.startswith("_")})


class Run:
    """One evaluation of one configuration; a context manager.

    Steps count from 0, and several ``log`` of one step are one row.

    Attributes:
        config: Its configuration; what is set is kept.
        summary: What each metric was last, and values of one's own.
    """

    def __init__(self, run: tracking.Run, about: About, first_step: int = 0) -> None:
        self._run = run
        self._about = about
        self._lock = threading.RLock()
        self._row: dict[str, Any] = {}
        self._next = first_step
        self._defined: dict[str, tuple[str, ...]] = {}
        self._extremes: dict[str, float] = {}
        self._alerts: list[dict[str, str]] = []
        self._is_finished = False
        self.config = Config(
            run.config, lambda values: run.sink.send("configure", values=dict(values)), about.chosen
        )
        self.summary = Summary(run)
        self.id = run.id or "disabled"
        self.project, self.entity = about.project, ENTITY
        self.group, self.job_type = about.group, about.job_type
        self.offline, self.disabled = False, about.mode == "disabled"
        self.resumed = about.resumed
        self.sweep_id = split_last_dash(self.id)[0] if run.in_sweep else None
        self._labels = {"name": about.name or self.id, "notes": about.notes}
        self._tags = about.tags

    @property
    def name(self) -> str:
        """What people call it."""
        return self._labels["name"]

    @name.setter
    def name(self, value: str) -> None:
        self._label("name", "display_name", value)

    @property
    def notes(self) -> str:
        """Text of its user."""
        return self._labels["notes"]

    @notes.setter
    def notes(self, value: str) -> None:
        self._label("notes", "note", value)

    def _label(self, name: str, stored: str, value: str) -> None:
        self._labels[name] = value
        self._run.sink.send("describe_run", **{stored: value})

    @property
    def tags(self) -> tuple[str, ...]:
        """Words to find it by."""
        return self._tags

    @tags.setter
    def tags(self, values: list[str] | tuple[str, ...]) -> None:
        self._tags = tuple(values)
        self.ask("edit_run", run_id=self.id, changes={"tags": list(self._tags)})

    @property
    def step(self) -> int:
        """The step that the next ``log`` belongs to."""
        return self._next

    @property
    def dir(self) -> str:
        """A folder of the run's own; it is cleared when the run ends."""
        return str(self._run.dir)

    @property
    def path(self) -> str:
        """Where the public API finds it."""
        return f"{self.entity}/{self.project}/{self.id}"

    @property
    def url(self) -> str | None:
        """Its page on the server; None without one."""
        server = server_of(home_of(os.environ))
        return f"{server}/{self.entity}/{self.project}/runs/{self.id}" if server else None

    def get_url(self) -> str | None:
        """Return :attr:`url`."""
        return self.url

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Keep metrics; those of one step are one row.

        Args:
            data: Names to values: numbers, text, arrays, tables, images.
            step: Which step; what is said of an earlier one than the last is left out, with a warning.
            commit: Whether the step is complete; by default when no step is given.

        Raises:
            Stopped: The sweep ends this run early.
            UsageError: The run is finished, or a name or a value is none.
        """
        with self._lock:
            self._refuse_when_finished("log")
            if step is not None and step < self._next:
                say(f"step {step} is before {self._next}: what was logged there is left out")
                return
            if step is not None and step > self._next:
                self._send()
                self._next = step
            values = {name: logged_value(self._run, name, self._next, value) for name, value in data.items()}
            self._row.update(values)
            self.summary.log(values)
            self._note_extremes(values)
            is_complete = commit or (commit is None and step is None)
            if is_complete or self._run.in_sweep:  # a sweep judges what it is told
                self._send()
            if is_complete:
                self._next += 1

    def _send(self) -> None:
        if self._row:
            row, self._row = self._row, {}
            self._run.log(row, step=self._next)

    def define_metric(self, name: str, step_metric: str | None = None, **more: Any) -> None:
        """Say what the summary keeps of a metric: ``summary="min"``, ``"max"`` or both; ``*`` is a wildcard.

        Args:
            name: Of the metric, or a pattern.
            step_metric: What charts have as the other axis; taken, and without effect.
            more: ``summary``; all else is taken, and without effect.
        """
        kinds = [kind.strip() for kind in str(more.get("summary") or "").split(",")]
        if "best" in kinds:
            kinds.append("max" if str(more.get("goal", "")).startswith("max") else "min")
        self._defined[name] = tuple(kind for kind in kinds if kind in WORDS)

    def _note_extremes(self, values: Mapping[str, Any]) -> None:
        for pattern, kinds in self._defined.items():
            for name in fnmatch.filter(values, pattern):
                value = number(values[name])
                if value is None or math.isnan(value):
                    continue
                for kind in kinds:
                    key = f"{name}.{kind}"
                    self._extremes[key] = WORDS[kind](self._extremes.get(key, value), value)

    def log_artifact(
        self, artifact_or_path: Any, name: str | None = None, type: str | None = None, **more: Any
    ) -> Artifact:
        """Keep files under a name; each content is a version: ``NAME:v0``, ``NAME:v1``.

        Args:
            artifact_or_path: An :class:`Artifact`, a file or a folder.
            name: Of a file or folder; its own name by default.
            type: Such as ``model``.
            more: ``aliases``; ``metadata`` and ``tags`` of a file or folder.
        """
        from sharpen.wandb.versions import as_artifact, keep_version  # noqa: PLC0415 - it imports a database

        self._refuse_when_finished("log_artifact")
        artifact = as_artifact(artifact_or_path, name, type, more.get("metadata"))
        return keep_version(self._run, self.project, artifact, tuple(more.get("aliases") or ()))

    def use_artifact(self, artifact_or_name: Any, type: str | None = None, **_more: Any) -> Artifact:
        """Return a version, ``NAME:v3``, ``NAME:latest`` or ``NAME:best``, and note that this run uses it.

        Raises:
            NotFound: There is none.
        """
        from sharpen.wandb.versions import use_version  # noqa: PLC0415 - as above

        name = artifact_or_name if isinstance(artifact_or_name, str) else artifact_or_name.qualified_name
        return use_version(self._run, self.project, name, type)

    def log_model(self, path: str | Path, name: str | None = None, aliases: Any = None) -> Artifact:
        """Keep a file or folder as an artifact of type ``model``."""
        return self.log_artifact(path, name or f"run-{self.id}-{Path(path).name}", "model", aliases=aliases)

    def use_model(self, name: str) -> str:
        """Return the path of a model's file, or of its folder when it has several."""
        folder = Path(self.use_artifact(name).download())
        files = [path for path in folder.rglob("*") if path.is_file()]
        return str(files[0] if len(files) == 1 else folder)

    def link_artifact(self, artifact: Artifact, target_path: str, aliases: Any = None) -> None:
        """Point aliases at a version: a registry of one's own is the same collection under an alias."""
        added = list(aliases or [target_path.rpartition("/")[2]])
        artifact.aliases.extend(alias for alias in added if alias not in artifact.aliases)
        artifact.save()

    def save(
        self, glob_str: str | Path | None = None, base_path: str | Path | None = None, **_more: Any
    ) -> list[str]:
        """Keep the files of a pattern with the run."""
        base = Path(base_path or ".")
        matches = sorted(Path(base).glob(str(glob_str))) if not Path(str(glob_str)).is_absolute() else []
        matches = matches or [Path(str(glob_str))]
        files = [path for path in matches if path.is_file()]
        for path in files:
            is_below = path.is_relative_to(base)
            name = path.relative_to(base) if is_below and ".." not in path.parts else path.name
            self._run.log_artifact(path, name=str(name))
        return [str(path) for path in files]

    def alert(self, title: str, text: str = "", level: Any = AlertLevel.INFO, **_more: Any) -> None:
        """Say a warning on stderr, and keep it with the run."""
        word = level.value if isinstance(level, AlertLevel) else str(level)
        say(f"{word}: {title}: {text}")
        self._alerts = [*self._alerts, {"title": title, "text": text, "severity": word}][-100:]
        self._run.sink.summarize({"_alerts": self._alerts})

    def watch(self, *_models: Any, **_more: Any) -> None:
        """Do nothing: gradients are not kept."""

    def unwatch(self, *_models: Any) -> None:
        """Do nothing."""

    def log_code(self, *_args: Any, **_more: Any) -> None:
        """Do nothing: a sweep notes which source files its programs consist of."""

    def mark_preempting(self) -> None:
        """Do nothing: a run whose agent ends goes back to the queue."""

    def status(self) -> None:
        """Do nothing."""

    def ask(self, op: str, **args: Any) -> Mapping[str, Any]:
        """Ask the store's coordinator something that is not about writing this run."""
        grant = self._run.sink.grant
        if grant is None:
            return {}
        client = Client(open_channel(grant.address))
        try:
            return client.call(op, **args)
        finally:
            client.close()

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """Send what waits, and end the run: as failed when the exit code is not 0.

        In a sweep it ends when its program does, or the function of an agent.
        """
        if self._is_finished:
            return
        with self._lock:
            try:
                self._send()
                if self._extremes:
                    self.summary.update(self._extremes)
                if exit_code and not self._run.in_sweep:
                    self._run.sink.send("finish_run", exit_code=exit_code, reason=f"exit code {exit_code}")
            finally:
                self._is_finished = True
                atexit.unregister(self.finish)
                if self in current.open_runs:
                    current.open_runs.remove(self)
                self._run.finish()

    def join(self) -> None:
        """Do what :meth:`finish` does."""
        self.finish()

    def _refuse_when_finished(self, word: str) -> None:
        if self._is_finished:
            raise UsageError(f"{word}: the run is finished; call wandb.init() for another")

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()


def say(sentence: str) -> None:
    """Say something on stderr."""
    print(f"sharpen: {sentence}", file=sys.stderr, flush=True)
