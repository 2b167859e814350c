"""Train a portfolio agent on one walk-forward fold, as a Hydra program; ``-m`` searches its hyperparameters.

    python examples/hpo_alpaca_vecenv.py --config-name=alpaca_ppo
    python examples/hpo_alpaca_vecenv.py --config-name=alpaca_ppo -m hydra.sweeper.n_trials=50 gpu_id=0

The function returns the negative Sharpe ratio on the fold's validation bars, for the sweeper minimises. Where
it cannot be judged (fewer than ``min_trades`` trades, or weights that are no numbers) it returns NaN, which
is infeasible.
"""
# ruff: noqa: PLC0415 - what is slow to import waits until the options are read: --help answers at once

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

log = logging.getLogger(__name__)

SAME = {"num_envs": "n_envs"}
"""Names of ElegantRL's demo for settings of the agents here."""


@hydra.main(config_path="configs", config_name="alpaca_ppo", version_base="1.3")
def train_and_evaluate(cfg: DictConfig) -> float:
    """Return the negative validation Sharpe ratio of one configuration on one fold; NaN when infeasible."""
    import torch

    from sharpen.data import load
    from sharpen.folds import WalkForward, lockbox_start, split
    from sharpen.objectives.progress import closing_line, progress, write_returns
    from sharpen.objectives.rl.market_data import market_data
    from sharpen.objectives.rl.portfolio import Job, PortfolioSettings, train

    torch.set_num_threads(1)  # runs share the cores
    config = settings_of(cfg)
    settings = PortfolioSettings.of(config)
    panel = load(config.get("data", "us20")).panel
    development = panel.slice(0, lockbox_start(len(panel), config.get("lockbox_share", 0.2)))
    data = market_data(development, settings.technicals, settings.columns, settings.scaling)
    plan = WalkForward(n_folds=int(config["n_folds"]), train_ratio=float(config.get("train_ratio", 0.8)))
    fold = split(len(data), plan, first_bar=data.warmup_bars)[int(config["fold_id"])]
    outcome = train(data, [Job(settings, fold, int(config["seed"]))], device_of(config))[0]
    if outcome.score is None:
        log.warning("fold %d: infeasible: %s", fold.number, outcome.problem)
        return float("nan")
    found = progress([outcome.score], float(config.get("min_trades", 5)))
    write_returns([outcome.score], Path(HydraConfig.get().runtime.output_dir) / "returns.parquet")
    log.info("fold %d: %s", fold.number, closing_line([outcome.score], found.infeasible))
    return -found.metrics["val/sharpe"]


def settings_of(cfg: DictConfig) -> dict[str, Any]:
    """Return the plain values of a configuration, by the names of the settings here."""
    values = cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))
    groups = ("search_space", "sweeper")
    return {SAME.get(name, name): value for name, value in values.items() if name not in groups}


def device_of(config: dict[str, Any]) -> str:
    """Return the graphics card of ``gpu_id``; the processor for -1, or where there is no card."""
    import torch

    gpu = int(config.get("gpu_id", -1))
    return f"cuda:{gpu}" if gpu >= 0 and torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    train_and_evaluate()
