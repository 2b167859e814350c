"""`sharpen sweep FILE --ship`, then `sharpen agent SWEEP --ship` where the folder is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sharpen.agents import bundle
from sharpen.cli import main
from sharpen.store.queries import Reader

SWEEP = """\
program: train.py
command: ["./run.sh", "${program}", "${args}"]
method: grid
metric: {name: loss}
parameters: {x: {values: [1, 2]}}
"""
TRAIN = """\
from pathlib import Path

from lib.model import loss
from sharpen import tracking

with tracking.init({"x": 0}) as run:
    run.summary["where"] = str(Path.cwd())
    run.log({"loss": loss(run.config.x)})
"""


def git(folder, *words):
    about = ["-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run(["git", *about, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Give a repository whose programs run in a folder below its top, and be there."""
    for name in [name for name in os.environ if name.startswith(("SHARPEN", "GIT"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SHARPEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SHARPEN_HOME", str(tmp_path / "store"))
    inner = tmp_path / "repository" / "research"
    (inner / "lib").mkdir(parents=True)
    (inner / "train.py").write_text(TRAIN)
    (inner / "lib" / "model.py").write_text("def loss(x):\n    return x * 10\n")
    (inner / "run.sh").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (inner / "run.sh").chmod(0o755)
    (inner / "sweep.yaml").write_text(SWEEP)
    (inner / "bars.csv").write_text("not committed")
    git(inner.parent, "init", "-q")
    git(inner.parent, "add", "research/train.py", "research/lib", "research/run.sh", "research/sweep.yaml")
    git(inner.parent, "commit", "-q", "-m", "first")
    monkeypatch.chdir(inner)
    return inner


def said(*words, code=0):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == code, done.output + done.stderr
    return done.stdout.strip(), done.stderr


def test_an_agent_runs_the_files_of_the_commit(repository, tmp_path):
    (repository / "lib" / "model.py").write_text("def loss(x):\n    return 0\n")  # not committed
    sweep_id, words = said("sweep", "sweep.yaml", "--ship")
    assert "kept 4 files of commit" in words
    assert "not committed: research/lib/model.py" in words
    assert "data that the sweep names" not in words
    repository.parent.rename(tmp_path / "elsewhere")
    os.chdir(tmp_path)
    said("agent", sweep_id, "--ship", "--quiet")
    runs = Reader(tmp_path / "store").runs(sweep_id)
    assert [(run.state, run.score) for run in runs] == [("finished", 10), ("finished", 20)]
    where = Path(runs[0].summary["where"])
    assert where.is_relative_to(tmp_path / "cache" / "bundles")
    assert sorted(path.name for path in where.iterdir() if path.name != "__pycache__") == [
        "lib",
        "run.sh",
        "sweep.yaml",
        "train.py",
    ]


def test_data_that_the_sweep_names_goes_with_it(repository, tmp_path):
    program = """\
from pathlib import Path

from sharpen import tracking

with tracking.init({"data": ""}) as run:
    file = Path(run.config.data)
    run.log({"loss": int(file.read_text())})
    file.write_text("9")
"""
    (repository / "train.py").write_text(program)
    (repository.parent / ".gitignore").write_text("*.csv\n")
    git(repository.parent, "commit", "-q", "-a", "-m", "second")
    (repository / "bars.csv").write_text("5")
    (repository / "secret.csv").write_text("7")
    (repository / "sweep.yaml").write_text(SWEEP.replace("x: {values: [1, 2]}", "data: {value: bars.csv}"))
    sweep_id, words = said("sweep", "sweep.yaml", "--ship")
    assert "kept 4 files of commit" in words
    assert "and data that the sweep names: research/bars.csv" in words
    (repository / "bars.csv").write_text("6")  # an agent that starts later gets what was kept
    folder = None
    for _ in range(2):
        os.chdir(tmp_path)
        said("agent", sweep_id, "--ship", "--quiet")
        folder = next((tmp_path / "cache" / "bundles").iterdir()) / "research"
        assert not (folder / "secret.csv").exists()
        assert [run.score for run in Reader(tmp_path / "store").runs(sweep_id)] == [5]
    assert (folder / "bars.csv").read_text() == "5"  # what the program wrote is no part of the bundle


def test_a_program_that_git_does_not_hold_is_refused(repository, tmp_path):
    (repository / "new.py").write_text("import helper")
    (repository / "helper.py").write_text("")
    (repository / "other.yaml").write_text(SWEEP.replace("train.py", "new.py"))
    refused = said("sweep", "other.yaml", "--ship", code=2)[1]
    assert "research/new.py is not in commit" in refused
    assert "commit it first" in refused
    assert not (tmp_path / "store").exists() or Reader(tmp_path / "store").sweeps() == []
    assert (
        "git does not hold them: research/helper.py, research/new.py"
        in said("sweep", "sweep.yaml", "--ship")[1]
    )


def test_more_data_than_a_bundle_holds_is_refused(repository, monkeypatch):
    monkeypatch.setattr(bundle, "MOST_DATA_BYTES", 4)
    (repository / "sweep.yaml").write_text(SWEEP.replace("x: {values: [1, 2]}", "data: {value: bars.csv}"))
    assert "name it by its full path" in said("sweep", "sweep.yaml", "--ship", code=2)[1]


def test_what_cannot_be_shipped_is_said(repository, tmp_path, monkeypatch):
    sweep_id, _ = said("sweep", "sweep.yaml")
    assert "'sharpen sweep FILE --ship' keeps its files" in said("agent", sweep_id, "--ship", code=2)[1]
    assert "name two folders" in said("agent", sweep_id, "--ship", "--workdir", ".", code=2)[1]
    assert "to those of --ray or --launcher" in said("run", "sweep.yaml", "--ship", code=2)[1]
    shutil.rmtree(repository.parent / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert "commit them first" in said("sweep", "sweep.yaml", "--ship", code=2)[1]
    assert len(Reader(tmp_path / "store").sweeps()) == 1


def test_an_agent_without_the_option_says_that_it_runs_the_folder_as_it_is(repository):
    sweep_id, _ = said("sweep", "sweep.yaml", "--ship")
    warning = f"sweep {sweep_id} was made with --ship; without it its programs run in {repository}"
    assert warning not in said("agent", sweep_id, "--ship", "--count", "1")[1]
    assert warning in said("agent", sweep_id, "--count", "1")[1]
