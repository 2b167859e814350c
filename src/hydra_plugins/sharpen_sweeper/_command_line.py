"""What the command line sets beside the keys of Hydra itself: values that stay, and values to sweep over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, QuotedString, RangeSweep

from sharpen.errors import UsageError


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The overrides of a command line.

    Attributes:
        overrides: Those that every job gets as they are.
        fixed: The keys that they set.
        swept: Parameters of a sweep file, for the overrides that hold several values: ``lr=0.1,0.2``.
        signs: What stands before the names of those: ``+`` for a key or a group that is not there yet.
    """

    overrides: tuple[str, ...] = ()
    fixed: frozenset[str] = frozenset()
    swept: Mapping[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    signs: Mapping[str, str] = field(default_factory=dict[str, str])


def read_command_line(arguments: Sequence[str], params: Mapping[str, Any] | None = None) -> CommandLine:
    """Return what a command line sets.

    Args:
        arguments: Its words.
        params: ``hydra.sweeper.params``, where Hydra's own sweepers keep such words: what is typed wins.

    Raises:
        UsageError: A word sweeps in a way that no parameter can.

    >>> read_command_line(["x=1,2"], {"x": "3,4", "y": "interval(0,1)"}).swept
    {'y': {'min': 0.0, 'max': 1.0}, 'x': {'values': [1, 2]}}
    >>> read_command_line(["gpu_id=0", "lr=0.1,0.2", "gamma=interval(0.9,0.99)"]).swept
    {'lr': {'values': [0.1, 0.2]}, 'gamma': {'min': 0.9, 'max': 0.99}}
    """
    overrides = OverridesParser.create().parse_overrides(list(arguments))
    keys = {one.get_key_element().lstrip("+~") for one in overrides}
    kept = [f"{key}={value}" for key, value in (params or {}).items() if key.lstrip("+~") not in keys]
    arguments = [*kept, *arguments]
    shared: list[str] = []
    fixed: set[str] = set()
    swept: dict[str, dict[str, Any]] = {}
    signs: dict[str, str] = {}
    for word, override in zip(
        arguments, OverridesParser.create().parse_overrides(list(arguments)), strict=True
    ):
        key = override.get_key_element().lstrip("+~")
        if override.is_sweep_override():
            swept[key] = _parameter(override)
            signs[key] = "+" * (len(word) - len(word.lstrip("+")))
        else:
            shared.append(word)
            fixed.add(key)
    return CommandLine(tuple(shared), frozenset(fixed), swept, signs)


def _parameter(override: Override) -> dict[str, Any]:
    match cast("Any", override.value()):
        case ChoiceSweep() as choice:
            return {"values": [_plain(value) for value in choice.list]}
        case RangeSweep() as numbers:
            return {"values": list(numbers.range())}
        case IntervalSweep(start=start, end=end, tags=tags):
            is_log = "log" in tags
            distribution = {"distribution": "log_uniform_values"} if is_log else {}
            return {**distribution, "min": start, "max": end}
        case _:
            raise UsageError(
                f"{override.input_line}: this form of a sweep is not known; give a,b,c or interval(a,b)"
            )


def _plain(value: Any) -> Any:
    return value.text if isinstance(value, QuotedString) else value
