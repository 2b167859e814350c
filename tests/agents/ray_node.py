"""A node of a Ray cluster on an address of this machine's loopback, with GPUs that are not there."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil


class RayNode:
    """What ``ray start --block`` starts, and what that starts.

    A head keeps Ray's files in a folder with a short name, which goes with it: Ray makes sockets in it whose
    names are some 70 bytes longer, and 107 is the most.

    Args:
        folder: For its log.
        ip: Its address.
        head: The address of the head; the node is one where there is none.
        n_cpus: How many processors it has.
        n_gpus: How many GPUs it says that it has.
        variables: Of its environment.
    """

    def __init__(self, folder, ip="127.0.0.2", head="", n_cpus=2, n_gpus=0, **variables):
        self.address = head
        words = [f"--address={head}"]
        if not head:
            with socket.socket() as probe:
                probe.bind((ip, 0))
                self.address = f"{ip}:{probe.getsockname()[1]}"
            port = self.address.rpartition(":")[2]
            words = ["--head", f"--port={port}", "--include-dashboard=false"]
        self.is_head = not head
        self.ray_folder = ""
        self.log = folder / f"ray-{ip}.log"
        self.words = [
            *(str(Path(sys.executable).with_name("ray")), "start", "--block", *words),
            *(f"--num-cpus={n_cpus}", f"--num-gpus={n_gpus}", f"--node-ip-address={ip}"),
            *("--min-worker-port=0", "--max-worker-port=0"),
        ]
        self.environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", **variables}

    def start(self):
        words = list(self.words)
        if self.is_head:
            self.ray_folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
            words.append(f"--temp-dir={self.ray_folder}")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                words,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        while "Ray runtime started" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    def lose(self):
        """Kill all of the machine."""
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.process.pid)
            for one in (top, *top.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        self.process.wait()
        if self.ray_folder:
            shutil.rmtree(self.ray_folder, ignore_errors=True)


def working_on(sweep_id):
    """Return the processes that have a sweep among their words."""
    return [one for one in psutil.process_iter(["cmdline"]) if sweep_id in (one.info["cmdline"] or [])]
