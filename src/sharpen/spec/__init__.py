"""W&B sweep files: read them, refuse them with every problem at once, and build the command of a run."""

from sharpen.spec.advice import Lint, lint
from sharpen.spec.command import Words, command_line, words
from sharpen.spec.model import (
    DEFAULT_COMMAND,
    Constraint,
    EarlyTerminate,
    Metric,
    Resources,
    Sweep,
)
from sharpen.spec.surroundings import lint_command, lint_program
from sharpen.spec.sweep_file import METHODS, load, parse, schema

__all__ = [
    "DEFAULT_COMMAND",
    "METHODS",
    "Constraint",
    "EarlyTerminate",
    "Lint",
    "Metric",
    "Resources",
    "Sweep",
    "Words",
    "command_line",
    "lint",
    "lint_command",
    "lint_program",
    "load",
    "parse",
    "schema",
    "words",
]
