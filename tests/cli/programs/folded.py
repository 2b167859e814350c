"""A strategy of three folds whose score is its tilt, the fold's luck and the seed's.

The sweep's own seed favours a tilt of 1. A file beside it counts the programs; others make the defaults fail,
or stand for other data.
"""

from pathlib import Path

from sharpen import tracking
from sharpen.seeds import rng_for

HERE = Path(__file__).parent
SWEEP_SEED = 3


def value(tilt, fold, seed):
    lucky = 5.0 if tilt == 1 and seed == SWEEP_SEED else 0.0
    return tilt + fold + lucky + rng_for(seed, "luck", fold, tilt).normal(0.0, 0.05)


def main():
    with tracking.init(config={"tilt": 0}) as run:
        tilt = run.config["tilt"]
        with (HERE / "calls.txt").open("a") as file:
            file.write(f"{run.stage} {tilt} {run.seed}\n")
        if tilt == 0 and not run.in_sweep and (HERE / "fails").exists():
            raise MemoryError("no room for the defaults")
        run.summary["data/hash"] = (HERE / "bars").read_text() if (HERE / "bars").exists() else "one"
        if run.stage == "lockbox":
            run.log({"score": tilt})
            return
        values = []
        for fold in (1, 2, 3):
            values.append(value(tilt, fold, run.seed))
            mean = sum(values) / len(values)
            run.log({"score": mean, "fold/score": values[-1], "baseline/sharpe": 2.5}, step=fold)


if __name__ == "__main__":
    main()
