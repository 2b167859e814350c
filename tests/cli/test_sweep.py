"""run, resume, sweep, agent: what they print, how they end, and files that are off."""

import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import time
from fcntl import ioctl
from termios import TIOCSWINSZ

import pytest

from cli.conftest import PROGRAMS, TILTS
from cli.programs.strategy import N_FOLDS, mean
from faults.bench import Bench, until

BAD = """
program: strategy.py
method: randm
metric: {name: score, goal: upwards}
parameters:
  lr: {min: 1.0, max: 0.1}
  depth: {values: []}
"""
BAD_PATHS = ("$.method", "$.metric.goal", "$.parameters.lr", "$.parameters.depth.values")


@pytest.fixture
def bench(tmp_path):
    with Bench(tmp_path / "bench", program=PROGRAMS / "strategy.py") as bench:
        yield bench


def test_run_puts_data_on_stdout_and_words_on_stderr(finished):
    out, err = finished.ran.stdout, finished.ran.stderr
    assert "\x1b" not in out + err
    assert out.splitlines()[0].split()[:2] == ["run", "score"]
    assert [line.split()[0] for line in out.splitlines()[1:5]] == ["4", "3", "2", "1"]
    assert "deflated Sharpe" in out
    lines = err.splitlines()
    sweep_id = finished.reader().sweep("last").id
    assert lines[0] == f"sweep {sweep_id} (tilts), seed 3, 1 at a time"
    ends = [line for line in lines if re.match(r"run +\d  finished", line)]
    assert [line.split()[1] for line in ends] == ["1", "2", "3", "4"]
    assert f"{N_FOLDS} steps  score {mean(0, N_FOLDS):.4g}" in ends[0]
    assert ends[-1].endswith("[4/4]")
    assert lines[-1] == "report: report.html"
    assert (finished.work / "report.html").exists()


def test_on_a_terminal_a_table_is_drawn_in_place(bench):
    file = bench.write_sweep(4, method="grid", space=TILTS)
    code, drawn = on_terminal(bench, "run", file, "--agents", "1")
    assert code == 0
    assert "\x1b[2K" in drawn  # lines are drawn over
    assert "\x1b[1A" in drawn
    headlines = re.findall(r"sweep \w+ sweep: (\d)/4 runs done", drawn)
    assert headlines == sorted(headlines)
    assert headlines[-1] == "4"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    assert re.search(r"run +state +steps +score +best +time", plain)
    after = plain.rpartition("runs done")[2]
    assert "deflated Sharpe" in after  # the verdict stays
    assert "\x1b[?25h" in drawn  # the cursor is shown again


def on_terminal(bench, *words, seconds=90):
    """Run the command on a terminal of its own; return its exit code and all that was drawn."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "sharpen", "--home", str(bench.home), *words],
            cwd=bench.work,
            env=bench.environment | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        drawn = read_all(ours, time.monotonic() + seconds)
        return process.wait(10), drawn
    finally:
        os.close(ours)


def read_all(descriptor, deadline):
    """Return what comes until the other side closes."""
    parts = []
    while time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.2)[0]:
            try:
                data = os.read(descriptor, 1 << 16)
            except OSError:  # Linux's way to say that a terminal has been left
                break
            parts.append(data)
    return b"".join(parts).decode()


@pytest.mark.slow
def test_two_halves_sweep_and_agent(bench):
    created = bench.call("sweep", bench.write_sweep(6, space=TILTS))
    sweep_id = created.stdout.strip()
    assert created.stdout == f"{sweep_id}\n"
    assert (created.returncode, created.stderr) == (0, "")
    assert json.loads(bench.call("ls", "--json").stdout)[0]["status"] == "idle"

    first = bench.call("agent", sweep_id, "--slots", "2", "--count", "3")
    assert (first.returncode, first.stdout) == (0, "")
    *news, last = first.stderr.splitlines()
    assert last == "agent done: took as many runs as it was asked to"
    assert sorted(line for line in news if "running" in line) == [f"run   {n}  running" for n in (1, 2, 3)]
    ended = sorted(line.rsplit("  ", 1)[0] for line in news if "running" not in line)
    runs = bench.runs()
    assert ended == [f"run   {run.number}  finished  {N_FOLDS} steps  score {run.score:.4g}" for run in runs]
    assert bench.states() == {"finished": 3}
    assert json.loads(bench.call("ls", "--json").stdout)[0]["status"] == "idle"

    second = bench.call("agent", "last", "--slots", "2", "--count", "9", "--quiet")
    assert (second.returncode, second.stderr) == (0, "agent done: finished\n")
    assert bench.states() == {"finished": 6}
    assert json.loads(bench.call("ls", "--json").stdout)[0]["status"] == "finished"
    bench.assert_nothing_left()


@pytest.mark.slow
def test_a_finished_sweep_can_be_extended_and_not_shortened(bench):
    assert bench.call("run", bench.write_sweep(2, space=TILTS), "--agents", "1").returncode == 0
    before = bench.runs()
    longer = bench.call("resume", "last", "--trials", "4", "--agents", "1")
    assert longer.returncode == 0, longer.stderr
    assert bench.states() == {"finished": 4}
    assert bench.runs()[:2] == before
    shorter = bench.call("resume", "last", "--trials", "3")
    assert shorter.returncode == 2
    assert "--trials 3 is below the 4 runs" in shorter.stderr
    again = bench.call("resume", "last", "--agents", "1")  # nothing to do: the report again
    assert again.returncode == 0, again.stderr
    assert again.stdout == longer.stdout
    assert bench.states() == {"finished": 4}


def test_five_failures_alike_end_the_sweep(failed):
    assert failed.ran.returncode == 1
    last = failed.ran.stderr.splitlines()[-1]
    reason = "5 runs in a row failed alike: RuntimeError: no such column: close (object at 0x…)"
    assert last == f"sharpen: sweep {failed.reader().sweep('last').id} failed: {reason}"
    assert failed.states() == {"failed": 5}
    logs = failed.call("logs", "last-5")
    assert logs.returncode == 0
    assert logs.stdout.splitlines()[0] == "about to fail"
    assert logs.stdout.splitlines()[-1].startswith("RuntimeError: no such column: close (object at 0x")
    assert "failed: RuntimeError: no such column" in logs.stderr
    failed.assert_nothing_left()


SHAKY = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Shaky:
    def ask(self, space, history, n, rng):
        raise RuntimeError("no more ideas")
"""


def test_a_plugin_that_fails_ends_the_sweep_and_is_named_and_can_be_mended(tmp_path):
    site = tmp_path / "site"
    (site / "shaky-1.0.dist-info").mkdir(parents=True)
    (site / "shaky-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: shaky\nVersion: 1.0\n"
    )
    points = "[sharpen.optimizers]\nshaky = shaky:Shaky\n"
    (site / "shaky-1.0.dist-info" / "entry_points.txt").write_text(points)
    (site / "shaky.py").write_text(SHAKY)
    program = PROGRAMS / "strategy.py"
    with Bench(
        tmp_path / "bench", program=program, PYTHONPATH=str(site), PYTHONDONTWRITEBYTECODE="1"
    ) as bench:
        file = bench.write_sweep(2, more="optimizer: {type: shaky}\n", space=TILTS)
        said = bench.call("run", file, "--agents", "2")
        assert said.returncode == 1
        assert "the search method Shaky failed: RuntimeError: no more ideas (" in said.stderr.splitlines()[-1]
        assert "shaky.py, line 7)" in said.stderr
        assert len(bench.reader().agents(bench.reader().sweep("last").id)) == 1, "it did not die"
        mended = SHAKY.replace("raise RuntimeError", "from sharpen.trial import Proposal\n        print")
        (site / "shaky.py").write_text(mended + "        return [Proposal({'tilt': 2}, origin='shaky')]\n")
        said = bench.call("resume", "last", "--agents", "1")
        assert said.returncode == 0, said.stderr
        assert [(run.state, run.config) for run in bench.runs()] == [("finished", {"tilt": 2})] * 2


def test_a_failed_sweep_can_be_resumed(sharpen, failed, failed_store):
    again = failed.call("--home", str(failed_store), "resume", "last", "--agents", "1")
    assert again.returncode == 1
    assert "5 runs in a row failed alike" in again.stderr
    rows = json.loads(sharpen("runs", "last", "--json", home=failed_store).stdout)
    assert [row["state"] for row in rows] == ["failed"] * 10


@pytest.mark.parametrize("words", [("run",), ("sweep",), ("sweep", "--check")])
def test_every_problem_of_a_bad_file_is_shown_at_once(sharpen, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(BAD)
    said = sharpen(*words, "bad.yaml", home=tmp_path / "none")
    assert (said.exit_code, said.stdout) == (2, "")
    for path in BAD_PATHS:
        assert path in said.stderr, path
    assert len(said.stderr.splitlines()) >= len(BAD_PATHS)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("verb", ["run", "sweep"])
def test_a_program_that_is_not_there_is_named_with_the_fix(sharpen, bench, tmp_path, monkeypatch, verb):
    file = bench.work / bench.write_sweep(1, space=TILTS)
    monkeypatch.chdir(tmp_path)
    said = sharpen(verb, file, home=tmp_path / "none")
    assert (said.exit_code, said.stdout) == (2, "")
    assert f"there is no strategy.py in {tmp_path}" in said.stderr
    assert "$.program" in said.stderr
    assert "change to the folder" in said.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("words", [(), ("--check",)])
def test_settings_that_the_method_and_the_stop_rule_do_not_take_are_refused(
    sharpen, bench, monkeypatch, words
):
    monkeypatch.chdir(bench.work)
    more = "optimizer: {type: gp, n_candidates: 0}\nearly_terminate: {type: custom, name: nobodys}\n"
    said = sharpen("sweep", *words, bench.write_sweep(1, space=TILTS, more=more), home=bench.home)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "$.optimizer: gp: n_candidates must be 1 or more" in said.stderr
    assert "$.early_terminate.name: no stop rule is called 'nobodys'" in said.stderr


def test_problems_of_the_file_its_program_and_its_plugins_come_at_once(sharpen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "o.yaml").write_text(
        "{program: gone.py, method: baies, metric: {name: m, goal: maximise}, parameters: {x: {value: 1}}, "
        "optimizer: {type: tpee}, early_terminate: {type: custom, name: nope}}"
    )
    said = sharpen("sweep", "--check", "o.yaml", home=tmp_path / "none")
    assert (said.exit_code, said.stdout) == (2, "")
    assert "o.yaml has 5 problems" in said.stderr
    for path in ("method", "metric.goal", "program", "optimizer.type", "early_terminate.name"):
        assert f"  $.{path}: " in said.stderr, path


@pytest.mark.parametrize(("option", "n"), [("--seed", 2**53), ("--trials", 2**53)])
def test_numbers_go_as_far_as_in_a_file(sharpen, bench, monkeypatch, option, n):
    monkeypatch.chdir(bench.work)
    file = bench.write_sweep(1, space=TILTS)
    assert sharpen("sweep", file, option, n, home=bench.home).exit_code == 0
    assert sharpen("sweep", file, option, n + 1, home=bench.home).exit_code == 2


def test_check_says_that_a_file_is_right_and_does_nothing(sharpen, bench, tmp_path, monkeypatch):
    monkeypatch.chdir(bench.work)  # programs are looked for where one is
    file = bench.work / bench.write_sweep(1, space=TILTS)
    said = sharpen("sweep", "--check", file, home=tmp_path / "none")
    assert (said.exit_code, said.stdout) == (0, "")
    assert "1 parameter, method random: right" in said.stderr
    assert not (tmp_path / "none").exists()


def test_check_says_that_a_program_logs_to_wandb_alone(sharpen, bench, monkeypatch):
    monkeypatch.chdir(bench.work)
    file = bench.write_sweep(1, space=TILTS)
    (bench.work / "strategy.py").write_bytes(b"import wandb  # caf\xe9\nwandb.init()\n")
    said = sharpen("sweep", "--check", file, home=bench.home)
    assert said.exit_code == 0
    assert "advice: $.program: imports wandb and not sharpen" in said.stderr


def test_logs_can_be_followed_to_the_end(tmp_path):
    with Bench(tmp_path, TOY_STEP_S="0.1") as bench:
        sweep_id = bench.call("sweep", bench.write_sweep(1)).stdout.strip()
        agent = bench.start("agent", sweep_id)
        until(bench.acknowledged, "a step")
        assert bench.states() == {"running": 1}
        said = bench.call("logs", "last-1", "--follow")
        assert said.returncode == 0
        assert re.fullmatch(r"pid \d+\n", said.stdout)
        assert bench.states() == {"finished": 1}
        assert agent.wait(20) == 0


def test_a_grid_without_a_metric_runs_and_is_not_ranked(bench):
    (bench.work / "plain.py").write_text(
        "from sharpen import tracking\nwith tracking.init() as run:\n    run.log({'loss': run.config.x})\n"
    )
    file = bench.work / "grid.yaml"
    file.write_text("program: plain.py\nmethod: grid\nparameters: {x: {values: [1, 2]}}\n")
    said = bench.call("run", "grid.yaml", "--agents", "1")
    assert said.returncode == 0, said.stderr
    assert "2 ended" in said.stdout
    assert "The sweep file names no metric, so its runs are not ranked." in said.stdout
    assert "infeasible" not in said.stdout + said.stderr
    said = bench.call("best", "last")
    assert said.returncode == 2
    assert "the sweep file names no metric, so there is no best run" in said.stderr
