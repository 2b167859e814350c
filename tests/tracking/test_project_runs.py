"""Runs of no sweep, as a program and a person see them: made, listed, resumed, killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sharpen import tracking
from sharpen.cli.main import main
from sharpen.errors import UsageError
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SHARPEN_RUN", raising=False)
    monkeypatch.setenv("SHARPEN_HOME", str(tmp_path / "store"))


def stored(home: Path, run_id: str) -> TrackedRun:
    found = Reader(home).tracked.run(run_id)
    assert found is not None
    return found


def said(home: Path, *args: str) -> Any:
    result = CliRunner().invoke(main, ["--home", str(home), *args, "--json"], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def test_a_run_is_kept_listed_and_taken_up_again(tmp_path: Path) -> None:
    home = tmp_path / "store"
    with tracking.init({"lr": 0.1}, project="p", id="my-best", name="first", tags=["x"]) as run:
        for step in range(1, 6):
            run.log({"loss": 1.0 / step})
        run.summary["note"] = "fine"
    first = stored(home, "my-best")
    assert (first.state, first.n_lines, first.summary) == ("finished", 5, {"note": "fine"})
    with tracking.init({"depth": 3}, project="p", id="my-best", resume="allow") as run:
        assert run.config == {"lr": 0.1, "depth": 3}
        run.log({"loss": 0.0})
    assert [row.step for row in Reader(home).tracked.history("my-best")] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(UsageError, match="resume='allow'"):
        tracking.init(project="p", id="my-best")
    [listed] = said(home, "runs", "--project", "p")
    assert (listed["run"], listed["state"], listed["metrics"]) == ("my-best", "finished", {"loss": 0.0})
    assert said(home, "info", "my-best")["config"] == {"lr": 0.1, "depth": 3}
    assert said(home, "tag", "my-best", "add", "keep") == ["keep", "x"]


def test_a_run_that_raises_has_failed(tmp_path: Path) -> None:
    def program() -> None:
        with tracking.init(project="p", id="r") as run:
            run.log({"a": 1})
            run.flush()
            assert stored(tmp_path / "store", "r").n_lines == 1
            raise ZeroDivisionError("by nought")

    with pytest.raises(ZeroDivisionError):
        program()
    run_ = stored(tmp_path / "store", "r")
    assert (run_.state, run_.reason, run_.n_lines) == ("failed", "ZeroDivisionError: by nought", 1)


def test_only_the_process_that_began_a_run_writes_it(tmp_path: Path) -> None:
    with tracking.init(project="p", id="r") as run:
        run.log({"a": 1})
        there, here = os.pipe()
        if (pid := os.fork()) == 0:
            with contextlib.suppress(BaseException):
                try:
                    run.log({"a": 2})
                except UsageError as problem:
                    os.write(here, str(problem).encode())
                run.finish()  # is the other's to say
            os._exit(0)
        os.close(here)
        with os.fdopen(there) as pipe:
            assert f"written by the process {os.getpid()}" in pipe.read()
        os.waitpid(pid, 0)
        assert stored(tmp_path / "store", "r").state == "running"
        run.log({"a": 3})
    found = stored(tmp_path / "store", "r")
    assert (found.state, found.n_lines) == ("finished", 2)


def test_a_run_whose_last_rows_were_refused_has_failed(tmp_path: Path) -> None:
    run = tracking.init(project="p", id="r")
    run.log({"a": 1})
    run.sink.report(-1, {"a": 2})  # no step that the store takes
    with pytest.raises(UsageError, match="a step is a whole number"):
        run.finish()
    found = stored(tmp_path / "store", "r")
    assert found.state == "failed"
    assert "the last rows were not stored" in found.reason


PROGRAM = """
import sys, time
from sharpen import tracking
run = tracking.init(project="p", id="r")
run.log({"a": 1})
run.summary["begun"] = True
print("begun", flush=True)
time.sleep(60)
"""


def test_a_run_whose_program_was_killed_has_crashed(tmp_path: Path) -> None:
    home = tmp_path / "store"
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, env=dict(os.environ))
    assert program.stdout is not None
    assert program.stdout.readline() == b"begun\n"
    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()
    assert said(home, "runs", "--project", "p")[0]["state"] == "crashed"
    deadline = time.monotonic() + 30
    while stored(home, "r").state != "crashed":  # its host writes that down
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert stored(home, "r").n_lines == 1


def test_what_needs_a_project_says_so() -> None:
    with pytest.raises(UsageError, match="needs a project"):
        tracking.init(id="r")
    with pytest.raises(UsageError, match="init has no 'grup'"):
        tracking.init(project="p", grup="g")


def test_a_run_of_many_names_and_long_values_is_shown_in_part_and_printed_whole_as_json(
    tmp_path: Path,
) -> None:
    home = tmp_path / "store"
    tags = [f"t{k}" for k in range(60)]
    with tracking.init({"text": "x" * 5000}, project="p", id="wide", tags=tags) as run:
        run.log({f"m{k:04d}": float(k) for k in range(3000)} | {"huge": 10**400})
        for k in range(45):
            run.summary[f"s{k:02d}"] = k
    shown = CliRunner().invoke(main, ["--home", str(home), "info", "wide"])
    assert shown.exit_code == 0, shown.output
    assert shown.stderr.count("more: --json") == 2
    assert "and 2,961 more: --json" in shown.stderr
    assert " and 20 more: --json" in shown.stdout
    assert "m0038" in shown.stdout
    assert "m0039" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 400
    assert len(shown.stdout) < 12_000
    whole = said(home, "info", "wide")
    assert whole["config"]["text"] == "x" * 5000
    assert len(whole["metrics"]) == 3001
    assert len(whole["tags"]) == 60
