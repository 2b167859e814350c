"""Running a sweep's program once more, on the final period that the sweep could not see."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.agents.program import Command, Program, start_cold
from sharpen.errors import SharpenError
from sharpen.space import Space, nest
from sharpen.store.queries import SweepRow

POLL_S = 0.05


@dataclass
class LockboxRun:
    """What a program said of one configuration on the lockbox.

    Attributes:
        metrics: What it logged last, by name.
        returns: SHA-256 of its returns artifact in the store's blobs; empty without one.
    """

    metrics: dict[str, Any] = field(default_factory=dict[str, Any])
    returns: str = ""


def run_on_lockbox(home: Path, sweep: SweepRow, config: Mapping[str, Any] | None) -> LockboxRun:
    """Return what the sweep's program says of a configuration on the lockbox.

    Args:
        home: The store's folder; artifacts go to its blobs.
        sweep: Whose program, seed and folder.
        config: By dotted name; None for the program's own defaults.

    Raises:
        SharpenError: The program failed, or does not know the lockbox stage.
    """
    read = spec.parse(sweep.spec, where=sweep.source)
    if config is None:
        read = replace(read, space=Space({}))
    with tempfile.TemporaryDirectory(prefix="sharpen-lockbox-") as folder:
        results = Path(folder) / "results.jsonl"
        about = {"home": str(home.resolve()), "results": str(results), "seed": sweep.seed}
        about |= {"stage": "lockbox", "config": nest(config or {})}
        words = spec.arguments(read, config or {}, sys.executable)
        program = start_cold(Command(words, Path(sweep.workdir), {"SHARPEN_RUN": json.dumps(about)}))
        exit_code = _wait(program)
        rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if exit_code != 0:
        raise SharpenError(f"the program failed on the lockbox: {program.output.last_line or exit_code}")
    found = LockboxRun()
    for row in rows:
        found.metrics.update(row.get("metrics", {}))
        if row.get("artifact", {}).get("type") == "returns":
            found.returns = row["artifact"]["digest"]
    if not found.metrics:
        raise SharpenError(
            f"{read.program} logged nothing in the lockbox stage: when run.stage is 'lockbox' it must "
            "train on all development data and log figures of the lockbox"
        )
    return found


def _wait(program: Program) -> int:
    try:
        while (exit_code := program.exit_code) is None:
            program.read()
            time.sleep(POLL_S)
    finally:
        program.close()
    return exit_code
