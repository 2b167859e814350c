"""Runs that want more memory than there is: how they are known, and which parameters size them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sharpen.frozen import with_changes
from sharpen.space import Space
from sharpen.space.dimensions import is_number, same
from sharpen.trial import Trial

MOST_NAMED = 5
_SIGNS = re.compile(
    r"\b_?(Array)?MemoryError\b|OutOfMemory|out of memory|bad_alloc|ALLOC_FAILED|Cannot allocate memory"
    r"|memory allocation of \d+ bytes failed"
)
_SIZES = re.compile(
    r"batch|horizon|n_steps|envs|net_dims|hidden|width|layers|units|buffer|replay|depth|leaves|max_bin"
    r"|estimators|rounds|seq|window|d_model|heads|channels|embed|population",
    re.IGNORECASE,
)
HALVE = "halve"


def is_out_of_memory(last_words: str) -> bool:
    """Return whether a program's last words say that memory ran out.

    >>> is_out_of_memory("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
    True
    >>> is_out_of_memory("memory allocation of 1048576 bytes failed")  # polars
    True
    >>> is_out_of_memory("MemoryError"), is_out_of_memory("ValueError: x is too large")
    (True, False)
    """
    return bool(_SIGNS.search(last_words))


def sizes(config: Mapping[str, Any]) -> str:
    """Return what of a configuration a program's memory grows with, by its name, in words; empty for nothing.

    >>> sizes({"lr": 0.1, "batch_size": 1024, "model.net_dims_0": 512, "use_batch_norm": True})
    'batch_size 1024, model.net_dims_0 512'
    """
    large = [(name, value) for name, value in config.items() if _SIZES.search(name) and _is_size(value)]
    return ", ".join(
        f"{name} {value:g}" if value < 1e6 else f"{name} {value}" for name, value in large[:MOST_NAMED]
    )


def reason(last_words: str, config: Mapping[str, Any]) -> str:
    """Return why a run has no score, with what sizes it first."""
    named = sizes(config)
    return f"out of memory{f' with {named}' if named else ''}: {last_words}"


def halved(rule: str, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a configuration with the parameter of a rule halved; None without a rule, or at its lower end.

    >>> halved("halve:batch_size", {"batch_size": 96, "lr": 0.1})
    {'batch_size': 48, 'lr': 0.1}
    >>> halved("halve:batch_size", {"batch_size": 1}), halved("", {"batch_size": 96})
    (None, None)
    """
    how, _, name = rule.partition(":")
    value: Any = config.get(name)
    if how != HALVE or not _is_size(value):
        return None
    return {**config, name: int(value) // 2}


def smaller_values(values: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some values that are numbers below what a configuration has under their names.

    >>> smaller_values({"width": 31, "depth": 9, "n_workers": 1}, {"width": 62, "depth": 8})
    {'width': 31}
    """
    sizes_now = {name: config[name] for name in values if _is_size(config.get(name))}
    return {
        name: values[name]
        for name, size in sizes_now.items()
        if is_number(values[name]) and values[name] < size
    }


def as_searched(space: Space, trial: Trial) -> Trial:
    """Return a trial as the search method sees it.

    A configuration that was made smaller than the space allows is none that a method could learn from, or
    propose again: it sees what it had proposed, and what came of that.

    >>> from sharpen.space import Int
    >>> space = Space({"width": Int(16, 64)})
    >>> as_searched(space, Trial(1, {"width": 31}, proposed={"width": 62})).config
    {'width': 31}
    >>> as_searched(space, Trial(1, {"width": 15}, proposed={"width": 62})).config
    {'width': 62}
    """
    if trial.proposed is None or (space.contains(trial.config) and space.allows(trial.config)):
        return trial
    return with_changes(trial, config=trial.proposed, proposed=None)


def with_smaller(options: Sequence[Any], used: Sequence[Any]) -> list[Any]:
    """Return a parameter's options, and behind them the values that runs had instead.

    >>> with_smaller((32, 64), [64, 16, 16])
    [32, 64, 16]
    """
    extended = list(options)
    for value in used:
        if not any(same(value, option) for option in extended):
            extended.append(value)
    return extended


def less(first_config: Mapping[str, Any] | None, config: Mapping[str, Any]) -> str:
    """Return in words what a run had to do with less of than the search had proposed; empty for nothing.

    >>> less({"width": 62, "lr": 0.1}, {"width": 31, "lr": 0.1}), less(None, {"width": 31})
    ('width 62 -> 31', '')
    """
    changed = {name: value for name, value in (first_config or {}).items() if config.get(name) != value}
    return ", ".join(f"{name} {value} -> {config.get(name)}" for name, value in changed.items())


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 2
