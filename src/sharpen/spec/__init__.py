"""W&B sweep files: read them, refuse them with every problem at once, and build the command of a run."""

from sharpen.spec.command import arguments
from sharpen.spec.model import DEFAULT_COMMAND, Constraint, EarlyTerminate, Metric, Sweep
from sharpen.spec.sweep_file import METHODS, load, parse

__all__ = [
    "DEFAULT_COMMAND",
    "METHODS",
    "Constraint",
    "EarlyTerminate",
    "Metric",
    "Sweep",
    "arguments",
    "load",
    "parse",
]
