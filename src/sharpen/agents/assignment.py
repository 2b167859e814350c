"""What a program is told of its run: the environment variable SHARPEN_RUN, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpen.spec import Sweep
from sharpen.tracking.assignment import VARIABLE


def assignment(sweep: Sweep, config: Mapping[str, Any], folder: Path, **more: Any) -> dict[str, Any]:
    """Return what a program is told of a run.

    Args:
        sweep: Whose run it is.
        config: The run's parameters, by their dotted names.
        folder: The run's own folder, ``run.dir``.
        more: What else :class:`~sharpen.tracking.assignment.Assignment` holds; None is left out.

    >>> from sharpen.spec import parse
    >>> sweep = parse("{program: t, method: grid, metric: {name: m}, parameters: {a: {values: [{b: 1}]}}}")
    >>> assignment(sweep, {"a": {"b": 1}}, Path("/s/scratch/r-1"), seed=7, checkpoint=None)
    {'dir': '/s/scratch/r-1', 'config': {'a': {'b': 1}}, 'whole': ['a'], 'seed': 7}
    """
    fields: dict[str, Any] = {"dir": str(folder), "config": sweep.nested(config)}
    fields |= {"whole": [name for name, value in config.items() if isinstance(value, dict)]}
    return fields | {name: value for name, value in more.items() if value is not None}


def variable(assigned: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the environment variable that tells a program of its run, or of all of its runs.

    >>> variable({"seed": 7})
    {'SHARPEN_RUN': '{"seed": 7}'}
    """
    return {VARIABLE: json.dumps(assigned)}
