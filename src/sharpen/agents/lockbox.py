"""Running a sweep's program once more, on the final period that the sweep could not see."""

from __future__ import annotations

import json
import os
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
from sharpen.space import Constant, Space
from sharpen.store.rows import RunRow, SweepRow

POLL_S = 0.05
BARS = ("data/hash", "lockbox/hash", "lockbox/first")  # what a summary says of the bars


@dataclass
class LockboxRun:
    """What a program said of one configuration on the lockbox.

    Attributes:
        metrics: What it logged last, by name.
        returns: SHA-256 of its returns artifact in the store's blobs; empty without one.
        summary: What it said of the run as a whole.
    """

    metrics: dict[str, Any] = field(default_factory=dict[str, Any])
    returns: str = ""
    summary: dict[str, Any] = field(default_factory=dict[str, Any])


def run_on_lockbox(home: Path, sweep: SweepRow, config: Mapping[str, Any], seed: int) -> LockboxRun:
    """Return what the sweep's program says of a configuration on the lockbox.

    Args:
        home: The store's folder; artifacts go to its blobs.
        sweep: Whose program and folder.
        config: By dotted name; for what is not in it the program's own defaults hold.
        seed: What the program is to train with.

    Raises:
        SharpenError: The program failed, or does not know the lockbox stage.
    """
    read = spec.parse(sweep.spec, where=sweep.source)
    given = {name: each for name, each in read.space.dimensions.items() if name in config}
    read = replace(read, space=Space(given))
    with tempfile.TemporaryDirectory(prefix="sharpen-lockbox-") as folder:
        results = Path(folder) / "results.jsonl"
        about = {"home": str(home.resolve()), "results": str(results), "seed": seed}
        about |= {"stage": "lockbox", "config": read.nested(config)}
        words = spec.words(read, config, sys.executable, os.environ, str(Path(folder) / "config.json"))
        for path, text in words.files.items():
            Path(path).write_text(text)
        command = Command(words.argv, Path(sweep.workdir), {"SHARPEN_RUN": json.dumps(about)})
        program = start_cold(command)
        exit_code = _wait(program)
        rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if exit_code != 0:
        raise SharpenError(f"the program failed on the lockbox: {program.output.last_line or exit_code}")
    found = LockboxRun()
    for row in rows:
        found.metrics.update(row.get("metrics", {}))
        found.summary.update(row.get("summary", {}))
        if row.get("artifact", {}).get("type") == "returns":
            found.returns = row["artifact"]["digest"]
    if not found.metrics:
        raise SharpenError(
            f"{read.program} logged nothing in the lockbox stage: when run.stage is 'lockbox' it must "
            "train on all development data and log figures of the lockbox"
        )
    return found


def default_config(sweep: SweepRow) -> dict[str, Any]:
    """Return the sweep's constants: the data, the costs; for what varies the program's own defaults hold."""
    space = spec.parse(sweep.spec, where=sweep.source).space
    return {name: each.value for name, each in space.dimensions.items() if isinstance(each, Constant)}


def refuse_other_bars(run: RunRow, found: LockboxRun) -> None:
    """Refuse figures of bars that are not those of the run; what either does not say is not compared.

    Raises:
        SharpenError: The data changed since the run, with what it was and what it is.
    """
    both = [name for name in BARS if name in run.summary and name in found.summary]
    changed = [
        f"{name} was {run.summary[name]}, is {found.summary[name]}"
        for name in both
        if run.summary[name] != found.summary[name]
    ]
    if changed:
        raise SharpenError(
            f"the data changed since run {run.id}: {'; '.join(changed)}. Nothing was shown. Fix: bring back "
            "the data that the sweep saw, or run the sweep again"
        )


def _wait(program: Program) -> int:
    try:
        while (exit_code := program.exit_code) is None:
            program.read()
            time.sleep(POLL_S)
    finally:
        program.close()
    return exit_code
