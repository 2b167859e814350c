"""Programs that misbehave, each in the way that its configuration names; a missing module is the last one."""

import argparse
import ctypes
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from sharpen import tracking

VALUES = {
    "nan": math.nan,
    "inf": math.inf,
    "minus-inf": -math.inf,
    "word": "fast",
    "numpy": np.float32(0.5),
    "numpy-int": np.int64(3),
    "array-of-one": np.array([0.25]),
    "huge": 10**400,
}


def leave(name, *, session):
    """Leave a process behind that goes on for ever, in a session of its own or not."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=session
    )
    Path(name).write_text(str(child.pid))


def orphan():
    leave("orphan", session=False)


def daemon():
    leave("daemon", session=True)


def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path("deaf").touch()
    while True:
        time.sleep(1)


def flood():
    line = b"x" * 99 + b"\n"
    for _ in range(1000):
        sys.stdout.buffer.write(line * 1000)


def raw():
    os.write(1, b"caf\xc3\xa9 \xff\xfe\n")


def exit_in_thread():
    print("leaving", flush=True)
    threading.Thread(target=os._exit, args=(7,)).start()
    time.sleep(1000)


def segfault():
    ctypes.string_at(0)


def missing():
    import no_such_module  # noqa: F401


def main(kind):
    run = tracking.init()
    if kind in VALUES:
        run.log({"score": VALUES[kind], "other": VALUES[kind]})
    elif kind != "silent":
        run.log({"score": 1.0})
        globals()[kind]()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind")
    main(parser.parse_args().kind)
