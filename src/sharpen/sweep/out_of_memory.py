"""Runs that want more memory than there is: how they are known, and which parameters size them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MOST_NAMED = 5
_SIGNS = re.compile(
    r"\b_?(Array)?MemoryError\b|OutOfMemory|out of memory|bad_alloc|ALLOC_FAILED|Cannot allocate memory"
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
    >>> is_out_of_memory("MemoryError"), is_out_of_memory("ValueError: x is too large")
    (True, False)
    """
    return bool(_SIGNS.search(last_words))


def sizes(config: Mapping[str, Any]) -> str:
    """Return what of a configuration a program's memory grows with, by its name, in words; empty for nothing.

    >>> sizes({"lr": 0.1, "batch_size": 1024, "model.net_dims_0": 512, "use_batch_norm": True})
    'batch_size 1024, model.net_dims_0 512'
    """
    found = [(name, value) for name, value in config.items() if _SIZES.search(name) and _is_size(value)]
    return ", ".join(
        f"{name} {value:g}" if value < 1e6 else f"{name} {value}" for name, value in found[:MOST_NAMED]
    )


def reason(last_words: str, config: Mapping[str, Any]) -> str:
    """Return why a run has no score, with what sizes it first."""
    named = sizes(config)
    return f"out of memory{f' with {named}' if named else ''}: {last_words}"


def halved(rule: str, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a configuration with half of what a rule names; None where there is no rule, or no half.

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


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 2
