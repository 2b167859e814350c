"""The verb for projects: their limits, and what they use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from sharpen.cli.printing import json_option, print_rows
from sharpen.cli.terminal import echo
from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.store.project_use import ProjectUse, project_uses
from sharpen.store.queries import Reader

NO_LIMIT = "none"
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?", re.IGNORECASE)


@click.group()
def project() -> None:
    """Limit what a project may use, and show what it does.

    \b
      sharpen project ls
      sharpen project limit momentum --runs-at-once 8 --runs 10000 --bytes 50G
      sharpen project limit momentum --runs none
    """


@project.command()
@click.argument("name")
@click.option("--runs-at-once", metavar="N|none", help="The most runs at work, of all its sweeps together.")
@click.option("--runs", metavar="N|none", help="The most runs that are ever made, deleted ones too.")
@click.option("--bytes", "n_bytes", metavar="SIZE|none", help="The most its files may weigh, as in 50G.")
@click.pass_obj
def limit(home: Path, name: str, runs_at_once: str | None, runs: str | None, n_bytes: str | None) -> None:
    """Limit the project NAME: those limits that are given change, and `none` takes one away.

    A sweep belongs to the project that its file names with `project:`. Where all runs at once are at work,
    agents wait. Where all runs have been made, agents leave and say so, and a plain run is refused; so is a
    file that would be too much. What is at work or kept already stays.
    """
    typed = {"runs_at_once": runs_at_once, "runs": runs, "n_bytes": n_bytes}
    limits = {key: _number(key, word) for key, word in typed.items() if word is not None}
    if not limits:
        raise UsageError("project limit: say --runs-at-once, --runs or --bytes")
    with connect(home) as client:
        limits_now: dict[str, int | None] = client.call("limit_project", project=name, limits=limits)
    shown_limits = ", ".join(f"{LABELS[key]} {_shown(key, most)}" for key, most in limits_now.items())
    echo(f"project {name}: {shown_limits}", err=True)


@project.command()
@json_option
@click.pass_obj
def ls(home: Path, as_json: bool) -> None:
    """List the projects with what they use and may use at most."""
    uses = project_uses(Reader(home))
    if as_json:
        print_rows([_facts(use) for use in uses], True, "")
        return
    rows = [
        {
            "project": use.limits.project,
            "at work": _of(use.n_at_work, use.limits.runs_at_once),
            "runs": _of(use.n_runs, use.limits.runs),
            "files": _size_of(use.n_bytes, use.limits.n_bytes),
        }
        for use in uses
    ]
    print_rows(rows, False, "no projects: a sweep file names one with 'project:'")


LABELS = {"runs_at_once": "runs at once", "runs": "runs", "n_bytes": "bytes"}


def _facts(use: ProjectUse) -> dict[str, Any]:
    facts = {"project": use.limits.project, "n_at_work": use.n_at_work, "n_runs": use.n_runs}
    most = {"runs_at_once": use.limits.runs_at_once, "runs": use.limits.runs, "bytes": use.limits.n_bytes}
    return {**facts, "n_bytes": use.n_bytes, "limits": most}


def _of(n: int, most: int | None) -> str:
    return f"{n:,}" if most is None else f"{n:,} of {most:,}"


def _size_of(n_bytes: int, most: int | None) -> str:
    return size(n_bytes) if most is None else f"{size(n_bytes)} of {size(most)}"


def size(n_bytes: int) -> str:
    """Return a number of bytes for people.

    >>> size(0), size(1536), size(50 << 30)
    ('0 B', '1.5 KiB', '50.0 GiB')
    """
    unit = next((unit for unit in "TGMK" if n_bytes >= UNITS[unit]), "")
    return f"{n_bytes / UNITS[unit]:.1f} {unit}iB" if unit else f"{n_bytes} B"


def _shown(name: str, most: int | None) -> str:
    if most is None:
        return "without limit"
    return f"at most {size(most) if name == 'n_bytes' else f'{most:,}'}"


def _number(name: str, word: str) -> int | None:
    """Return a limit as it is typed; None for none."""
    option = "--bytes" if name == "n_bytes" else f"--{name.replace('_', '-')}"
    if word.strip().lower() == NO_LIMIT:
        return None
    size = SIZE.fullmatch(word.strip())
    if size is None or (name != "n_bytes" and not word.strip().isdecimal()):
        expected = "a size, such as 50G, or none" if name == "n_bytes" else "a whole number, or none"
        raise UsageError(f"{option}: {word!r:.60} is not {expected}")
    return int(float(size[1]) * UNITS[size[2].upper()]) if name == "n_bytes" else int(word)
