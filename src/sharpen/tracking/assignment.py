"""What an agent assigns to a program: the environment variable SHARPEN_RUN, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, cast, get_args

from sharpen.errors import UsageError

Stage = Literal["search", "lockbox", "permuted"]
VARIABLE = "SHARPEN_RUN"
KINDS: Mapping[str, tuple[type | UnionType, str]] = {
    "channel": (str, "text"),
    "run_id": (str, "text"),
    "token": (int, "a whole number"),
    "results": (str, "text"),
    "stage": (str, "text"),
    "seed": (int, "a whole number"),
    "config": (dict, "a mapping"),
    "checkpoint": (dict, "a mapping"),
    "fidelity": (int | float, "a number"),
    "permutation_seed": (int, "a whole number"),
    "dir": (str, "text"),
    "claims": (str, "text"),
    "whole": (list, "a list"),
    "waits_for": (list, "a list"),
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a program is to do; nothing in it is set for one that runs alone.

    Attributes:
        channel: The address of the store's coordinator, as in ``unix:/data/store``.
        run_id: The run that it carries out.
        token: The fencing token of the lease; None outside of a sweep.
        results: The file to write to, outside of a sweep's search; empty for none.
        stage: What is asked of the program.
        seed: What to draw from; None to choose.
        config: The sweep's values.
        checkpoint: Where to go on from: ``digest`` and ``step``; None to begin at the beginning.
        fidelity: How much to spend, in the sweep's units of budget; None for the whole.
        permutation_seed: What to draw the order of the bars from, in the stage ``permuted``.
        dir: A folder of the run's own, which whoever gives it clears; empty for none.
        claims: Where runs at work claim the files that they share; empty for a run that shares none.
        whole: Dotted names of parameters whose value is a mapping, which no default may fill up.
        waits_for: Metrics whose rows are stored when ``log`` returns, as a stop rule goes by them; None for
            every row.
    """

    channel: str = ""
    run_id: str = ""
    token: int | None = None
    results: str = ""
    stage: Stage = "search"
    seed: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    checkpoint: Mapping[str, Any] | None = None
    permutation_seed: int | None = None
    dir: str = ""
    claims: str = ""
    whole: Sequence[str] = ()
    fidelity: float | None = None
    waits_for: Sequence[str] | None = None


def read_assignment(environment: Mapping[str, str]) -> Assignment:
    """Return what a program's environment assigns to it.

    Raises:
        UsageError: SHARPEN_RUN holds what no agent writes, or several runs.

    >>> read_assignment({"SHARPEN_RUN": '{"seed": 7, "config": {"depth": 3}}'}).config
    {'depth': 3}
    >>> read_assignment({"SHARPEN_RUN": "7"})
    Traceback (most recent call last):
    sharpen.errors.UsageError: SHARPEN_RUN is not sharpen's: it is no mapping; unset it to run alone
    """
    first, *others = read_assignments(environment)
    if others:
        raise UsageError(
            f"this process is given {len(others) + 1} runs at once, and init() takes one: call "
            "tracking.init_all(), or start the sweep without --population"
        )
    return first


def read_assignments(environment: Mapping[str, str]) -> tuple[Assignment, ...]:
    """Return all the runs that a program's environment assigns to it: one, or those of a population.

    Raises:
        UsageError: SHARPEN_RUN holds what no agent writes.

    >>> [one.seed for one in read_assignments({"SHARPEN_RUN": '[{"seed": 7}, {"seed": 7}]'})]
    [7, 7]
    """
    text = environment.get(VARIABLE, "{}")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise _not_ours("it is not JSON") from None
    if isinstance(parsed, list) and parsed:
        return tuple(_read(one) for one in cast("list[Any]", parsed))
    return (_read(parsed),)


def _read(parsed: Any) -> Assignment:
    if not isinstance(parsed, dict):
        raise _not_ours("it is no mapping")
    fields = {name: value for name, value in cast("dict[str, Any]", parsed).items() if name in KINDS}
    values = {name: value for name, value in fields.items() if value is not None}
    _check(values)
    return Assignment(**values)


def _check(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        kind, noun = KINDS[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _not_ours(f"{name!r} must be {noun}")
    if values.get("stage", "search") not in get_args(Stage):
        raise _not_ours(f"there is no stage {values['stage']!r}")
    if not _is_checkpoint(values.get("checkpoint")):
        raise _not_ours("'checkpoint' must have a digest and a step")
    if "token" in values:
        needed = ("channel", "run_id")
    else:
        keeps_files = "checkpoint" in values or ("results" in values and values.get("stage") == "lockbox")
        needed = ("channel",) if keeps_files else ()
    for name in needed:
        if not values.get(name):
            raise _not_ours(f"it lacks {name!r}")


def _is_checkpoint(value: Mapping[str, Any] | None) -> bool:
    return value is None or (isinstance(value.get("digest"), str) and isinstance(value.get("step"), int))


def _not_ours(why: str) -> UsageError:
    return UsageError(f"{VARIABLE} is not sharpen's: {why}; unset it to run alone")
