"""Opens a store to write, and dies of SIGKILL after so many steps of SQLite's work."""

import os
import signal
import sys
from pathlib import Path

import sqlalchemy as sa

from sharpen.store.sqlite import open_writer

STEP = 10


def main(home, n_steps):
    done = {"steps": 0}

    def count():
        done["steps"] += STEP
        if done["steps"] >= n_steps:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def connected(connection, record):
        connection.set_progress_handler(count, STEP)

    sa.event.listen(sa.Engine, "connect", connected)
    open_writer(home).dispose()
    print(done["steps"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
