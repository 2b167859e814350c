# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A run on the disk, with all that it needs to go on as if there had been no break, as safetensors.

A file holds the folds that are scored, and of each fold in training the whole member: weights, optimizer,
environments, replay, random stream, and the best weights so far.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sharpen.errors import DataError, UsageError
from sharpen.objectives.fold_jobs import RunCheckpoint
from sharpen.objectives.fold_score import FoldScore
from sharpen.objectives.rl.agent import AgentSnapshot
from sharpen.objectives.rl.population import PACE
from sharpen.objectives.rl.settings import PER_MEMBER

BUDGET = "break_step"
_ARRAYS = ("time", "returns", "baseline", "val_trade_returns")
_NUMBERS = tuple(f.name for f in fields(FoldScore) if f.name not in (*_ARRAYS, "stress"))


@dataclass(frozen=True)
class BestWeights:
    """The best weights of a member so far, by the tail's Sharpe ratio; None before the first look."""

    sharpe: float = -float("inf")
    step: int = 0
    weights: AgentSnapshot | None = None


@dataclass(frozen=True)
class FoldCheckpoint:
    """A member in training on a fold.

    Attributes:
        member: Everything of it.
        best: Its best weights so far.
        n_checks: How often the tail has been looked at since ``first_step``.
        first_step: Where its run began: 0, or where the run ended that it goes on from.
    """

    member: AgentSnapshot
    best: BestWeights
    n_checks: int = 0
    first_step: int = 0

    @property
    def n_steps(self) -> int:
        """Environment steps so far."""
        return int(self.member["n_steps"])


def save(checkpoint: RunCheckpoint[FoldCheckpoint], path: Path) -> None:
    """Write a run to a file; whoever reads it meanwhile finds the old one or the new one, whole."""
    tensors: dict[str, Tensor] = {}
    for score in checkpoint.scores:
        for name in _ARRAYS:
            values = getattr(score, name)
            raw = values.astype("datetime64[us]").astype(np.int64) if name == "time" else values
            tensors[f"score/{score.number}/{name}"] = torch.from_numpy(np.ascontiguousarray(raw))
    for number, fold in checkpoint.folds.items():
        parts = {"member": fold.member, "best": fold.best.weights or {}}
        for part, held in parts.items():
            tensors |= {f"fold/{number}/{part}/{name}": value.contiguous() for name, value in held.items()}
    about = {
        "settings": dict(checkpoint.settings),
        "scores": [{name: getattr(score, name) for name in _NUMBERS} for score in checkpoint.scores],
        "folds": {
            number: {
                "n_checks": fold.n_checks,
                "first_step": fold.first_step,
                "sharpe": fold.best.sharpe,
                "step": fold.best.step,
            }
            for number, fold in checkpoint.folds.items()
        },
    }
    part = path.with_name(f"{path.name}.part")
    save_file(tensors, part, metadata={"run": json.dumps(about)})
    part.replace(path)


def load(path: Path) -> RunCheckpoint[FoldCheckpoint]:
    """Return the run that a file holds.

    Raises:
        DataError: It is no such file, or a torn one.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        scores = tuple(_score(entry, tensors) for entry in about["scores"])
        folds = {int(number): _fold(number, entry, tensors) for number, entry in about["folds"].items()}
        return RunCheckpoint(about["settings"], scores, folds)
    except Exception as problem:
        raise DataError(f"{path} is no checkpoint of a run: {problem}") from problem


def go_on(
    checkpoint: RunCheckpoint[FoldCheckpoint], settings: Mapping[str, Any]
) -> RunCheckpoint[FoldCheckpoint]:
    """Return what a run begins from, given a checkpoint: its own, or that of the run it goes on from.

    The latter had a smaller budget. Its members go on with the hyperparameters of the new run, and its folds
    are judged anew at the new budget. Where the new run has other hyperparameters, the best weights of the
    old one are forgotten: its score is its own, and what was best in one market need not be so in another.

    Args:
        checkpoint: Where it begins.
        settings: The run's own.

    Raises:
        UsageError: The run differs in what sizes the networks or what is remembered, it has less to spend
            than what has been spent, or as much and other hyperparameters.
    """
    may_differ = {*(f"agent.{name}" for name in PER_MEMBER | PACE), BUDGET, "n_checks", *_MARKET_MAY_DIFFER}
    fixed = [k for k, v in settings.items() if k not in may_differ and checkpoint.settings.get(k) != v]
    if fixed:
        differences = ", ".join(f"{k} {checkpoint.settings.get(k)!r} and not {settings[k]!r}" for k in fixed)
        raise UsageError(
            f"the checkpoint to go on from has {differences}: a run that goes on must keep them, so make them"
            " constants of the sweep"
        )
    old_budget, new_budget = checkpoint.settings[BUDGET], settings[BUDGET]
    if old_budget == new_budget:
        if other := [name for name, value in settings.items() if checkpoint.settings.get(name) != value]:
            raise UsageError(
                f"the checkpoint to go on from has another {', '.join(other)} and the same {BUDGET}: nothing"
                f" is left to train; give a larger {BUDGET}, or begin anew"
            )
        return checkpoint
    if old_budget > new_budget:
        raise UsageError(
            f"the checkpoint to go on from is of {old_budget} steps, and {BUDGET} is {new_budget}"
        )
    is_same = all(
        checkpoint.settings.get(name) == value for name, value in settings.items() if name != BUDGET
    )
    folds = {
        number: replace(
            fold, best=fold.best if is_same else BestWeights(), n_checks=0, first_step=fold.n_steps
        )
        for number, fold in checkpoint.folds.items()
    }
    return RunCheckpoint(settings, (), folds)


_MARKET_MAY_DIFFER = frozenset(
    f"market.{name}"
    for name in ("cost_bps", "slippage_bps", "max_trade", "dead_zone", "reward_per_unit", "turbulence_limit")
)


def _score(entry: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> FoldScore:
    arrays: dict[str, Any] = {
        name: tensors[f"score/{entry['number']}/{name}"].numpy().copy() for name in _ARRAYS
    }
    arrays["time"] = arrays["time"].astype("datetime64[us]")
    return FoldScore(**entry, **arrays)


def _fold(number: str, entry: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> FoldCheckpoint:
    member, weights = (
        {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
        for start in (f"fold/{number}/member/", f"fold/{number}/best/")
    )
    best = BestWeights(entry["sharpe"], entry["step"], weights or None)
    return FoldCheckpoint(member, best, entry["n_checks"], entry["first_step"])
