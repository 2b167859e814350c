"""A sweep with repeats, from the file to what people are shown."""

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from cli.conftest import PROGRAMS
from cli.programs.seeded import LUCKY_SEED
from faults.bench import Bench
from sharpen.cli.live import LiveTable, headline
from sharpen.seeds import repeat_seed
from sharpen.store.queries import Reader
from sharpen.views.snapshot import Snapshot

SPACE = "parameters:\n  tilt: {values: [0, 1]}\n"
SEEDS = [repeat_seed(LUCKY_SEED, repeat) for repeat in range(3)]


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """A bench whose grid of two configurations has been run under three seeds, by two agents."""
    with Bench(tmp_path_factory.mktemp("repeated"), program=PROGRAMS / "seeded.py") as bench:
        file = bench.write_sweep(6, method="grid", space=SPACE, more="name: seeds\nrepeats: 3\n")
        bench.ran = bench.call("run", file, "--agents", "2", "--seed", str(LUCKY_SEED))
        assert bench.ran.returncode == 0, bench.ran.stderr
        yield bench


@pytest.fixture
def store(repeated, tmp_path):
    """A copy of the sweep's store."""
    return Path(shutil.copytree(repeated.home, tmp_path / "copy"))


def json_of(said):
    assert (said.exit_code, said.stderr) == (0, "")
    return json.loads(said.stdout)


def test_programs_train_with_the_seeds_that_the_runs_show(sharpen, store):
    rows = json_of(sharpen("runs", "last", "--json", home=store))
    assert [(row["config"]["tilt"], row["repeat"], row["repeat_of"]) for row in rows] == [
        (0, 0, None),
        (0, 1, 1),
        (0, 2, 1),
        (1, 0, None),
        (1, 1, 4),
        (1, 2, 4),
    ]
    assert [row["seed"] for row in rows] == SEEDS * 2
    assert [row["summary"]["seed"] for row in rows] == SEEDS * 2
    lines = sharpen("runs", "last", home=store).stdout.splitlines()
    assert lines[0].split()[:4] == ["run", "repeat", "of", "seed"]
    assert ["★" in line for line in lines[1:]] == [True] * 3 + [False] * 3


def test_the_best_mean_wins_over_the_best_run(sharpen, repeated, store):
    found = json_of(sharpen("best", "last", "--json", home=store))
    first = f"{Reader(store).sweep('last').id}-1"
    assert (found["run"], found["score"], found["config"]) == (first, 0.5, {"tilt": 0})
    about = json.dumps({"seed": LUCKY_SEED, "config": {"tilt": 0}})
    assert found["command"] == f"SHARPEN_RUN='{about}' python seeded.py --tilt=0"
    assert [(row["seed"], row["score"]) for row in found["repeats"]] == [(seed, 0.5) for seed in SEEDS]
    assert found["metrics"] == {"score": 0.5, "luck": -2.0}
    said = sharpen("best", "last", home=store).stdout
    assert f"run {first}: score 0.5, mean of 3 seeds, from 0.5 to 0.5" in said
    assert json_of(sharpen("ls", "--json", home=store))[0]["best"] == 0.5
    leaders = [line.split() for line in repeated.ran.stdout.splitlines()[1:3]]
    assert [line[:5] for line in leaders] == [
        ["1", "0.50", "0.50", "to", "0.50"],
        ["4", "−1.50", "−4.50", "to", "4.50"],
    ]
    facts = json_of(sharpen("info", "last", "--json", home=store))
    assert (facts["repeats"], facts["configurations"], facts["runs"]) == (3, {"finished": 2}, {"finished": 6})


def test_the_live_table_names_the_best_mean_and_shows_its_runs(store):
    sweep_id = Reader(store).sweep("last").id
    said = headline(Snapshot.read(Reader(store), sweep_id), 1)
    assert "best score 0.5 (run 1, mean of 3 seeds, from 0.5 to 0.5)" in said
    console = Console(file=io.StringIO(), width=120)
    console.print(LiveTable(Reader(store), sweep_id, 1, console)._drawn())
    drawn = console.file.getvalue()
    assert (drawn.count("★"), drawn.count("finished")) == (3, 6 + said.count("finished"))


def test_validate_gives_both_sides_the_run_s_seed(sharpen, store):
    for number, luck in ((4, 4.0), (6, -5.0)):
        found = json_of(sharpen("validate", f"last-{number}", "--json", home=store))
        assert [found[side]["metrics"]["luck"] for side in ("chosen", "default")] == [luck, luck]


def test_a_rerun_has_the_seed_of_its_run_and_an_addition_gets_repeats(repeated, sharpen, store):
    assert sharpen("rerun", "last-5", home=store).exit_code == 0
    assert sharpen("queue", "last", "--add", '{"tilt": 0}', home=store).exit_code == 0
    done = repeated.call("--home", str(store), "resume", "last", "--agents", "1")
    assert done.returncode == 0, done.stderr
    rows = json_of(sharpen("runs", "last", "--json", home=store))[6:]
    assert [(row["origin"], row["repeat"], row["repeat_of"]) for row in rows] == [
        ("rerun", 1, None),
        ("queued", 0, None),
        ("queued", 1, 8),
        ("queued", 2, 8),
    ]
    assert [row["summary"]["seed"] for row in rows] == [SEEDS[1], *SEEDS]
    assert json_of(sharpen("best", "last", "--json", home=store))["score"] == 0.5


def test_while_repeats_are_missing_there_is_no_best(sharpen, tmp_path):
    with Bench(tmp_path, program=PROGRAMS / "seeded.py") as bench:
        file = bench.write_sweep(2, method="grid", space=SPACE, more="repeats: 3\n")
        ran = bench.call("run", file, "--agents", "1")
        assert ran.returncode == 1
        assert "sharpen: no configuration finished under all of its seeds with a score" in ran.stderr
        said = sharpen("best", "last", home=bench.home)
        assert (said.exit_code, said.stdout) == (2, "")
        assert "no configuration finished under all of its seeds with a score" in said.stderr


def test_a_configuration_that_lost_its_first_run_is_canceled(sharpen, store):
    sweep_id = Reader(store).sweep("last").id
    before = Snapshot.read(Reader(store), sweep_id)
    assert sharpen("delete", "last-1", "--yes", home=store).exit_code == 0
    for now in (Snapshot.read(Reader(store), sweep_id), before.refreshed(Reader(store))):
        assert [(one.row.number, one.row.state) for one in now.configurations] == [
            (2, "canceled"),
            (4, "finished"),
        ]
        assert [run.number for run in now.runs] == [2, 3, 4, 5, 6]
    facts = json_of(sharpen("info", "last", "--json", home=store))
    assert facts["configurations"] == {"canceled": 1, "finished": 1}
