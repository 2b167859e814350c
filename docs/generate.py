"""Write the pages of docs/reference from the source: ``python docs/generate.py``.

With ``--check`` nothing is written; it says which pages differ from the source, and exits 1 when one does.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from sharpen import errors, tracking
from sharpen.cli import exit_codes
from sharpen.cli import main as root
from sharpen.features import FEATURES
from sharpen.objectives.boosted.settings import ClassifierSettings

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py: change the source and run `make docs`. -->\n"
SECTIONS = ("Args:", "Attributes:", "Raises:", "Returns:")
SHOWN_DIFFERENCE = 20  # lines a page


def command_line() -> str:
    """Return the page of the ``sharpen`` command."""
    parts = ["# The command line", NOTE, _help(root.help), _options(root)]
    parts.append(
        "Data goes to stdout and words go to stderr. Exit codes: "
        + ", ".join(f"{code} {meaning}" for code, meaning in exit_codes.MEANINGS.items())
        + ".\n"
    )
    for name, command in _verbs(root, "sharpen"):
        parts += [f"## {name}", _usage(name, command), _help(command.help), _options(command)]
    return _page(parts)


def features() -> str:
    """Return the page of the features that a classifier sees."""
    rows = [(f"`{f.name}`", f"`{f.formula}`", str(f.warmup_bars)) for f in FEATURES]
    notation = inspect.cleandoc(sys.modules["sharpen.features"].__doc__ or "")
    return _page(
        [
            "# Features",
            NOTE,
            _prose(notation),
            f"There are {len(FEATURES)} of them. A fold's first usable bar is the longest warm-up, "
            f"{max(f.warmup_bars for f in FEATURES)} bars.\n",
            _table(("name", "formula", "warm-up, bars"), rows),
        ]
    )


def classifier() -> str:
    """Return the page of the boosted classifier's settings."""
    rows = [
        (f"`{f.name}`", f"`{f.default}`", f.metadata.get("range", "a name"), f.metadata["help"])
        for f in fields(ClassifierSettings)
    ]
    return _page(
        [
            "# Settings of the boosted classifier",
            NOTE,
            "Each may be a parameter of a sweep of `scripts/train_classifier.py`, and each is an option of"
            " that program. `python scripts/train_classifier.py --help` lists those of its folds and data,"
            " too.\n",
            _table(("setting", "default", "range", "meaning"), rows),
        ]
    )


def programs() -> str:
    """Return the page of what a training program calls."""
    parts = ["# sharpen.tracking", NOTE, _prose(_doc(tracking))]
    for name in ("init", "init_all", "log", "log_artifact"):
        parts += _function(f"tracking.{name}", getattr(tracking, name), 2)
    for name in ("Run", "Config", "Stopped"):
        kind = getattr(tracking, name)
        parts += [f"## tracking.{name}", _prose(_doc(kind))]
        for method, function in vars(kind).items():
            if not method.startswith("_") and inspect.isfunction(function):
                parts += _function(f"{name}.{method}", function, 3)
    return _page(parts)


def error_tree() -> str:
    """Return the page of the errors."""
    return _page(["# Errors", NOTE, _prose(_doc(errors))])


PAGES: Mapping[str, Callable[[], str]] = {
    "classifier.md": classifier,
    "cli.md": command_line,
    "errors.md": error_tree,
    "features.md": features,
    "tracking.md": programs,
}


def main(argv: list[str] | None = None) -> int:
    """Write the pages, or compare them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which pages are stale")
    check = parser.parse_args(argv).check
    FOLDER.mkdir(exist_ok=True)
    stale = 0
    for name, build in PAGES.items():
        path, new = FOLDER / name, build()
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old == new:
            continue
        stale += 1
        if check:
            _show_difference(name, old, new)
        else:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path}")
    if check and stale:
        print(f"{stale} of {len(PAGES)} pages of docs/reference are stale: run 'make docs'", file=sys.stderr)
    return 1 if check and stale else 0


def _show_difference(name: str, old: str, new: str) -> None:
    lines = list(
        difflib.unified_diff(old.splitlines(), new.splitlines(), name, f"{name} anew", lineterm="", n=1)
    )
    print("\n".join(lines[:SHOWN_DIFFERENCE]))
    if len(lines) > SHOWN_DIFFERENCE:
        print(f"... and {len(lines) - SHOWN_DIFFERENCE} more lines")


def _page(parts: list[str]) -> str:
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def _verbs(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            raise LookupError(f"{prefix} lists {name}, and has no such verb")
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from _verbs(command, f"{prefix} {name}")


def _usage(name: str, command: click.Command) -> str:
    arguments = [
        p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)
    ]
    has_verbs = " VERB" if isinstance(command, click.Group) else ""
    options = " [OPTIONS]" if any(isinstance(p, click.Option) for p in command.params) else ""
    return f"```text\n{name}{options}{has_verbs}{''.join(f' {a}' for a in arguments)}\n```"


def _help(text: str | None) -> str:
    """Return a help text as Markdown; what click is told not to wrap becomes a code block."""
    parts: list[str] = []
    for block in inspect.cleandoc(text or "").split("\n\n"):
        first, _, rest = block.partition("\n")
        parts.append(_unwrapped(inspect.cleandoc(rest)) if first == "\b" else block)
    return "\n\n".join(parts)


def _unwrapped(lines: str) -> str:
    is_shell = not re.search(r"\S {3,}[^\s#]", lines)  # a second column is words, not part of the command
    return f"```{'sh' if is_shell else 'text'}\n{lines}\n```"


def _options(command: click.Command) -> str:
    rows: list[tuple[str, str]] = []
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        takes = "" if option.is_flag else f" {option.make_metavar(click.Context(command)).split()[0]}"
        default = f" Default: `{option.default}`." if option.show_default else ""
        rows.append((f"`{', '.join(option.opts)}{takes}`", f"{option.help}{default}"))
    return _table(("option", "meaning"), rows) if rows else ""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _doc(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def _function(name: str, function: Callable[..., Any], level: int) -> list[str]:
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    words = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    return [f"{'#' * level} {name}", f"```text\n{name}({', '.join(words)})\n```", _prose(_doc(function))]


def _prose(text: str) -> str:
    """Return a Google docstring as Markdown: sections as lists, examples as code, roles as code."""
    text = re.sub(r"(?<!`)``(?!`)", "`", text)
    text = re.sub(r":\w+:`~([^`]+)`", lambda role: f"`{role[1].rpartition('.')[2]}`", text)
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
    return "\n\n".join(_block(block) for block in text.split("\n\n"))


def _block(block: str) -> str:
    first, _, rest = block.partition("\n")
    if first in SECTIONS:
        items = re.split(r"\n(?=\S)", inspect.cleandoc(rest))
        listed = (re.sub(r"^(\w+):", r"`\1`:", " ".join(item.split())) for item in items)
        return f"**{first.rstrip(':')}**\n\n" + "\n".join(f"- {item}" for item in listed)
    if first.startswith(">>> "):
        return f"```pycon\n{block}\n```"
    if first.startswith("    "):
        return f"```text\n{inspect.cleandoc(block)}\n```"
    return block


if __name__ == "__main__":
    sys.exit(main())
