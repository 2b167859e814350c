"""Many runs that log to one server at once: what is lost, and how long an answer takes.

    python benchmarks/server_load.py [--runs 64] [--lines-per-s 10] [--posts-per-s 1] [--seconds 60] [--kill]

Each run speaks as the stock client does: a request makes it, then each request brings its newest lines with
their place, and is sent again, unchanged, when no answer came. The client sends once a second when
WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL=1 is set (``--posts-per-s 1``), and every 15 s by default. With
``--kill`` the server is killed (``kill -9``) after a third and after two thirds of the time, and started
again on the same port. At the end every line is read from the store and compared with what was sent.

The load is made by this one process; server and load share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

UPSERT = (
    "mutation M($name: String, $project: String) { upsertBucket(input: {name: $name, modelName: $project}) "
    "{ bucket { id name } inserted } }"
)


@dataclass
class Server:
    """A server that can be killed and started again at its address."""

    home: Path
    port: int = 0
    key: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [
            sys.executable,
            "-m",
            "sharpen",
            "--home",
            str(self.home),
            "serve",
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        url, key = (self.process.stdout.readline().split("=", 1)[1].strip() for _ in range(2))
        self.port = int(url.rpartition(":")[2])
        self.key = self.key or key

    def cpu_s(self) -> float:
        """Return the processor time of the server since it was started."""
        assert self.process
        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system

    def kill(self) -> None:
        """Kill it without a warning."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Let it end."""
        assert self.process
        self.process.terminate()
        self.process.wait(30)


@dataclass
class Line:
    """One keep-alive connection, opened anew when it breaks."""

    server: Server
    waits_s: list[float] = field(default_factory=list)
    made_s: float = 0.0
    n_again: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: Any) -> Any:
        """Return the answer to a request, which is sent until there is one."""
        data = json.dumps(body).encode()
        auth = base64.b64encode(f"api:{self.server.key}".encode()).decode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {auth}\r\n"
        request = (
            f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
        )
        while True:
            began = time.perf_counter()
            try:
                status, answer = await self._exchange(request)
            except (OSError, EOFError, ValueError):
                self.ends, self.n_again = None, self.n_again + 1
                await asyncio.sleep(0.2)
                continue
            self.waits_s.append(time.perf_counter() - began)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status < 500:
                return json.loads(answer)
            self.n_again += 1
            await asyncio.sleep(0.2)

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self.ends is None:
            self.ends = await asyncio.open_connection("127.0.0.1", self.server.port)
        reader, writer = self.ends
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0])
        return int(head.split()[1]), await reader.readexactly(length)


def line(run: int, index: int) -> dict[str, Any]:
    """Return what a run logs at a step."""
    return {"_step": index, "_timestamp": 1.7e9 + index, "loss": run + 1 / (index + 1), "place": index}


async def log(link: Line, run: int, given: argparse.Namespace) -> int:
    """Log for some time, and return how many lines were answered for."""
    name = f"load-{run}"
    await link.post("/graphql", {"query": UPSERT, "variables": {"name": name, "project": "load"}})
    link.made_s = link.waits_s.pop()
    began, sent = time.monotonic() + run / given.runs / given.posts_per_s, 0
    path = f"/files/local/load/{name}/file_stream"
    for k in range(int(given.seconds * given.posts_per_s)):
        await asyncio.sleep(max(0.0, began + (k + 1) / given.posts_per_s - time.monotonic()))
        end = round((k + 1) * given.lines_per_s / given.posts_per_s)
        content = [json.dumps(line(run, index)) for index in range(sent, end)]
        await link.post(path, {"files": {"wandb-history.jsonl": {"offset": sent, "content": content}}})
        sent = end
    await link.post(path, {"complete": True, "exitcode": 0})
    return sent


async def kill_twice(server: Server, seconds: float) -> list[float]:
    """Kill the server twice and start it again; return for how long it was away."""
    away_s: list[float] = []
    for _ in range(2):
        await asyncio.sleep(seconds / 3)
        began = time.perf_counter()
        server.kill()
        await asyncio.to_thread(server.start)
        away_s.append(time.perf_counter() - began)
    return away_s


def wrong_lines(home: Path, runs: int, n_lines: int) -> int:
    """Return how many lines the store has otherwise than they were sent, or not at all."""
    from sharpen.store.queries import Reader

    reader, n = Reader(home), 0
    for run in range(runs):
        stored = reader.tracked.history(f"load-{run}", 0, n_lines + 1)
        sent = [line(run, index) for index in range(n_lines)]
        same = [
            row.step == one["_step"] and row.metrics["loss"] == one["loss"]
            for row, one in zip(stored, sent, strict=False)
        ]
        n += max(len(stored), n_lines) - sum(same)
    return n


async def load(server: Server, given: argparse.Namespace) -> tuple[list[Line], list[int], list[float]]:
    """Make the load; return the connections, what each sent, and for how long the server was away."""
    links = [Line(server) for _ in range(given.runs)]
    killing = asyncio.create_task(kill_twice(server, given.seconds)) if given.kill else None
    sent = await asyncio.gather(*(log(link, run, given) for run, link in enumerate(links)))
    return links, sent, await killing if killing else []


def times(answers_ms: Any) -> str:
    """Return how long answers took, for people."""
    p50, p99 = np.quantile(answers_ms, [0.5, 0.99])
    return (
        f"{len(answers_ms):,} answers; p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {answers_ms.max():.0f} ms"
    )


@dataclass(frozen=True)
class Found:
    """What came of a load: lines sent by each run, the server's absences, its time, and wrong lines."""

    sent: list[int]
    away_s: list[float]
    cpu_s: float
    wrong: int


def tell(given: argparse.Namespace, links: list[Line], findings: Found) -> None:
    """Print what came of it."""
    made_ms = 1000 * np.array([link.made_s for link in links])
    waits_ms = 1000 * np.array([wait for link in links for wait in link.waits_s])
    print(
        f"{given.runs} runs, {given.lines_per_s:g} lines/s each in {given.posts_per_s:g} requests/s, "
        f"{given.seconds:g} s"
    )
    print(f"lines sent {sum(findings.sent):,}; missing or different in the store: {findings.wrong}")
    print(f"runs made, all at the same instant: {times(made_ms)}")
    print(f"lines: {times(waits_ms)}")
    print(f"all answers: {times(np.concatenate([made_ms, waits_ms]))}")
    statuses = sorted(
        {s: sum(k.statuses.get(s, 0) for k in links) for k in links for s in k.statuses}.items()
    )
    print(f"sent again {sum(link.n_again for link in links)}; statuses {dict(statuses)}")
    if not findings.away_s:
        each_ms = 1000 * findings.cpu_s / (len(waits_ms) + len(made_ms))
        print(f"processor time of the server {findings.cpu_s:.1f} s: {each_ms:.1f} ms a request")
    if away_s := findings.away_s:
        print(f"killed {len(away_s)} times; away for {', '.join(f'{s:.1f}' for s in away_s)} s")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--runs", type=int, default=64)
    asked.add_argument("--lines-per-s", type=float, default=10.0)
    asked.add_argument("--posts-per-s", type=float, default=1.0)
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--kill", action="store_true", help="kill -9 the server twice meanwhile")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "store")
        server.start()
        try:
            before_s = server.cpu_s()
            links, sent, away_s = asyncio.run(load(server, given))
            cpu_s = server.cpu_s() - before_s
            wrong = wrong_lines(server.home, given.runs, sent[0])
        finally:
            server.end()
    tell(given, links, Found(sent, away_s, cpu_s, wrong))


if __name__ == "__main__":
    main()
