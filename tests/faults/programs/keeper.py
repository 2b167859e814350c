"""A program that keeps a file of a megabyte and a half with its run, when it may."""

import random
import time
from pathlib import Path

from sharpen import tracking


def main():
    with tracking.init() as run:
        Path("model.bin").write_bytes(random.Random(1).randbytes(1_500_000))
        run.log({"score": 1.0}, step=1)
        Path("ready").touch()
        while not Path("go").exists():
            time.sleep(0.01)
        run.log_artifact("model.bin", type="model")
        run.log({"score": 2.0}, step=2)


if __name__ == "__main__":
    main()
