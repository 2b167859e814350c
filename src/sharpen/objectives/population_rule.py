"""A rule whose configurations learn side by side, as an objective of many runs."""
# ruff: noqa: PLC0415 - as just said

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sharpen.errors import UsageError
from sharpen.objectives.rule import COSTS, Decided, Rule

if TYPE_CHECKING:
    import numpy as np

    from sharpen.arrays import Floats
    from sharpen.bars import Panel
    from sharpen.objectives.fold_jobs import FoldJob, Keep, TrainingResult


@dataclass(frozen=True)
class PopulationRule:
    """Positions by a function, and by models that another function trains side by side, one a configuration.

    It is :class:`~sharpen.objectives.rule.Rule` for many runs: with one run the two earn the same. An
    interrupted run begins anew.

    Attributes:
        decide: As of a rule: ``decide(panel, config, model)`` returns positions. (T, S)
        fit: ``fit(panel, configs, rngs)`` returns a model for each configuration, in order, from a fold's
            training bars, which is all that it sees. None in place of a model says that its training broke
            down: that configuration is infeasible, and the others go on.
        options: As of a rule: the names of the settings and their default values.
        warmup_bars: Bars at the beginning without positions.
        libraries: Packages whose versions can change a figure.
    """

    decide: Callable[[Panel, Mapping[str, Any], Any], Floats]
    fit: Callable[[Panel, Sequence[Mapping[str, Any]], Sequence[np.random.Generator]], Sequence[Any]]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    warmup_bars: int = 0
    libraries: tuple[str, ...] = ("numpy",)
    checkpoints: None = field(default=None, init=False)

    @property
    def _rule(self) -> Rule:
        return Rule(self.decide, None, self.options, self.warmup_bars, self.libraries)

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the rule's settings, and what trading costs; of options that are there, change the default."""
        self._rule.add_options(parser)

    def settings(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the configuration as it is."""
        return config

    def identity(self, config: Mapping[str, Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the rule's settings and costs."""
        return {name: config[name] for name in (*self.options, *COSTS)}

    def shared(self, config: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return nothing: configurations may differ in every setting."""
        return ()

    def versions(self, config: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the versions of the rule's libraries."""
        return self._rule.versions(config)

    def prepare(self, config: Mapping[str, Any], settings: Mapping[str, Any], panel: Panel) -> Panel:
        """Return the bars: what each configuration pays to trade them is its own."""
        return panel

    def first_bar(self, examples: Panel) -> int:
        """Return how many bars warm up."""
        return self.warmup_bars

    def train(
        self,
        config: Mapping[str, Any],
        examples: Panel,
        jobs: Sequence[FoldJob[Mapping[str, Any], None]],
        keep: Keep[None] | None,
    ) -> Sequence[TrainingResult[None]]:
        """Fit the configurations of each fold together, and score each.

        Raises:
            UsageError: There is not a model for each configuration; or positions are of the wrong shape, or
                outside [-1, 1], or they look ahead.
        """
        by_fold: dict[int, list[int]] = {}
        for k, job in enumerate(jobs):
            by_fold.setdefault(job.fold.number, []).append(k)
        results: dict[int, TrainingResult[None]] = {}
        for indices in by_fold.values():
            models = self._models(examples, [jobs[k] for k in indices])
            results |= {k: self._result(examples, jobs[k], m) for k, m in zip(indices, models, strict=True)}
        return [results[k] for k in range(len(jobs))]

    def _models(self, panel: Panel, jobs: Sequence[FoldJob[Mapping[str, Any], None]]) -> Sequence[Any]:
        from sharpen.seeds import rng_for

        fold = jobs[0].fold
        bars = panel.slice(fold.train_start, fold.train_stop)
        rngs = [rng_for(job.seed, "fold", fold.number) for job in jobs]
        models = self.fit(bars, [job.settings for job in jobs], rngs)
        if len(models) != len(jobs):
            raise UsageError(
                f"fit returned {len(models)} models for {len(jobs)} configurations: return one for each"
            )
        return models

    def _result(
        self, panel: Panel, job: FoldJob[Mapping[str, Any], None], model: Any
    ) -> TrainingResult[None]:
        from sharpen.objectives.fold_jobs import TrainingResult

        if model is None:
            return TrainingResult(None, "fit returned no model")
        decided: Decided = self._rule.prepare(job.settings, panel)
        return TrainingResult(self._rule.score_model(decided, job.fold, model))
