"""Running a sweep's program once more, on the final period that the sweep could not see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.agents.stages import StageRun, Task, carry_out
from sharpen.errors import SharpenError
from sharpen.store.rows import SweepRow


def run_on_lockbox(home: Path, sweep: SweepRow, config: Mapping[str, Any], seed: int) -> StageRun:
    """Return what the sweep's program says of a configuration on the lockbox.

    Args:
        home: The store's folder; artifacts go to its blobs.
        sweep: Whose program and folder.
        config: By dotted name; for what is not in it the program's own defaults hold.
        seed: What the program is to train with.

    Raises:
        SharpenError: The program failed, or does not know the lockbox stage.
    """
    ((_, found),) = carry_out(home, sweep, [Task("lockbox", config, seed, "on the lockbox")])
    if not found.metrics:
        raise SharpenError(
            f"{spec.parse(sweep.spec, where=sweep.source).program} logged nothing in the lockbox stage: when "
            "run.stage is 'lockbox' it must train on all development data and log figures of the lockbox"
        )
    return found


def default_config(sweep: SweepRow) -> dict[str, Any]:
    """Return the sweep's constants: the data, the costs; for what varies the program's own defaults hold."""
    return spec.parse(sweep.spec, where=sweep.source).constants
