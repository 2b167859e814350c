"""Which parameters drive memory, as the runs that ran out of it show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sharpen.overfit import holm
from sharpen.report.model import Caution
from sharpen.store.rows import RunRow
from sharpen.sweep.out_of_memory import is_out_of_memory
from sharpen.trial import TrialState

LEVEL = 0.05


def about_memory(runs: Sequence[RunRow]) -> list[Caution]:
    """Return how many runs ran out of memory, and which parameters were larger in them."""
    ended = [run for run in runs if run.state in (TrialState.FINISHED, TrialState.STOPPED)]
    broke = [run for run in ended if run.score is None and is_out_of_memory(run.reason)]
    if not broke:
        return []
    others = [run for run in ended if run not in broke]
    text = f"{len(broke)} of {len(ended)} runs that ended ran out of memory. {_driven_by(broke, others)}"
    advice = "'on_oom: halve:NAME' in the sweep file tries such runs again with half of a parameter."
    return [Caution("Out of memory", f"{text} {advice}")]


def _driven_by(broke: Sequence[RunRow], others: Sequence[RunRow]) -> str:
    from scipy.stats import mannwhitneyu  # pyright: ignore[reportUnknownVariableType] # noqa: PLC0415 - few reports need it, and it takes a moment

    names = [name for name in broke[0].config if others and _varies([*broke, *others], name)]
    apart: list[str] = []
    p_values: dict[str, float] = {}
    for name in names:
        large, small = _values(broke, name), _values(others, name)
        tested: Any = mannwhitneyu(large, small, alternative="greater")
        p_values[name] = float(tested.pvalue)
        if min(large) > max(small):
            apart.append(f"all of them have {name} of {min(large):g} or more, and no other run has")
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    surely = [f"{name} (p = {p:.2g})" for name, p in corrected.items() if p <= LEVEL]
    if apart:
        return f"What tells them apart: {'; '.join(apart)}."
    if surely:
        return f"Larger in them than in other runs: {', '.join(surely)}."
    return "No parameter tells them from other runs."


def _varies(runs: Sequence[RunRow], name: str) -> bool:
    values: list[Any] = [run.config.get(name) for run in runs]
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return are_numbers and len(set(values)) > 1


def _values(runs: Sequence[RunRow], name: str) -> list[float]:
    return [float(run.config[name]) for run in runs]
