"""kill -9 of a training: it goes on from its checkpoint, and earns what it would have earned."""

from pathlib import Path

import polars as pl
import pytest

from sharpen.store.blobs import blob_path
from worlds import make_world

from .bench import Bench, kill, until

PROGRAM = Path(__file__).parents[2] / "scripts" / "train_portfolio.py"
METRIC = "metric: {name: val/sharpe, goal: maximize}\n"
SPACE = """
parameters:
  agent: {{value: {agent}}}
  data: {{value: bars.parquet}}
  net_dims_0: {{value: 8}}
  net_dims_1: {{value: 0}}
  n_envs: {{value: 4}}
  horizon_len: {{value: 16}}
  batch_size: {{value: 64}}
  repeat_times: {{value: {repeat_times}}}
  buffer_size: {{value: 1000}}
  buffer_init_size: {{value: 100}}
  break_step: {{value: {break_step}}}
  n_checks: {{value: 3}}
  n_folds: {{value: 2}}
  min_trades: {{value: 0}}
  checkpoint_s: {{value: {checkpoint_s}}}
  gamma: {{min: 0.8, max: 0.99}}
"""
AGENTS = {"ppo": {"repeat_times": 4, "break_step": 1024}, "sac": {"repeat_times": 0.25, "break_step": 1000}}


def write_bars(bench):
    panel = make_world(5, n_bars=800)
    names = ("open", "high", "low", "close", "volume")
    pl.concat(
        pl.DataFrame({"time": b.time, "symbol": [b.symbol] * len(b), **{n: getattr(b, n) for n in names}})
        for b in panel.instruments()
    ).write_parquet(bench.work / "bars.parquet")


def earned(bench):
    """Return each run's returns, and the steps at which it logged what."""
    reader, found = bench.reader(), {}
    for run in bench.runs():
        assert run.state == "finished"
        rows = {report.step: report.metrics["val/sharpe"] for report in reader.reports(run_id=run.id)}
        artifact = next(a for a in reader.artifacts(run_id=run.id) if a.name == "returns")
        found[run.number] = (rows, blob_path(bench.home, artifact.digest).read_bytes())
    return found


def checkpoints(bench):
    return [
        a for run in bench.runs() for a in bench.reader().artifacts(run_id=run.id) if a.type == "checkpoint"
    ]


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize(
    ("agent", "n_runs", "most_kills", "words"),
    [("ppo", 1, 1, ()), ("sac", 2, 2, ("--population", "2"))],
)
def test_a_killed_training_goes_on_and_earns_the_same(tmp_path, database, agent, n_runs, most_kills, words):
    file = {"metric": METRIC, "more": "resume: true\nseed: 5\nmax_attempts: 9\n"}
    found = {}
    for name, n_kills in (("calm", 0), ("killed", most_kills)):
        with Bench(tmp_path / name, PROGRAM, database if n_kills else None) as bench:
            write_bars(bench)
            pause_s = 0 if n_kills else 99
            file["space"] = SPACE.format(agent=agent, checkpoint_s=pause_s, **AGENTS[agent])
            driver = bench.start("run", bench.write_sweep(n_runs, **file), "--agents", "1", *words)
            bench.sweep_id()
            for _ in range(n_kills):
                kill_between_checkpoints(bench, driver)
            assert driver.wait(120) == 0, bench.said()[-2000:]
            bench.assert_nothing_left()
            found[name] = earned(bench)
            assert sum(run.token for run in bench.runs()) >= n_runs + n_kills
    assert found["calm"] == found["killed"]


def kill_between_checkpoints(bench, driver):
    """Kill a training that has kept a checkpoint since it began, at whatever it does then."""
    program = until(lambda: bench.programs_of(driver.pid), "a program")[0]
    before = {a.digest for a in checkpoints(bench)}
    until(lambda: {a.digest for a in checkpoints(bench)} - before, "another checkpoint")
    assert kill(program)
    until(lambda: not program.is_running(), "its death")
