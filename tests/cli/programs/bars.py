"""A program that says which bars it saw; files beside it stand for data, failing defaults, a shared file."""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import polars as pl

from sharpen import tracking

HERE = Path(__file__).parent
N = 40


def meet():
    """Wait until both programs have written."""
    (HERE / f"{os.getpid()}.wrote").touch()
    for _ in range(2000):
        if len(list(HERE.glob("*.wrote"))) == 2:
            return
        time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tilt", type=int, default=0)
    parser.add_argument("--data", default="theirs")
    with tracking.init(config=vars(parser.parse_args())) as run:
        data, tilt = run.config["data"], run.config["tilt"]
        version = (HERE / "version.txt").read_text()
        run.summary.update({"data/hash": f"{data} {version}", "lockbox/hash": f"end of {data} {version}"})
        if tilt == 0 and (HERE / "fails").exists():
            raise MemoryError("no room for the defaults")
        if run.stage == "lockbox":
            baseline = np.random.default_rng(len(data)).normal(0.0, 0.01, N)
            times = np.busday_offset("2020-01-01", np.arange(N), roll="forward").astype("datetime64[us]")
            columns = {"time": times, "fold": [0] * N, "ret": baseline + 0.001 * tilt, "baseline": baseline}
            shares = (HERE / "shares").exists()
            path = (HERE if shares else run.dir) / "returns.parquet"
            pl.DataFrame(columns).write_parquet(path)
            if shares:
                meet()
            run.log_artifact(path, name="returns", type="returns")
            run.log({"lockbox/sharpe": 1.0, "lockbox/baseline_sharpe": 2.0, "lockbox/tilt": tilt})
        run.log({"score": tilt})


if __name__ == "__main__":
    main()
