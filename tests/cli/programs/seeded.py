"""A strategy that is brilliant under one seed, ruinous under every other, and flat without a tilt."""

from sharpen import tracking

LUCKY_SEED = 3

if __name__ == "__main__":
    with tracking.init(config={"tilt": 0}) as run:
        run.summary["seed"] = run.seed
        luck = 4.0 if run.seed == LUCKY_SEED else -5.0
        if run.stage == "lockbox":
            run.log({"luck": luck})
        run.log({"score": run.config["tilt"] * luck + 0.5, "luck": luck}, step=1)
