"""A program of several metrics: a larger tilt has a better score, a larger drawdown and fewer trades."""

from sharpen import tracking

if __name__ == "__main__":
    with tracking.init(config={"tilt": 0}) as run:
        tilt = run.config["tilt"]
        run.log({"score": 0.5 * tilt, "drawdown": 0.1 * tilt, "n_trades": 40 - 5 * tilt}, step=1)
