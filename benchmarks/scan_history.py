"""Reading every row of a long run: the stock client's ``scan_history`` against `sharpen serve`, and ours.

    python benchmarks/scan_history.py [--rows 1000000]

Shown are the time, and the largest memory of the server and of the client. Twice, with a tenth of the rows
first: what grows with the length of the run is seen in the difference.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SCAN = """\
import resource, sys, time
if sys.argv[1] == "stock":
    import wandb
else:
    import sharpen as wandb
began = time.perf_counter()
n, total = 0, 0.0
for row in wandb.Api().run(f"local/bench/{sys.argv[2]}").scan_history(page_size=10_000):
    assert row["_step"] == n, row
    n, total = n + 1, total + row["loss"]
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(n, total, time.perf_counter() - began, peak_mb)
"""


def fill(home: Path, run_id: str, n_rows: int) -> None:
    """Write a run of so many rows."""
    from sharpen.coordinator import connect

    with connect(home) as client:
        made = client.call("create_run", run_id=run_id, key=run_id, project="bench")
        grant = {"run_id": run_id, "token": made["token"]}
        for first in range(0, n_rows, 10_000):
            rows = [(step, {"loss": 1.0, "i": step}) for step in range(first, min(first + 10_000, n_rows))]
            client.call("append_history", **grant, first_line=first, rows=rows)
        client.call("finish_run", **grant)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=1_000_000)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "store"
        for n_rows in (given.rows // 10, given.rows):
            fill(home, f"rows-{n_rows}", n_rows)
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "SHARPEN"))}
        environ |= {"HOME": name, "SHARPEN_HOME": str(home), "WANDB_ERROR_REPORTING": "false"}
        serve = [sys.executable, "-m", "sharpen", "serve", "--port", "0"]
        server = subprocess.Popen(
            serve, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert server.stdout
            for _ in range(2):
                word, value = server.stdout.readline().strip().removeprefix("export ").split("=", 1)
                environ[word] = value
            for client in ("stock", "ours"):
                for n_rows in (given.rows // 10, given.rows):
                    report(client, n_rows, environ, psutil.Process(server.pid))
        finally:
            server.terminate()
            server.wait(30)


def report(client: str, n_rows: int, environ: dict[str, str], server: psutil.Process) -> None:
    """Scan a run, and print what it took."""
    command = [sys.executable, "-c", SCAN, client, f"rows-{n_rows}"]
    scan = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, cwd=environ["HOME"])
    of_server_mb, of_core_mb = 0.0, 0.0
    while scan.poll() is None:
        of_server_mb = max(of_server_mb, server.memory_info().rss / 2**20)
        try:
            children = psutil.Process(scan.pid).children(recursive=True)
            of_core_mb = max(of_core_mb, sum(child.memory_info().rss for child in children) / 2**20)
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.2)
    assert scan.stdout
    n, total, took_s, peak_mb = (float(word) for word in scan.stdout.read().split())
    assert (n, total) == (n_rows, n_rows)
    print(
        f"{client:6} {n_rows:>9,} rows in {took_s:6.1f} s ({n_rows / took_s:,.0f}/s); "
        f"server {of_server_mb:.0f} MB, client {peak_mb:.0f} MB, its core {of_core_mb:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
