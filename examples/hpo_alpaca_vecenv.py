"""Train a portfolio agent on one walk-forward fold, as a Hydra program; ``-m`` searches its hyperparameters.

    python examples/hpo_alpaca_vecenv.py --config-name=alpaca_ppo
    python examples/hpo_alpaca_vecenv.py --config-name=alpaca_ppo -m hydra.sweeper.n_trials=50 gpu_id=0

The function returns the negative Sharpe ratio on the fold's validation bars, for the sweeper minimises, and
beside it what the verdict needs: which bars it saw, and in its folder the returns. Where it cannot be judged
(fewer than ``min_trades`` trades, or weights that are no numbers) the ratio is NaN, which is infeasible.
"""
# ruff: noqa: PLC0415 - what is slow to import waits until the options are read: --help answers at once

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from sharpen.facts import INFEASIBLE, LOCKBOX_SHARPE, SHARPE

if TYPE_CHECKING:
    from sharpen.folds import Fold
    from sharpen.objectives.fold_jobs import Keep, TrainingResult
    from sharpen.objectives.rl.checkpoints import FoldCheckpoint
    from sharpen.objectives.rl.market_data import MarketData
    from sharpen.objectives.rl.portfolio import PortfolioSettings

log = logging.getLogger(__name__)

TOLD_EVERY_S = 10.0
SAME = {"num_envs": "n_envs"}
"""Names of ElegantRL's demo for settings of the agents here."""


def preload() -> None:
    """Import what takes long, once for all runs: sharpen forks them off a process that has done this."""
    import torch  # noqa: F401

    import sharpen.objectives.rl.portfolio  # noqa: F401


@hydra.main(config_path="configs", config_name="alpaca_ppo", version_base="1.3")
def train_and_evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Return the negative validation Sharpe ratio of one configuration on one fold, with its figures."""
    import torch

    from sharpen.data import load
    from sharpen.folds import lockbox_start
    from sharpen.objectives.program import bars_facts
    from sharpen.objectives.progress import closing_line, lockbox_figures, progress, write_returns
    from sharpen.objectives.rl.portfolio import PortfolioSettings

    torch.set_num_threads(1)  # runs share the cores
    config = settings_of(cfg)
    settings = PortfolioSettings.of(config)
    bars = load(config.get("data", "us20"))
    cut = lockbox_start(len(bars.panel), config.get("lockbox_share", 0.2))
    summary = bars_facts(bars, cut).to_summary()
    data, fold = bars_of(bars.panel, cut, settings, config)
    result = train_on(data, fold, settings, config)
    if result.score is None:
        log.warning("fold %d: infeasible: %s", fold.number, result.problem)
        return {"performance": float("nan"), "summary": {**summary, INFEASIBLE: result.problem}}
    write_returns([result.score], Path(HydraConfig.get().runtime.output_dir) / "returns.parquet")
    if config["stage"] == "lockbox":
        figures = lockbox_figures(result.score)
        return {"performance": -figures[LOCKBOX_SHARPE], **figures, "summary": summary}
    so_far = progress([result.score], float(config.get("min_trades", 5)))
    log.info("fold %d: %s", fold.number, closing_line([result.score], so_far.infeasible))
    if so_far.infeasible:
        summary = {**summary, INFEASIBLE: so_far.infeasible}
    return {"performance": -so_far.metrics[SHARPE], **so_far.metrics, "summary": summary}


def bars_of(
    panel: Any, cut: int, settings: PortfolioSettings, config: dict[str, Any]
) -> tuple[MarketData, Fold]:
    """Return the bars and the fold of a stage: one of the search, or all development bars and the lockbox."""
    from sharpen.folds import Fold, WalkForward, split
    from sharpen.objectives.program import in_order_of
    from sharpen.objectives.rl.market_data import market_data

    seen = (settings.technicals, settings.columns, settings.scaling)
    if config["stage"] == "lockbox":
        whole = market_data(panel, *seen)
        return whole, Fold(0, whole.warmup_bars, cut, cut, len(whole))
    data = market_data(in_order_of(config["permutation_seed"], panel.slice(0, cut)), *seen)
    plan = WalkForward(n_folds=int(config["n_folds"]), train_ratio=float(config.get("train_ratio", 0.8)))
    return data, split(len(data), plan, first_bar=data.warmup_bars)[int(config["fold_id"])]


def train_on(
    data: MarketData, fold: Fold, settings: PortfolioSettings, config: dict[str, Any]
) -> TrainingResult[FoldCheckpoint]:
    """Train on a fold, from the checkpoint ``load`` if there is one; keep another as ``save`` if asked."""
    from sharpen.objectives.fold_jobs import FoldJob, RunCheckpoint
    from sharpen.objectives.rl import checkpoints
    from sharpen.objectives.rl.portfolio import train

    begun = None
    about = {**settings.flat, "seed": int(config["seed"])}
    if config["load"]:
        restored = checkpoints.go_on(checkpoints.load(Path(config["load"])), about)
        begun = restored.folds.get(fold.number)
    job = FoldJob(settings, fold, int(config["seed"]), begun, is_parent=bool(config["save"]))
    result = train(
        data, [job], device_of(config), telling(fold, settings.break_step, int(config["n_folds"]))
    )[0]
    if config["save"] and result.checkpoint is not None:
        kept = RunCheckpoint(about, (), {fold.number: result.checkpoint})
        checkpoints.save(kept, Path(config["save"]))
    return result


def telling(fold: Fold, break_step: int, n_folds: int) -> Keep[FoldCheckpoint]:
    """Return what says on stderr, every few seconds, how far the training is."""
    bars_name = f"fold {fold.number} of {n_folds}" if fold.number else "the lockbox"
    began = told_at = time.monotonic()
    print(f"{bars_name}: {break_step:,} steps of training", file=sys.stderr, flush=True)

    def tell(at_work: Callable[[], Mapping[int, FoldCheckpoint]]) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at < TOLD_EVERY_S:
            return
        told_at = now
        for one in at_work().values():
            looked = "" if one.best.weights is None else f", best Sharpe on the tail {one.best.sharpe:.2f}"
            done = f"{min(one.n_steps, break_step):,} of {break_step:,} steps"
            line = f"{bars_name}: {done}, {now - began:.0f} s{looked}"
            print(line, file=sys.stderr, flush=True)

    return tell


def settings_of(cfg: DictConfig) -> dict[str, Any]:
    """Return the plain values of a configuration, by the names of the settings here."""
    values = cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))
    groups = ("search_space", "sweeper")
    values = {"stage": "search", "permutation_seed": None, "load": None, "save": None} | values
    return {SAME.get(name, name): value for name, value in values.items() if name not in groups}


def device_of(config: dict[str, Any]) -> str:
    """Return the graphics card of ``gpu_id``; the processor for -1, or where there is no card."""
    import torch

    gpu = int(config.get("gpu_id", -1))
    return f"cuda:{gpu}" if gpu >= 0 and torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    train_and_evaluate()
