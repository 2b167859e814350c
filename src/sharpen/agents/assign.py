"""What a program is told of its run: the environment variable SHARPEN_RUN, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpen.spec import Sweep
from sharpen.tracking.assignment import VARIABLE


def assignment(sweep: Sweep, config: Mapping[str, Any], folder: Path, **more: Any) -> dict[str, str]:
    """Return the environment variable that assigns a run to a program.

    Args:
        sweep: Whose run it is.
        config: The run's parameters, by their dotted names.
        folder: The run's own folder, ``run.dir``.
        more: What else :class:`~sharpen.tracking.assignment.Assignment` holds; None is left out.

    >>> from sharpen.spec import parse
    >>> sweep = parse("{program: t, method: grid, metric: {name: m}, parameters: {a: {values: [{b: 1}]}}}")
    >>> found = assignment(sweep, {"a": {"b": 1}}, Path("/s/scratch/r-1"), seed=7, checkpoint=None)
    >>> json.loads(found["SHARPEN_RUN"])
    {'dir': '/s/scratch/r-1', 'config': {'a': {'b': 1}}, 'whole': ['a'], 'seed': 7}
    """
    found: dict[str, Any] = {"dir": str(folder), "config": sweep.nested(config)}
    found |= {"whole": [name for name, value in config.items() if isinstance(value, dict)]}
    found |= {name: value for name, value in more.items() if value is not None}
    return {VARIABLE: json.dumps(found)}
