"""W&B sweep files: read them, refuse them with every problem at once, and build the command of a run."""

from sharpen.spec.command import arguments, command_line
from sharpen.spec.model import DEFAULT_COMMAND, EarlyTerminate, Metric, Sweep
from sharpen.spec.sweep_file import METHODS, load, parse

__all__ = [
    "DEFAULT_COMMAND",
    "METHODS",
    "EarlyTerminate",
    "Metric",
    "Sweep",
    "arguments",
    "command_line",
    "load",
    "parse",
]
