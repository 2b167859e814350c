"""Overrides of a Hydra command line: values as its grammar reads them, and the command of a run."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
NOT_REPEATED = re.compile(r"\+*hydra\.(sweep\.dir|sweeper\.n_trials|sweeper\.n_workers|sweeper\.scenario)=")
SWEEP_DIR = "hydra.sweep.dir="
SPECIAL = ("true", "false", "null", "nan", "inf")


def override(name: str, value: Any) -> str:
    """Return the word that sets a key, whether the configuration has it or not.

    >>> override("lr", 1e-05), override("net.kind", "a b"), override("clip", True), override("dims", [64, 32])
    ('++lr=1e-05', "++net.kind='a b'", '++clip=true', '++dims=[64,32]')
    """
    return f"++{name}={_value(value)}"


def overrides_of(values: Mapping[str, Any], groups: Mapping[str, str]) -> list[str]:
    """Return the words that set keys, and choose the options of configuration groups.

    Args:
        values: By the name of the key or the group.
        groups: Which of them are groups, each with the sign before it: ``+`` where the defaults have it not.

    >>> overrides_of({"lr": 0.1, "loss": "dice"}, {"loss": ""})
    ['++lr=0.1', 'loss=dice']
    """
    return [
        f"{groups[name]}{name}={_value(value)}" if name in groups else override(name, value)
        for name, value in values.items()
    ]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        return "{" + ",".join(f"{key}:{_value(one)}" for key, one in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_value, cast("Sequence[Any]", value))) + "]"
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value.lower() not in SPECIAL else quoted(value)
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


def quoted(text: str) -> str:
    r"""Return a text in the quotes of Hydra's grammar.

    >>> print(quoted("it's"))
    'it\'s'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def command_of(argv: Sequence[str], sweep_dir: Path, module: str) -> tuple[str, list[str]]:
    """Return the program and the command by which an agent starts this program again for a run.

    Args:
        argv: The words of this program.
        sweep_dir: The sweep's folder, which must not be made anew from the clock.
        module: The name of the module when it was started as ``python -m MODULE``, else empty.

    >>> command_of(["app.py", "hydra.sweeper.n_trials=4", "a=1", "-m"], Path("out"), "")[1][2:]
    ['${program}', 'a=1', "hydra.sweep.dir='out'", '-m']
    """
    program = module or argv[0]
    start = ["${env}", "${interpreter}", *(["-m"] if module else []), "${program}"]
    kept = [word for word in argv[1:] if not NOT_REPEATED.match(word)]
    sets = [at for at, word in enumerate(kept) if "=" in word and not word.startswith("-")]
    kept.insert(sets[-1] + 1 if sets else len(kept), SWEEP_DIR + quoted(str(sweep_dir)))  # all in a row
    return program, [*start, *kept]


def module_of_main() -> str:
    """Return the name of the module that this program was started as; empty for a file."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return "" if spec is None else spec.name.removesuffix(".__main__")
