"""A Hydra program that trains by steps, goes on from checkpoints, keeps returns and knows every stage."""

import json
from pathlib import Path

import hydra
import numpy as np
import polars as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sharpen.seeds import rng_for

N_BARS = 60


@hydra.main(config_path="conf", config_name="walker", version_base="1.3")
def main(cfg: DictConfig) -> dict[str, object]:
    """Return what a walk of the budget's length comes to, with what a verdict needs."""
    past = json.loads(Path(cfg.load).read_text()) if cfg.load else []
    done = past[-1][1] if past else 0
    walk = [*past, [cfg.pace, cfg.steps]]
    if cfg.save:
        Path(cfg.save).write_text(json.dumps(walk))
    fold = 9 if cfg.stage == "lockbox" else cfg.fold_id
    rng = rng_for(cfg.permutation_seed or 0, "walk", fold)
    days = np.busday_offset("2020-01-01", N_BARS * fold + np.arange(N_BARS), roll="forward")
    noise = rng_for(cfg.seed, "noise", fold).normal(0.0, 1e-4, N_BARS)
    columns = {
        "time": days.astype("datetime64[us]"),
        "fold": np.full(N_BARS, fold),
        "ret": rng.normal(0.001 * cfg.pace, 0.01, N_BARS) + noise,
        "baseline": rng.normal(0.0, 0.01, N_BARS),
    }
    pl.DataFrame(columns).write_parquet(Path(HydraConfig.get().runtime.output_dir) / "returns.parquet")
    value = float(np.mean(columns["ret"]))
    summary = {"data/hash": "walk", "lockbox/hash": "end", "walk": walk}
    return {"performance": -value, "steps_here": cfg.steps - done, "summary": summary}


if __name__ == "__main__":
    main()
