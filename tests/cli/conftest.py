"""Stores that the real command made, once for all tests here; each test looks at a copy."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from faults.bench import Bench
from sharpen.cli import main

PROGRAMS = Path(__file__).parent / "programs"
TILTS = "parameters:\n  tilt: {values: [0, 1, 2, 3]}\n"


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A bench whose grid of four strategies has been run; ``ran`` is what became of the command."""
    with Bench(tmp_path_factory.mktemp("finished"), program=PROGRAMS / "strategy.py") as bench:
        file = bench.write_sweep(4, method="grid", space=TILTS, more="name: tilts\n")
        bench.ran = bench.call("run", file, "--agents", "1", "--seed", "3")
        assert bench.ran.returncode == 0, bench.ran.stderr
        yield bench


@pytest.fixture(scope="session")
def failed(tmp_path_factory):
    """A bench whose sweep of a program that always fails has ended."""
    with Bench(tmp_path_factory.mktemp("failed"), program=PROGRAMS / "failing.py") as bench:
        bench.ran = bench.call("run", bench.write_sweep(20), "--agents", "1")
        yield bench


@pytest.fixture
def store(finished, tmp_path):
    """A copy of the finished sweep's store."""
    return Path(shutil.copytree(finished.home, tmp_path / "copy"))


@pytest.fixture
def failed_store(failed, tmp_path):
    """A copy of the failed sweep's store."""
    return Path(shutil.copytree(failed.home, tmp_path / "failed"))


@pytest.fixture
def sharpen(monkeypatch):
    """Return a function that runs the command in this process."""
    monkeypatch.delenv("SHARPEN_HOME", raising=False)

    def call(*words, home=None, **environment):
        at = [] if home is None else ["--home", str(home)]
        return CliRunner().invoke(main, [*at, *map(str, words)], env=environment, prog_name="sharpen")

    return call
