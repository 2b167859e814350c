"""W&B sweep files: read them, refuse them with every problem at once, and build the command of a run."""

from sharpen.spec.advice import Lint, lint
from sharpen.spec.command import Invocation, command_line, invocation, is_module
from sharpen.spec.environment_lint import lint_command, lint_program
from sharpen.spec.model import (
    DEFAULT_COMMAND,
    FUNCTION,
    Constraint,
    EarlyTerminate,
    Metric,
    Resources,
    Sweep,
)
from sharpen.spec.sweep_file import METHODS, load, parse, schema

__all__ = [
    "DEFAULT_COMMAND",
    "FUNCTION",
    "METHODS",
    "Constraint",
    "EarlyTerminate",
    "Invocation",
    "Lint",
    "Metric",
    "Resources",
    "Sweep",
    "command_line",
    "invocation",
    "is_module",
    "lint",
    "lint_command",
    "lint_program",
    "load",
    "parse",
    "schema",
]
