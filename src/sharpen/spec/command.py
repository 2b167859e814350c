"""The words that start a run: reading them, and filling in their macros."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sharpen.space import nest
from sharpen.spec.model import Sweep
from sharpen.spec.reader import Node, join, nearest, text

ENV = "/usr/bin/env"
LATER = frozenset(
    f"args_{form}"
    for form in (
        "append_hydra",
        "json",
        "json_file",
        "no_boolean_flags",
        "no_equals",
        "no_hyphens",
        "override_hydra",
    )
)


@dataclass(frozen=True, slots=True)
class _Call:
    interpreter: str
    program: str
    config: Mapping[str, Any]


# One row a macro: what stands in its place. The values print as Python prints them, as in W&B.
MACROS: Mapping[str, Callable[[_Call], list[str]]] = {
    "env": lambda call: [ENV],
    "interpreter": lambda call: [call.interpreter],
    "program": lambda call: [call.program],
    "args": lambda call: [f"--{name}={value}" for name, value in call.config.items()],
}


def arguments(sweep: Sweep, config: Mapping[str, Any], interpreter: str) -> list[str]:
    """Return the words that start a run of a configuration.

    Parameters follow in the order of the space, a group of nested ones as the dictionary that Python
    prints: ``--model={'depth': 3}``. A word that is not a macro as a whole is passed on unchanged.

    Args:
        sweep: Whose command it is.
        config: Every parameter's value, by its dotted name.
        interpreter: What runs the program, such as ``sys.executable``.

    >>> from sharpen.space import Int, Space
    >>> from sharpen.spec.model import DEFAULT_COMMAND, Metric
    >>> space = Space({"depth": Int(1, 9)})
    >>> sweep = Sweep("demo", "train.py", DEFAULT_COMMAND, "random", Metric("loss"), space)
    >>> arguments(sweep, {"depth": 3}, "python3")
    ['/usr/bin/env', 'python3', 'train.py', '--depth=3']
    """
    ordered = {name: config[name] for name in sweep.space.dimensions}
    call = _Call(interpreter, sweep.program, nest(ordered))
    found: list[str] = []
    for word in sweep.command:
        name = _macro(word)
        found += MACROS[name](call) if name in MACROS else [word]
    return found


def command_line(sweep: Sweep, config: Mapping[str, Any], seed: int) -> str:
    """Return what a user types to repeat a run alone: the sweep's seed, and the words that start it.

    >>> from sharpen.space import Int, Space
    >>> from sharpen.spec.model import DEFAULT_COMMAND, Metric
    >>> space = Space({"depth": Int(1, 9)})
    >>> sweep = Sweep("demo", "my train.py", DEFAULT_COMMAND, "random", Metric("loss"), space)
    >>> command_line(sweep, {"depth": 3}, seed=7)
    "SHARPEN_SEED=7 python 'my train.py' --depth=3"
    """
    words = arguments(sweep, config, "python")
    return f"SHARPEN_SEED={seed} {shlex.join(words[1:] if words[:1] == [ENV] else words)}"


def command(node: Node) -> tuple[str, ...] | None:
    """Read a command: a list of words, those of the form ``${…}`` known macros."""
    items = node.items()
    if items is None:
        return None
    if not items:
        return node.wrong("is empty: remove it to get ${env} ${interpreter} ${program} ${args}")
    return tuple(word for item in items if (word := _word(item)) is not None)


def _word(item: Node) -> str | None:
    word = text(item)
    name = _macro(word) if word else ""
    if not name or name in MACROS:
        return word
    supported = join(f"${{{macro}}}" for macro in MACROS)
    if name in LATER or name.startswith("envvar:"):
        return item.wrong(f"the macro {word} is not supported yet; supported: {supported}")
    return item.wrong(f"there is no macro {word}{nearest(name, MACROS)}; supported: {supported}")


def _macro(word: str) -> str:
    whole = word.startswith("${") and word.endswith("}") and word.count("${") == 1
    return word[2:-1] if whole else ""
