"""A Hydra program whose optimum is known: performance is (x - 0.3)**2 + fold_id + the shape's lift."""

import os
from pathlib import Path

import hydra
from omegaconf import DictConfig


@hydra.main(config_path="conf", config_name="bowl", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Return how far x is from its best place."""
    Path("seen").mkdir(exist_ok=True)
    if cfg.fail_at is not None and cfg.x > cfg.fail_at:
        raise MemoryError("no room") if cfg.memory else ValueError("x is too large")
    (Path("seen") / f"{os.getpid()}-{cfg.fold_id}-{cfg.seed}").write_text(str(cfg.x))
    return (cfg.x - 0.3) ** 2 + cfg.fold_id + cfg.shape.lift


if __name__ == "__main__":
    main()
