"""Small stores, made through the real coordinator, whose contents are known."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from sharpen.coordinator.core import Coordinator
from sharpen.report import analyse
from sharpen.store.blobs import put_file
from sharpen.store.queries import Reader

SPEC = """
name: demo
program: scripts/train.py
method: random
metric: {name: val/sharpe, goal: maximize}
run_cap: 60
parameters:
  max_depth: {min: 3, max: 8}
  learning_rate: {distribution: log_uniform_values, min: 0.01, max: 0.3}
  subsample: {min: 0.5, max: 1.0}
  booster: {values: [gbtree, dart]}
"""


@dataclass
class FakeClock:
    """A clock that a test moves."""

    now: float = 1_700_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@dataclass
class Lab:
    """A store and a coordinator to fill it with."""

    home: Path
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.coordinator = Coordinator(self.home, self.clock)
        self.sweep_id = ""

    def call(self, op: str, **args):
        (reply,) = self.coordinator.answer([{"op": op, "args": args}])
        assert "ok" in reply, reply
        return reply["ok"]

    def sweep(self, text: str = SPEC, seed: int = 7, run_cap: int | None = None) -> str:
        place = {"source": "sweeps/demo.yaml", "workdir": "/home/quant/desk"}
        made = self.call(
            "create_sweep", key=f"key-{text}", text=text, place=place, seed=seed, run_cap=run_cap
        )
        self.sweep_id = made["sweep_id"]
        agent = {"agent_id": "agent-1", "host": "elsewhere", "pid": os.getpid(), "born": ""}
        self.call("join", sweep_id=self.sweep_id, **agent)
        return self.sweep_id

    def lease(self):
        self.clock.now += 5.0
        key = f"lease-{self.clock.now}"
        run = self.call("lease", sweep_id=self.sweep_id, agent_id="agent-1", key=key)["run"]
        return {"run_id": run["run_id"], "token": run["token"]}, run["config"]

    def run(self, rows=(), *, returns=None, summary=None, exit_code=0, last_words="", config_of=None):
        """Run one program: log rows of (step, metrics), keep returns, say a summary, and exit."""
        lease, config = self.lease()
        if summary is not None:
            self.call("summarize", **lease, values=summary)
        if returns is not None:
            self.keep(lease, returns)
        for row in rows:
            self.call("report", **lease, rows=[row])
        if exit_code is not None:
            self.call("exit", **lease, exit_code=exit_code, last_words=last_words)
        return config

    def keep(self, lease, frame: pl.DataFrame, name: str = "returns", type: str = "returns") -> None:
        path = self.home / "incoming.parquet"
        frame.write_parquet(path)
        digest, n_bytes = put_file(self.home, path)
        about = {"name": name, "type": type, "digest": digest, "n_bytes": n_bytes, "metadata": {}}
        self.call("artifact", **lease, **about)

    def analysis(self):
        reader = Reader(self.home)
        return analyse(reader, reader.sweep(self.sweep_id))


def bars(n: int) -> np.ndarray:
    days = np.busday_offset("2010-01-04", np.arange(n), roll="forward")
    return days.astype("datetime64[us]")


def returns_frame(returns: np.ndarray, baseline: np.ndarray, n_folds: int = 5) -> pl.DataFrame:
    n = len(returns)
    fold = np.arange(n) * n_folds // n + 1
    return pl.DataFrame(
        {"time": bars(n), "fold": fold.astype(np.int32), "ret": returns, "baseline": baseline}
    )


def annual(returns: np.ndarray) -> float:
    return float(np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(252.0))


def rows_of(frame: pl.DataFrame, bonus: float = 0.0):
    """Return what a program logs of its returns: after each fold, the means over the folds so far."""
    own, held, rows = [], [], []
    for number, part in frame.group_by("fold", maintain_order=True):
        own.append(annual(part["ret"].to_numpy()))
        held.append(annual(part["baseline"].to_numpy()))
        metrics = {"val/sharpe": float(np.mean(own)), "baseline/sharpe": float(np.mean(held))}
        metrics |= {"train/sharpe": float(np.mean(own)) + bonus, "val/n_trades": 12.0}
        metrics |= {"fold/val_sharpe": own[-1], "fold/baseline_sharpe": held[-1]}
        rows.append((int(number[0]), metrics))
    return rows


FACTS = {
    "data/name": "stocks",
    "data/hash": "ab" * 32,
    "data/notes": ["XYZ ends in 2013"],
    "versions": {"sharpen": "0.1.0", "numpy": "2.4.0"},
    "infeasible": None,
}


def fill(
    lab: Lab, n_runs: int = 12, n_bars: int = 600, edge: float = 0.0, seed: int = 3
) -> list[pl.DataFrame]:
    """Fill a sweep with finished runs of noise in a market that rises; the one in the middle has an edge."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0004, 0.011, n_bars)
    frames = []
    for n in range(n_runs):
        own = 0.4 * market + rng.normal(0.0, 0.007, n_bars) + (edge if n == n_runs // 2 else 0.0)
        frame = returns_frame(own, market)
        frames.append(frame)
        lab.run(rows_of(frame, bonus=float(rng.uniform(0.5, 3.0))), returns=frame, summary=FACTS)
    return frames
