"""The best configurations of a sweep once more with fresh seeds, beside the default and the previous best.

What each came to is kept in the store's folder as it ends, so that whoever is interrupted goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sharpen.overfit import PairedTest, holm, paired_test
from sharpen.regular_file import read_text
from sharpen.spec import Metric

LEVEL = 0.05
DEFAULT = "default"
PREVIOUS = "previous best"
Role = Literal["finalist", "default", "previous best"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration to be compared.

    Attributes:
        name: The run that had it; ``default`` for the program's own.
        role: Why it is here.
        sweep_id: Whose program carries it out.
        config: By dotted name.
        fidelity: What to spend on it; None for the whole.
        searched: The score that the search saw; None for the default.
    """

    name: str
    role: Role
    sweep_id: str
    config: Mapping[str, Any]
    fidelity: float | None = None
    searched: float | None = None

    @property
    def key(self) -> str:
        """What its evaluations are kept under: equal configurations share them."""
        about = [self.sweep_id, sorted(self.config.items()), self.fidelity]
        return hashlib.sha256(json.dumps(about, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class FinalistScore:
    """What a configuration came to under one seed.

    Attributes:
        key: The candidate's.
        seed: What it was trained with.
        score: The metric as logged last; None when it was infeasible.
        folds: Each fold's own value, by the fold's step; empty where the program logs none.
        baseline: Buy-and-hold's, if the program says it.
        facts: What it said of its bars.
        problem: Why it must not be chosen; empty when it may be.
        has_failed: Whether it was the program that failed: another try may do better, so it is not kept.
    """

    key: str
    seed: int
    score: float | None
    folds: Mapping[str, float] = field(default_factory=dict[str, float])
    baseline: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    problem: str = ""
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class FinalistComparison:
    """A finalist beside a configuration that it should beat.

    Attributes:
        name: The finalist.
        against: What it is compared with.
        test: Of the paired differences, larger is better; None where there is nothing to pair.
        p: Of the test, with what the number of comparisons asks for added.
        why: Why there is no test.
    """

    name: str
    against: str
    test: PairedTest | None
    p: float = math.nan
    why: str = ""

    @property
    def is_better(self) -> bool:
        """Whether the finalist is told from the other, and better."""
        return self.test is not None and self.test.mean > 0.0 and self.p < LEVEL


@dataclass(frozen=True, slots=True)
class Finalists:
    """All candidates with what they came to.

    Attributes:
        metric: What scores.
        candidates: The finalists, the best of the search first, then those that they are compared with.
        evaluations: By the candidate's key, one a seed.
    """

    metric: Metric
    candidates: tuple[Candidate, ...]
    evaluations: Mapping[str, tuple[FinalistScore, ...]]

    def of(self, candidate: Candidate) -> tuple[FinalistScore, ...]:
        """Return what a candidate came to under each seed."""
        return self.evaluations.get(candidate.key, ())

    def problem(self, candidate: Candidate) -> str:
        """Return why a candidate must not be chosen; empty when it may be."""
        evaluations = self.of(candidate)
        return next(
            (one.problem for one in evaluations if one.problem), "" if evaluations else "not carried out"
        )

    def mean(self, candidate: Candidate) -> float:
        """Return the mean of the scores, as logged; NaN for a candidate with a problem."""
        scores = [one.score for one in self.of(candidate) if one.score is not None]
        return math.nan if self.problem(candidate) or not scores else math.fsum(scores) / len(scores)

    @property
    def baseline(self) -> float | None:
        """Buy-and-hold's Sharpe ratio on the same folds, None where the program does not say it.

        Its sign is turned where the metric is minimised, as is that of a ratio there.
        """
        baselines = [one.baseline for evaluations in self.evaluations.values() for one in evaluations]
        value = next((value for value in baselines if value is not None), None)
        return value if value is None or self.metric.goal == "maximize" else -value

    @property
    def chosen(self) -> Candidate | None:
        """The finalist of the best mean; None when all have problems."""
        fit = [one for one in self.candidates if one.role == "finalist" and not self.problem(one)]
        return max(fit, key=lambda one: self.metric.larger_is_better(self.mean(one)), default=None)

    @property
    def comparisons(self) -> tuple[FinalistComparison, ...]:
        """Each finalist beside the default and the previous best, p-values adjusted for all of them."""
        others = [one for one in self.candidates if one.role != "finalist"]
        pairs = [(a, b) for a in self.candidates if a.role == "finalist" for b in others]
        compared = [self._compare(a, b) for a, b in pairs]
        adjusted = holm([one.test.p if one.test else math.nan for one in compared])
        return tuple(
            FinalistComparison(one.name, one.against, one.test, p, one.why)
            for one, p in zip(compared, adjusted, strict=True)
        )

    def _compare(self, ours: Candidate, theirs: Candidate) -> FinalistComparison:
        if ours.key == theirs.key:
            return FinalistComparison(ours.name, theirs.role, None, why="the same configuration")
        for one in (ours, theirs):
            if problem := self.problem(one):
                return FinalistComparison(ours.name, theirs.role, None, why=f"{one.name}: {problem}")
        mine, other = self._units(ours), self._units(theirs)
        shared = sorted(set(mine) & set(other))
        if len(shared) < 2:
            return FinalistComparison(
                ours.name, theirs.role, None, why="fewer than two folds or seeds in common"
            )
        turn = self.metric.larger_is_better
        a, b = (np.array([turn(values[unit]) for unit in shared]) for values in (mine, other))
        return FinalistComparison(ours.name, theirs.role, paired_test(a, b))

    def _units(self, candidate: Candidate) -> dict[str, float]:
        """Return what is paired: each fold's mean over the seeds, or each seed's score without folds.

        Seeds of a fold share its bars, so they are no more evidence than the fold is.
        """
        evaluations = self.of(candidate)
        steps = set[str].intersection(*(set(one.folds) for one in evaluations)) if evaluations else set[str]()
        if not steps:
            return {str(one.seed): one.score for one in evaluations if one.score is not None}
        return {step: math.fsum(one.folds[step] for one in evaluations) / len(evaluations) for step in steps}

    @property
    def has_folds(self) -> bool:
        """Whether folds are what is paired, and not seeds."""
        return any(one.folds for evaluations in self.evaluations.values() for one in evaluations)


def folder_of(home: Path, sweep_id: str) -> Path:
    """Return where what is known of a sweep's finalists is kept."""
    return home / "finalists" / sweep_id


def keep(home: Path, sweep_id: str, evaluation: FinalistScore) -> None:
    """Keep an evaluation; what a crash cuts off is not taken for one."""
    with (folder_of(home, sweep_id) / "evaluations.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(evaluation)) + "\n")


def kept_evaluations(home: Path, sweep_id: str) -> tuple[FinalistScore, ...]:
    """Return the evaluations that are kept for a sweep, the oldest first."""
    try:
        lines = read_text(folder_of(home, sweep_id) / "evaluations.jsonl").splitlines()
    except OSError:
        return ()
    return tuple(evaluation for line in lines if (evaluation := _read(line)))


def _read(line: str) -> FinalistScore | None:
    try:
        return FinalistScore(**json.loads(line))
    except (ValueError, TypeError):
        return None


def figures(finalists: Finalists) -> dict[str, Any]:
    """Return all of it for programs, as JSON can hold it; NaN is None."""
    candidates = [
        {
            **{"name": one.name, "role": one.role, "config": dict(one.config), "searched": one.searched},
            "mean": finalists.mean(one),
            "seeds": {str(evaluation.seed): evaluation.score for evaluation in finalists.of(one)},
            "problem": finalists.problem(one),
        }
        for one in finalists.candidates
    ]
    comparisons = [_comparison(one) for one in finalists.comparisons]
    chosen = finalists.chosen
    about = {"metric": finalists.metric.name, "baseline": finalists.baseline, "paired": _paired(finalists)}
    return {
        **about,
        "chosen": chosen.name if chosen else None,
        "candidates": candidates,
        "comparisons": comparisons,
    }


def _paired(finalists: Finalists) -> str:
    return "folds" if finalists.has_folds else "seeds"


def _comparison(one: FinalistComparison) -> dict[str, Any]:
    row: dict[str, Any] = {"name": one.name, "against": one.against, "why": one.why}
    if one.test is not None:
        interval = [one.test.interval.low, one.test.interval.high]
        row |= {"n": one.test.n, "difference": one.test.mean, "interval": interval}
        row |= {"p": one.test.p, "p_holm": one.p, "is_better": one.is_better}
    return row


def sentence(comparisons: Sequence[FinalistComparison]) -> str:
    """Return what the comparisons say, in a sentence or two."""
    tests = [one for one in comparisons if one.test is not None]
    if not tests:
        why = next((one.why for one in comparisons if one.why), "there is nothing to compare with")
        return f"Nothing could be compared: {why}."
    n = f"Holm's correction for {len(tests)} comparison{'s' if len(tests) > 1 else ''}"
    better = [
        f"{one.name} is better than the {one.against} (p = {one.p:.2g})" for one in tests if one.is_better
    ]
    worse = [
        f"{one.name} is worse than the {one.against} (p = {one.p:.2g})"
        for one in tests
        if one.test is not None and one.test.mean < 0.0 and one.p < LEVEL
    ]
    if clauses := [*better, *worse]:
        return f"{'; '.join(clauses)}. p-values are two-sided, with {n}."
    others = " or the ".join(dict.fromkeys(one.against for one in tests))
    return f"No finalist is told from the {others} (p-values are two-sided, with {n})."
