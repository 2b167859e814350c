"""A toy whose first attempt kills its agent amid a report: half of the line is on its way."""

import json
import os
import signal
import socket
import time
from pathlib import Path

from sharpen import tracking
from sharpen.wire.protocol import encode_requests
from sharpen.wire.unix_socket import bindable


def main():
    from toy import N_STEPS, value, write_down  # it lies beside this one where it runs

    about = json.loads(os.environ["SHARPEN_RUN"])
    with tracking.init() as run:
        for step in range(1, N_STEPS + 1):
            if about["token"] == 1 and step == 4:
                die_amid(about, step)
            run.log({"score": value(run.config, run.seed, step)}, step=step)
            run.flush()
            write_down(about, step, os.environ["TOY_ACKS"])


def die_amid(about, step):
    lease = {"run_id": about["run_id"], "token": about["token"]}
    line = encode_requests([{"op": "report", "args": {**lease, "rows": [[step, {"score": 0.0}]]}}]) + b"\n"
    connection = socket.socket(socket.AF_UNIX)
    with bindable(Path(about["channel"].removeprefix("unix:"))) as name:
        connection.connect(name)
    connection.sendall(line[: len(line) // 2])
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)  # the kernel ends us with our agent


if __name__ == "__main__":
    main()
