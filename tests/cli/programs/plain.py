"""A program that has never heard of the lockbox."""

from sharpen import tracking

if __name__ == "__main__":
    with tracking.init(config={"tilt": 0}) as run:
        run.log({"score": run.config["tilt"]}, step=1)
