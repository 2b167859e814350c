"""Runs that ran out of memory are tried again with half of what the sweep's ``on_oom`` names."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from sharpen.facts import OUT_OF_MEMORY, SMALLER
from sharpen.spec import Sweep
from sharpen.sweep.out_of_memory import halved, is_out_of_memory, less, sizes

KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class SmallerRuns:
    """What one agent knows of runs that wanted more memory than there is.

    Args:
        spec: Of the sweep.
    """

    def __init__(self, spec: Sweep) -> None:
        self._spec = spec
        self._configs: dict[str, Mapping[str, Any]] = {}
        self._smaller: dict[str, dict[str, Any]] = {}
        self._has_told = False

    def leased(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return a run as it was leased, with the smaller configuration that it is to be tried with."""
        self._configs.setdefault(run["run_id"], run["config"])
        smaller = self._smaller.get(run["run_id"])
        return {**run, "config": smaller} if smaller else dict(run)

    def said_of(self, run_id: str) -> dict[str, Any]:
        """Return what the summary of a run is to say of its other configuration; empty when it has none."""
        smaller, config = self._smaller.get(run_id, {}), self._configs[run_id]
        changed = {name: value for name, value in smaller.items() if config[name] != value}
        return {OUT_OF_MEMORY: less(config, smaller), SMALLER: changed} if changed else {}

    def try_again(self, run_id: str, exit_code: int, last_words: str) -> str:
        """Return a sentence when a program that failed is to be tried again with less, else an empty one.

        Where the sweep says what to halve, being killed counts as running out of memory: so the kernel ends
        programs when there is none left.
        """
        if not (is_out_of_memory(last_words) or (self._spec.on_oom and exit_code in KILLED)):
            return ""
        smaller = halved(self._spec.on_oom, self._smaller.get(run_id) or self._configs[run_id])
        if smaller is None:
            return ""
        self._smaller[run_id] = smaller
        name = self._spec.on_oom.partition(":")[2]
        return f"run {run_id} ran out of memory: it is tried again with {name} {smaller[name]}"

    def advice(self, run_id: str, exit_code: int, last_words: str) -> str:
        """Return a sentence on what would help, once; empty when nothing does."""
        if self._has_told or self._spec.on_oom or exit_code == 0 or not is_out_of_memory(last_words):
            return ""
        self._has_told = True
        named = sizes(self._configs[run_id])
        parameter = named.split(" ")[0] if named else "batch_size"
        return (
            f"run {run_id} ran out of memory{f' with {named}' if named else ''}: it counts as infeasible. "
            f"'on_oom: halve:{parameter}' in the sweep file tries such runs again with half of it"
        )
