"""The words that start a run: reading them, and filling in their macros.

Source: what each macro stands for is as in W&B's client, wandb 0.31.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sharpen.errors import UsageError
from sharpen.hints import join
from sharpen.spec.model import Sweep
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import ValueReader, text
from sharpen.spec.synonyms import nearest

ENV = "/usr/bin/env"
CONFIG_FILE = "config.json"
_STAND_IN = "SHARPEN_{}_STANDS_HERE"  # letters that no shell quotes
VARIABLE = re.compile(r"\$\{envvar:([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What it takes to start a run.

    Attributes:
        argv: The words of the command.
        files: Files to write before, text by path.
    """

    argv: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class _Call:
    interpreter: str
    program: str
    config: Mapping[str, Any]
    config_file: str

    def each(self, form: str) -> list[str]:
        """Return a word a parameter; the values print as Python prints them, as in W&B."""
        return [form.format(name=name, value=value) for name, value in self.config.items()]


def _no_equals(call: _Call) -> list[str]:
    return [word for name, value in call.config.items() for word in (f"--{name}", str(value))]


def _no_boolean_flags(call: _Call) -> list[str]:
    pairs = [pair for pair in call.config.items() if pair[1] is not False]
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in pairs]


# one row a macro: what stands in its place
MACROS: Mapping[str, Callable[[_Call], list[str]]] = {
    "env": lambda call: [ENV],
    "interpreter": lambda call: [call.interpreter],
    "program": lambda call: [call.program],
    "args": lambda call: call.each("--{name}={value}"),
    "args_no_equals": _no_equals,
    "args_no_hyphens": lambda call: call.each("{name}={value}"),
    "args_no_boolean_flags": _no_boolean_flags,
    "args_json": lambda call: [json.dumps(call.config)],
    "args_json_file": lambda call: [call.config_file],
    "args_append_hydra": lambda call: call.each("+{name}={value}"),
    "args_override_hydra": lambda call: call.each("++{name}={value}"),
}


def invocation(
    sweep: Sweep,
    config: Mapping[str, Any],
    interpreter: str,
    environ: Mapping[str, str],
    config_file: str = CONFIG_FILE,
) -> Invocation:
    """Return the words that start a run of a configuration, and the files that they need.

    Parameters follow in the order of the space, a group of nested ones as the dictionary that Python
    prints: ``--model={'depth': 3}``. A word that is not a macro as a whole is passed on unchanged, except
    for ``${envvar:NAME}``, which is filled in anywhere.

    Args:
        sweep: Whose command it is.
        config: The parameters' values, by their dotted names.
        interpreter: What runs the program, such as ``sys.executable``.
        environ: The environment variables that ``${envvar:NAME}`` may name.
        config_file: Where the file of ``${args_json_file}`` is to be.

    Raises:
        UsageError: The command names an environment variable that is not set. (W&B would pass its name.)

    >>> from sharpen.space import Int, Space
    >>> from sharpen.spec.model import Metric
    >>> space = Space({"depth": Int(1, 9)})
    >>> sweep = Sweep("demo", "t.py", ("${program}", "${args_json_file}"), "random", Metric("loss"), space)
    >>> invocation(sweep, {"depth": 3}, "python3", {}, "/tmp/run.json")
    Invocation(argv=('t.py', '/tmp/run.json'), files={'/tmp/run.json': '{"depth": 3}'})
    """
    call = _Call(interpreter, sweep.program, sweep.nested(config), config_file)
    argv: list[str] = []
    for word in sweep.command:
        name = _macro(word)
        argv += MACROS[name](call) if name in MACROS else [_with_variables(word, environ)]
    needs_file = "${args_json_file}" in sweep.command
    return Invocation(tuple(argv), {config_file: json.dumps(call.config)} if needs_file else {})


def command_line(sweep: Sweep, config: Mapping[str, Any], seed: int) -> str:
    """Return what a user types to repeat a run alone.

    The words are those of the run, for programs that read them; ``SHARPEN_RUN`` gives the configuration and
    the seed to those that ask ``sharpen.tracking``, as an agent does.

    >>> from sharpen.space import Int, Space
    >>> from sharpen.spec.model import DEFAULT_COMMAND, Metric
    >>> space = Space({"depth": Int(1, 9)})
    >>> sweep = Sweep("demo", "my train.py", DEFAULT_COMMAND, "random", Metric("loss"), space)
    >>> print(command_line(sweep, {"depth": 3}, seed=7))
    SHARPEN_RUN='{"seed": 7, "config": {"depth": 3}}' python 'my train.py' --depth=3
    """
    names = {name for word in sweep.command for name in VARIABLE.findall(word)}
    rendered = invocation(sweep, config, "python", {name: _STAND_IN.format(name) for name in names})
    argv = rendered.argv[1:] if rendered.argv[:1] == (ENV,) else rendered.argv
    files = [f"printf %s {shlex.quote(text)} > {shlex.quote(path)}" for path, text in rendered.files.items()]
    about = json.dumps({"seed": seed, "config": sweep.nested(config)}, ensure_ascii=False)
    typed = " ".join(_quoted(word, names) for word in argv)
    return " && ".join([*files, f"SHARPEN_RUN={shlex.quote(about)} {typed}"])


def _quoted(word: str, names: Collection[str]) -> str:
    """Return a word as a shell takes it, with environment variables where their stand-ins are."""
    quoted = shlex.quote(word)
    for name in names:
        variable = f'"${name}"' if quoted == word else f"'\"${name}\"'"
        quoted = quoted.replace(_STAND_IN.format(name), variable)
    return quoted


def _with_variables(word: str, environ: Mapping[str, str]) -> str:
    for name in VARIABLE.findall(word):
        if name not in environ:
            raise UsageError(f"the command's {word} needs the environment variable {name}, which is not set")
    return VARIABLE.sub(lambda match: environ[match[1]], word)


def _read(node: Node) -> tuple[str, ...] | None:
    items = node.items()
    if items is None:
        return None
    if not items:
        return node.wrong("is empty: remove it to get ${env} ${interpreter} ${program} ${args}")
    return tuple(word for item in items if (word := _word(item)) is not None)


command = ValueReader(_read, {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1})


def _word(item: Node) -> str | None:
    if isinstance(item.value, int | float) and not isinstance(item.value, bool):
        return str(item.value)
    word: str | None = text(item)
    name = _macro(word) if word else ""
    if not word or not name or name in MACROS or VARIABLE.fullmatch(word):
        return word
    known = join(f"${{{macro}}}" for macro in (*MACROS, "envvar:NAME"))
    return item.wrong(f"there is no macro {word}{nearest(name, MACROS)}; known: {known}")


def is_module(sweep: Sweep) -> bool:
    """Return whether the program is the name of a module, as in ``python -m ${program}``."""
    pairs = zip(sweep.command, sweep.command[1:], strict=False)
    return any(option == "-m" and word == "${program}" for option, word in pairs)


def names_no_program(command: Collection[str]) -> bool:
    """Return whether a command begins with arguments, so that there is nothing to start.

    >>> names_no_program(["${env}", "${args}"]), names_no_program(["${program}", "${args}"])
    (True, False)
    """
    first = next((word for word in command if word != "${env}"), "${args}")
    return _macro(first).startswith("args")


def _macro(word: str) -> str:
    whole = word.startswith("${") and word.endswith("}") and word.count("${") == 1
    return word[2:-1] if whole else ""
