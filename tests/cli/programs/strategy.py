"""A strategy of known returns that keeps them with its run, and knows the lockbox."""

import os
import sys
from pathlib import Path

import numpy as np
import polars as pl

from sharpen import tracking

N_FOLDS, FOLD_BARS = 3, 40


def returns(tilt, fold):
    """Return (time, returns, baseline) of a fold; the larger the tilt, the better. Fold 0 is the lockbox."""
    rng = np.random.default_rng(fold)
    start = np.datetime64("2020-01-01") + np.timedelta64(100 * fold, "D")
    time = np.busday_offset(start, np.arange(FOLD_BARS), roll="forward").astype("datetime64[us]")
    baseline = rng.normal(0.0, 0.01, FOLD_BARS)
    return time, rng.normal(0.002 * tilt, 0.01, FOLD_BARS), baseline


def frame(tilt, fold):
    time, ret, baseline = returns(tilt, fold)
    return pl.DataFrame({"time": time, "fold": [fold] * len(time), "ret": ret, "baseline": baseline})


def mean(tilt, fold):
    return float(returns(tilt, fold)[1].mean())


def main():
    file = Path(f"returns-{os.getpid()}.parquet")  # others run beside this one in the same folder
    with tracking.init(config={"tilt": 0}) as run:
        tilt = run.config["tilt"]
        print("tilt is", tilt, sys.argv[1:])
        folds = [0] if run.stage == "lockbox" else list(range(1, N_FOLDS + 1))
        for n, fold in enumerate(folds, 1):
            pl.concat(frame(tilt, each) for each in folds[:n]).write_parquet(file)
            run.log_artifact(file, name="returns", type="returns")
            run.log({"score": mean(tilt, fold), "n": n}, step=fold)
        run.summary["tilted"] = tilt > 1
        print("done")
    file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
