"""One of a crowd: it may host, takes runs, reports without a pause, and writes down what was stored."""

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path

import sharpen.coordinator.host  # noqa: F401 - all have it when the race begins
from sharpen.coordinator import connect, hostname, process_identity
from sharpen.errors import Refused

N_STEPS = 60


def score(run_id, step):
    return step + int(run_id.partition("-")[2]) / 64


def work(client, sweep_id, note):
    name = f"{hostname()}-{os.getpid()}"
    place = {"host": hostname(), "pid": os.getpid(), "born": process_identity(os.getpid())}
    client.call("join", sweep_id=sweep_id, agent_id=name, **place)
    n_asked = 0
    while True:
        n_asked += 1
        answer = client.call("lease", sweep_id=sweep_id, agent_id=name, key=f"{name}/{n_asked}")
        if "over" in answer:
            return
        if "run" not in answer:
            time.sleep(0.02)
            continue
        lease = {"run_id": answer["run"]["run_id"], "token": answer["run"]["token"]}
        for step in range(1, N_STEPS + 1):
            began = time.monotonic()
            client.call("report", **lease, rows=[[step, {"score": score(lease["run_id"], step)}]])
            note(lease["run_id"], lease["token"], step, time.monotonic() - began)
        with contextlib.suppress(Refused):  # asked again, when a host died between its commit and its answer
            client.call("exit", **lease, exit_code=0, last_words="")
            note(lease["run_id"], lease["token"], None, 0.0)


def main(home, sweep_id, acks, go):
    descriptor = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(*words):
        os.write(descriptor, json.dumps(words).encode() + b"\n")

    print("up", flush=True)
    while not go.exists():
        time.sleep(0.001)
    with connect(home) as client:
        hosts = any(thread.name == "sharpen-host" for thread in threading.enumerate())
        print("hosts" if hosts else "connects", flush=True)
        work(client, sweep_id, note)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
