"""Advice on what a sweep file needs around it: its program, its command on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sharpen.spec.advice import Lint
from sharpen.spec.command import VARIABLE, names_no_program
from sharpen.spec.model import Sweep

_IMPORT = re.compile(r"(?:^|;)[ \t]*(?:import|from)[ \t]+(\w+)", re.MULTILINE)


def lint_program(text: str) -> list[Lint]:
    """Return advice on the text of a sweep's program; nothing for one that needs none.

    >>> lint_program("import wandb")[0].path
    '$.program'
    >>> lint_program("import wandb; from sharpen import tracking")
    []
    """
    imported = set(_IMPORT.findall(text))
    if "sharpen" in imported or not text.strip():
        return []
    if "wandb" not in imported:
        return [
            Lint(
                "$.program",
                "imports neither sharpen nor wandb: unless a module of its own does, nothing that it logs is "
                "seen; log with sharpen.tracking, see docs/porting.md",
            )
        ]
    return [
        Lint(
            "$.program",
            "imports wandb and not sharpen, which hears nothing of what is logged there: write "
            "'import sharpen as wandb', or log with sharpen.tracking, see docs/porting.md",
        )
    ]


def lint_command(sweep: Sweep, environ: Mapping[str, str], find: Callable[[str], str | None]) -> list[Lint]:
    """Return advice on a sweep's command on this machine: variables and a program that are not here.

    Args:
        sweep: Whose command it is.
        environ: The environment variables.
        find: Returns where a program is, as ``shutil.which`` does; None for one that is not there.

    >>> from sharpen.spec import parse
    >>> for advice in lint_command(parse('''
    ... {command: [pyhton, "${envvar:HOST}"], method: random, metric: {name: m}, parameters: {x: {value: 1}}}
    ... '''), {}, {}.get):
    ...     print(advice.path, advice.sentence)
    $.command[1] the environment variable HOST is not set here: set it where agents run
    $.command[0] there is no program 'pyhton' here: name one that is on PATH where agents run
    """
    lints = [
        Lint(f"$.command[{i}]", f"the environment variable {name} is not set here: set it where agents run")
        for i, word in enumerate(sweep.command)
        for name in VARIABLE.findall(word)
        if name not in environ
    ]
    if names_no_program(sweep.command):
        sentence = (
            "names no program, only arguments: begin with ${env} ${interpreter} ${program}, or a program"
        )
        lints.append(Lint("$.command", sentence))
    arguments = ((i, word) for i, word in enumerate(sweep.command) if word != "${env}")
    index, first = next(((i, word) for i, word in arguments if "=" not in word), (0, ""))
    if first and not first.startswith(("$", "-")) and "${" not in first and find(first) is None:
        sentence = f"there is no program {first!r} here: name one that is on PATH where agents run"
        lints.append(Lint(f"$.command[{index}]", sentence))
    return lints
