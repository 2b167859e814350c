"""Where a run writes to that the stock ``wandb agent`` started: to that client, and so to its server."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpen.jsonable import number
from sharpen.tracking.project_sink import how_it_ends
from sharpen.tracking.sinks import Grant

LOG = logging.getLogger(__name__)
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def is_started(environment: Mapping[str, str]) -> bool:
    """Return whether a stock agent started this program.

    >>> is_started({"WANDB_SWEEP_ID": "k3v9x2aq", "WANDB_RUN_ID": "k3v9x2aq-1"}), is_started({})
    (True, False)
    """
    return bool(environment.get("WANDB_SWEEP_ID") and environment.get("WANDB_RUN_ID"))


class WandbSink:
    """Speaks to the stock client for one run of a sweep.

    Args:
        config: The program's own values; those of the sweep win over them.

    Attributes:
        config: All of them.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        import wandb  # noqa: PLC0415 - it is there: its agent started this program

        self._wandb: Any = wandb
        self._run: Any = wandb.init(config=dict(config))
        self.config: dict[str, Any] = dict(self._run.config)
        self.grant: Grant | None = None
        self._last: dict[str, Any] = {}

    def send(self, op: str, **args: Any) -> Mapping[str, Any]:
        """Do nothing: there is no coordinator."""
        return {}

    def report(self, step: int, metrics: Mapping[str, Any]) -> str:
        """Log the metrics; a run that is to end is interrupted by the client itself."""
        self._run.log(dict(metrics), step=step)
        self._last |= metrics
        return ""

    def flush(self) -> None:
        """Do nothing: the client sends its rows by itself."""

    def leads(self) -> bool:
        """Return whether it is better than the best run that has ended; True where the server cannot tell."""
        try:
            path = f"{self._run.path.rpartition('/')[0]}/{self._run.sweep_id}"
            sweep: Any = self._wandb.Api().sweep(path)
            best: Any = sweep._attrs.get("bestLoss")
            metric: Mapping[str, Any] = sweep.config["metric"]
        except Exception as problem:
            LOG.warning("cannot ask how good the sweep's best run is: %s", problem)
            return True
        own = number(self._last.get(metric["name"]))
        if best is None or own is None:
            return best is None
        return own >= best if metric.get("goal") == "maximize" else own <= best

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Keep values that describe the run as a whole."""
        self._run.summary.update(dict(values))

    def artifact(self, path: Path, name: str, type: str, metadata: Mapping[str, Any]) -> None:
        """Log the file as an artifact of this name; a second one is its next version.

        ``collection`` in the metadata is another name for it, among those of all runs of the project.
        """
        name = NOT_IN_NAMES.sub("-", str(metadata.get("collection", name))) or "file"
        artifact = self._wandb.Artifact(name, type, metadata=dict(metadata))
        artifact.add_file(str(path), name=path.name)
        self._run.log_artifact(artifact).wait()

    def end(self) -> None:
        """Do nothing: closing ends it."""

    def close(self) -> None:
        """End the run: as failed when the program ends by an exception."""
        exit_code, _ = how_it_ends()
        self._run.finish(exit_code=exit_code)
