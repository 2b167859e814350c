"""The constraints that runs broke, by how much, and what to tell people of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharpen.spec import Constraint
from sharpen.store.configurations import Configuration
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.trial import TrialState, finite

ENDED = (TrialState.FINISHED, TrialState.STOPPED)


@dataclass(frozen=True, slots=True)
class Violation:
    """A constraint that a run broke.

    Attributes:
        constraint: Which.
        value: What the run logged last; NaN when that was not a number, None when it never logged it.
    """

    constraint: Constraint
    value: float | None

    @property
    def size(self) -> float:
        """By how much it was broken, in units of the bound's size."""
        return self.constraint.violation(math.nan if self.value is None else self.value)

    @property
    def sentence(self) -> str:
        """The violation in words.

        >>> Violation(Constraint("val/n_trades", ">=", 30), 24.0).sentence
        'val/n_trades 24, needs >= 30'
        """
        return f"{self.constraint.metric} {self.shown}, needs {self.constraint.op} {self.constraint.bound:g}"

    @property
    def shown(self) -> str:
        """What was logged, in words."""
        if self.value is None:
            return "never logged"
        return "not a number" if math.isnan(self.value) else f"{self.value:.4g}"


Violations = Mapping[int, tuple[Violation, ...]]


def violations(reader: Reader, runs: Iterable[RunRow], constraints: Sequence[Constraint]) -> Violations:
    """Return what each run broken, by its number, for those that broke a constraint and were not called off.

    Args:
        reader: The store.
        runs: Of one sweep.
        constraints: The sweep's.
    """
    broke = {run.id: run for run in runs if run.violation > 0 and run.state in ENDED}
    last = reader.tracked.last_of_all(list(broke))
    return {run.number: _broken(last.get(run_id, {}), constraints) for run_id, run in broke.items()}


def _broken(logged: Mapping[str, Any], constraints: Sequence[Constraint]) -> tuple[Violation, ...]:
    violations = [Violation(c, finite(logged[c.metric]) if c.metric in logged else None) for c in constraints]
    return tuple(violation for violation in violations if violation.size > 0)


def counts(runs: Collection[RunRow], broken: Violations, constraints: Sequence[Constraint]) -> dict[str, int]:
    """Return how many finished runs broke each constraint, by the constraint in words."""
    finished = {run.number for run in runs if run.state == TrialState.FINISHED}
    broke = [violation.constraint for n, row in broken.items() if n in finished for violation in row]
    return {str(c): broke.count(c) for c in constraints}


def none_kept(tried: Sequence[Configuration], broken: Violations, constraints: Sequence[Constraint]) -> str:
    """Return a sentence on constraints that no finished configuration kept, with the nearest violations.

    It is empty when one did, and when none has finished. A configuration breaks a constraint when one of its
    runs does, by as much as the worst of them.

    Args:
        tried: What the search tried: with repeats several runs each, without them a run.
        broken: What each run broken, by its number.
        constraints: The sweep's.
    """
    finished = [one for one in tried if one.row.state == TrialState.FINISHED]
    if not finished or any(not _worst(one, broken) for one in finished):
        return ""
    of_several = any(len(one.runs) > 1 for one in finished)
    unit_plural = "finished configurations" if of_several else "finished runs"
    parts: list[str] = []
    for constraint in constraints:
        near = [worst[constraint] for one in finished if constraint in (worst := _worst(one, broken))]
        if not near:
            continue
        number, violation = min(near, key=lambda at: (at[1].size, at[0]))
        nearest = (
            f"nearest: run {number} with {violation.shown}"
            if violation.value is not None
            else "none logged it"
        )
        parts.append(f"{len(near)} of {len(finished)} {unit_plural} broke {constraint} ({nearest})")
    unit = (
        "configuration kept the constraints under all of its seeds"
        if of_several
        else "run kept the constraints"
    )
    return f"no {unit}: {'; '.join(parts)}"


def _worst(one: Configuration, broken: Violations) -> dict[Constraint, tuple[int, Violation]]:
    """Return the worst violation of each constraint that runs of a configuration broke, and whose it is."""
    worst: dict[Constraint, tuple[int, Violation]] = {}
    for run in one.runs:
        for violation in broken.get(run.number, ()):
            if violation.constraint not in worst or violation.size > worst[violation.constraint][1].size:
                worst[violation.constraint] = run.number, violation
    return worst
