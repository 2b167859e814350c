"""Programs that misbehave: one sweep of them all, forked off a warm server or started cold."""

import contextlib
import getpass
import math
import time

import psutil
import pytest

from faults.bench import PROGRAMS, Bench, ask, until
from faults.programs.talkative import N_POINTS

KINDS = {  # kind: state, exit code, score, leases, and why
    "orphan": ("finished", 0, 1.0, 1, ""),
    "daemon": ("finished", 0, 1.0, 1, ""),
    "flood": ("finished", 0, 1.0, 1, ""),
    "raw": ("finished", 0, 1.0, 1, ""),
    "deaf": ("canceled", -9, None, 1, f"canceled by {getpass.getuser()}"),
    "nan": ("finished", 0, None, 1, ""),
    "inf": ("finished", 0, None, 1, ""),
    "minus-inf": ("finished", 0, None, 1, ""),
    "word": ("finished", 0, None, 1, ""),
    "huge": ("finished", 0, None, 1, ""),
    "numpy": ("finished", 0, 0.5, 1, ""),
    "numpy-int": ("finished", 0, 3.0, 1, ""),
    "array-of-one": ("finished", 0, 0.25, 1, ""),
    "silent": (
        "failed",
        0,
        None,
        1,
        "the program ended without logging score, the sweep's metric; it logged nothing",
    ),
    "exit_in_thread": ("failed", 7, None, 1, "leaving"),
    "segfault": ("crashed", None, None, 2, "lost 2 times; the program was killed (signal 11)"),
    "missing": ("failed", 1, None, 1, "ModuleNotFoundError: No module named 'no_such_module'"),
}
LOGGED = {"nan": "NaN", "inf": "Infinity", "minus-inf": "-Infinity", "word": "fast", "huge": 10**400}
LOGGED |= {"numpy": 0.5, "numpy-int": 3, "array-of-one": 0.25}


class Peak:
    """The most memory that a process has used."""

    def __init__(self, process):
        self.process = process
        self.mebibytes = 0

    def is_over(self):
        """Look again, and return whether the process has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.mebibytes = max(self.mebibytes, psutil.Process(self.process.pid).memory_info().rss >> 20)
        return self.process.poll() is not None


@pytest.mark.slow
@pytest.mark.parametrize("start", ["warm", "cold"])
def test_every_unruly_program_ends_as_it_should_and_leaves_nothing(tmp_path, database, start):
    environment = {"SHARPEN_COLD": "1"} if start == "cold" else {}
    space = f"parameters: {{kind: {{values: [{', '.join(KINDS)}]}}}}\n"
    with Bench(tmp_path, PROGRAMS / "unruly.py", database, **environment) as bench:
        sweep_id = bench.create(len(KINDS), "grid", space=space)
        agent = bench.start("agent", sweep_id, "--slots", "2")
        until((bench.work / "deaf").exists, "the program that ignores SIGTERM")
        (deaf,) = [run for run in bench.runs() if run.config["kind"] == "deaf"]
        assert ask(bench, "cancel", deaf.id).exit_code == 0
        peak = Peak(agent)
        until(peak.is_over, "the sweep to end")
        assert agent.returncode == 0, bench.said()
        for name in ("orphan", "daemon"):
            assert not psutil.pid_exists(int((bench.work / name).read_text())), name
        bench.assert_nothing_left()
        ended = {
            run.config["kind"]: (run.state, run.exit_code, run.score, run.token, run.reason)
            for run in bench.runs()
        }
        assert ended == KINDS
        assert bench.reader().sweep(sweep_id).status == "finished"
        ids = {run.config["kind"]: run.id for run in bench.runs()}
        for kind, value in LOGGED.items():
            (report,) = bench.reader().reports(run_id=ids[kind])
            assert report.metrics == {"score": value, "other": value}
            assert math.isnan(report.value) == (ended[kind][2] is None)
        assert bench.reader().console(ids["raw"]) == "café \ufffd\ufffd\n"
        assert len(bench.reader().console(ids["flood"])) < 6 << 20, "a hundred megabytes are cut"
        assert peak.mebibytes < 600
        print(f"{start}: the agent, which hosts the store, has used {peak.mebibytes} MiB at most")
        assert ask(bench, "runs", sweep_id).exit_code == 0


@pytest.mark.slow
def test_a_hundred_thousand_points_stay_within_bounds(tmp_path, database):
    """Most of them in requests of a thousand, as the test has not the time for as many commits."""
    with Bench(tmp_path, PROGRAMS / "talkative.py", database) as bench:
        sweep_id = bench.create(1)
        began = time.monotonic()
        agent = bench.start("agent", sweep_id)
        peak = Peak(agent)
        until(peak.is_over, "the program to end")
        assert agent.returncode == 0, bench.said()
        seconds = time.monotonic() - began
        (run,) = bench.runs()
        assert (run.state, run.score, run.token) == ("finished", N_POINTS - 1.0, 1)
        assert bench.sql("select count(*), count(distinct step), sum(value) from reports") == [
            (N_POINTS, N_POINTS, N_POINTS * (N_POINTS - 1) / 2)
        ]
        assert peak.mebibytes < 600
        listed = ask(bench, "runs", sweep_id)
        assert str(N_POINTS) in listed.stdout
        print(f"{N_POINTS} points in {seconds:.0f} s; the host has used {peak.mebibytes} MiB at most")
        bench.assert_nothing_left()
