"""A program whose first attempt outlives its agent, and speaks up while the second is at work."""

import json
import os
import time
from pathlib import Path

from sharpen import tracking

SECOND, REFUSED = Path("second"), Path("refused")


def wait_for(path):
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def main():
    token = json.loads(os.environ["SHARPEN_RUN"])["token"]
    with tracking.init() as run:
        run.log({"score": token}, step=1)
        if token > 1:
            SECOND.touch()
            wait_for(REFUSED)
        else:
            wait_for(SECOND)
        try:
            run.log({"score": 10 * token}, step=2)
        except tracking.Stopped as stopped:
            REFUSED.write_text(stopped.reason)
            raise


if __name__ == "__main__":
    main()
