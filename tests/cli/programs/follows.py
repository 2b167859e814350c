"""A strategy that follows yesterday's move, on bars that trend; it knows permuted histories.

A file beside it stands for the data; others make it fail, hang or say nothing on a permuted history.
"""

import time
from pathlib import Path

import numpy as np

from sharpen import tracking
from sharpen.bars import Panel
from sharpen.permutation import permuted
from sharpen.seeds import rng_for

HERE = Path(__file__).parent
N = 300


def trending():
    rng = rng_for(0, "trend")
    move = np.zeros((N, 1))
    for t in range(1, N):
        move[t] = 0.8 * move[t - 1] + rng.normal(0, 0.01, 1)
    close = 100 * np.exp(np.cumsum(move, axis=0))
    open_ = np.concatenate([close[:1], close[:-1]])
    days = (np.datetime64("2015-01-01") + np.arange(N)).astype("datetime64[us]")
    ends = np.maximum(open_, close), np.minimum(open_, close)
    return Panel(("A",), days, open_, *ends, close, np.ones((N, 1)))


def sharpe(returns):
    return float(returns.mean() / returns.std() * np.sqrt(252))


def main():
    with tracking.init(config={"tilt": 0}) as run:
        bars = trending()
        run.summary["data/hash"] = (HERE / "version.txt").read_text()
        if run.stage == "permuted":
            (HERE / f"history-{run.permutation_seed}").touch()
            if (HERE / "fails").exists():
                raise MemoryError("no room for history")
            while (HERE / "hangs").exists():
                time.sleep(0.01)
            if (HERE / "silent").exists():
                return
            bars = permuted(bars, rng_for(run.permutation_seed, "bars"))
        move = np.diff(np.log(bars.close[:, 0]))
        (HERE / f"{run.stage}.txt").write_text("kept")
        run.log_artifact(HERE / f"{run.stage}.txt", name="returns", type="file")
        score = sharpe(np.sign(move[:-1]) * move[1:] + 0.001 * run.config["tilt"])
        run.log({"score": score, "baseline/sharpe": sharpe(move)}, step=1)


if __name__ == "__main__":
    main()
