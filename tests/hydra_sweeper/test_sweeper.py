"""A Hydra program under ``-m``: the real command, its files, going on, and what is refused."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
import yaml

from sharpen.agents.finalists import candidates, top_runs
from sharpen.store.queries import Reader

Rows = list[dict[str, str]]


def hydra(folder: Path, *words: str, program: str = "bowl.py") -> subprocess.CompletedProcess[str]:
    """Run a Hydra program as a user does."""
    return subprocess.run(
        [sys.executable, program, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("SHARPEN_")},
    )


def sharpen(folder: Path, *words: str) -> str:
    """Return what a verb of the command line prints."""
    argv = [sys.executable, "-m", "sharpen", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout


def rows(path: Path) -> Rows:
    """Return the rows of a table."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_averages_over_folds_and_writes_the_known_files(app: Path) -> None:
    done = hydra(app, "-m", "seed=11")
    assert done.returncode == 0, done.stderr
    out = app / "out" / "bowl"
    history = rows(out / "runhistory.csv")
    assert list(history[0]) == ["config_id", "budget", "fold_id", "seed", "performance", "x", "kind"]
    assert sorted((row["config_id"], row["fold_id"]) for row in history) == [
        (run, fold) for run in "123" for fold in "01"
    ]
    for row in history:
        wanted = (float(row["x"]) - 0.3) ** 2 + int(row["fold_id"])
        assert float(row["performance"]) == pytest.approx(wanted)
        assert row["seed"] == "11"  # the command line's
    assert {row["x"] for row in history if row["config_id"] == "1"} == {"0.5"}  # the default is tried first
    best = min(history, key=lambda row: float(row["performance"]))
    final = yaml.safe_load((out / "final_config.yaml").read_text())
    assert final["x"] == pytest.approx(float(best["x"]))
    assert final["kind"] == best["kind"]
    assert "hydra" not in final
    incumbent = rows(out / "incumbent.csv")[-1]
    assert incumbent["config_id"] == best["config_id"]
    assert float(incumbent["performance"]) == pytest.approx(float(best["performance"]) + 0.5)
    assert (app / "out" / "latest").resolve() == out.resolve()
    assert (out / "2" / "1" / ".hydra" / "overrides.yaml").exists()
    assert (out / "checkpoints").is_dir()


def test_the_same_folder_goes_on_with_its_sweep(app: Path) -> None:
    words = ("-m", "fold_id=0", "hydra.sweeper.seed=3", "hydra.sweeper.n_workers=1")
    assert hydra(app, *words, "hydra.sweeper.n_trials=2").returncode == 0
    out = app / "out" / "bowl"
    before = (out / "runhistory.csv").read_text()
    sweep = json.loads((out / "sharpen.json").read_text())["sweep"]
    again = hydra(app, *words, "hydra.sweeper.n_trials=3", "hydra.sweep.dir=out/latest")
    assert again.returncode == 0, again.stderr
    after = (out / "runhistory.csv").read_text()
    assert (app / "out" / "latest").readlink() == Path("bowl")
    assert after.startswith(before)
    incumbents = rows(out / "incumbent.csv")
    assert [row["config_id"] for row in incumbents] == ["1", "3"]
    for row in incumbents:  # one run at a time: the whole cannot take less than the runs
        assert float(row["total_wallclock_time"]) > float(row["total_optimization_time"]) - 0.002
    assert len(after.splitlines()) == 1 + 3  # one job a configuration, for fold_id is set
    assert json.loads((out / "sharpen.json").read_text())["sweep"] == sweep
    listed = subprocess.run(
        [sys.executable, "-m", "sharpen", "ls", "--json"],
        cwd=app,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [one["sweep"] for one in json.loads(listed.stdout)] == [sweep]
    other = hydra(app, *words, "hydra.sweeper.method=tpe", f"hydra.sweep.dir={out}")
    assert other.returncode == 2
    assert "give the same words to go on with it, or another hydra.sweep.dir" in other.stderr


def test_callbacks_hear_of_one_sweep_and_of_each_job(app: Path) -> None:
    words = ("-m", "fold_id=0", "hydra.sweeper.n_trials=2", "hydra.sweeper.n_workers=1")
    done = hydra(app, *words, "+hydra.callbacks.tell._target_=callbacks.Tell")
    assert done.returncode == 0, done.stderr
    told = (app / "told.txt").read_text().splitlines()
    assert told == ["sweep begins", "job begins", "job begins", "sweep ends"]


def test_an_interrupted_sweep_has_its_incumbent_in_a_file(app: Path) -> None:
    words = ("-m", "fold_id=0", "hydra.sweeper.n_trials=100000", "hydra.sweeper.n_workers=1")
    out, deadline = app / "out" / "bowl", time.monotonic() + 60
    with subprocess.Popen([sys.executable, "bowl.py", *words], cwd=app, stderr=subprocess.DEVNULL) as process:
        while not (out / "incumbent.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    final = yaml.safe_load((out / "final_config.yaml").read_text())
    assert final["x"] == pytest.approx(float(rows(out / "incumbent.csv")[-1]["x"]))


def test_problems_are_told_at_once_with_their_places(app: Path) -> None:
    done = hydra(
        app,
        "-m",
        "hydra.sweeper.method=smak",
        "+hydra.sweeper.n_trails=4",
        "+hydra.sweeper.search_space.hyperparameters.x.uper=3",
    )
    assert done.returncode == 2
    assert "hydra.sweeper.n_trails: no such key; did you mean 'n_trials'?" in done.stderr
    assert (
        "hydra.sweeper.search_space.hyperparameters.x.uper: no such key; did you mean 'upper'?" in done.stderr
    )
    assert "there is no search method 'smak'" in done.stderr
    assert not (app / "out").exists()


def test_a_job_that_fails_fails_its_run_and_one_without_memory_is_infeasible(app: Path) -> None:
    words = ("-m", "fold_id=0", "fail_at=0.45", "hydra.sweeper.n_trials=1")
    failed = hydra(app, *words)
    assert failed.returncode == 1
    assert "has a performance" in failed.stderr + failed.stdout
    assert rows(app / "out" / "bowl" / "runhistory.csv")[0]["performance"] == "nan"
    hydra(app, *words, "memory=true", "hydra.sweep.dir=out/memory")
    runs = subprocess.run(
        [sys.executable, "-m", "sharpen", "runs", "last", "--json"],
        cwd=app,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (run,) = json.loads(runs.stdout)
    assert run["state"] == "finished"
    assert run["score"] is None


def test_a_job_that_is_tried_again_with_less_is_told_with_what_it_had(app: Path) -> None:
    words = ("x=interval(3,4)", "fail_at=2", "memory=true", "fold_id=0", "hydra.sweeper.on_oom=halve:x")
    done = hydra(app, "-m", *words, "hydra.sweeper.n_trials=1")
    assert done.returncode == 0, done.stderr
    (row,) = rows(app / "out" / "bowl" / "runhistory.csv")
    assert row["x"] == "1"
    assert float(row["performance"]) == pytest.approx(0.7**2)
    assert yaml.safe_load((app / "out" / "bowl" / "final_config.yaml").read_text())["x"] == 1
    assert "; out of memory: x 3." in done.stdout + done.stderr
    (best,) = [json.loads(sharpen(app, "best", "last", "--json"))]
    assert best["config"]["x"] == 1
    assert best["proposed"]["x"] > 3
    assert "evaluated with less: x 3." in sharpen(app, "best", "last")
    (mean,) = json.loads(sharpen(app, "aggregate", "last", "--json"))
    assert mean["config"]["x"] == 1
    assert mean["less"].startswith("x 3.")
    (run,) = csv.DictReader(sharpen(app, "export", "last").splitlines())
    assert run["config.x"] == "1"
    sharpen(app, "export", "last", "--to", "deepcave", "-o", "cave")
    (trial,) = rows(app / "cave" / "trials.csv")
    assert trial["x"] == "1"
    assert [row["lower"] for row in rows(app / "cave" / "configspace.csv") if row["name"] == "x"] == ["1"]
    sharpen(app, "export", "last", "--to", "optuna", "-o", "study.db")  # its distributions hold every value


def test_a_job_that_had_to_do_with_less_lets_the_later_ones_do_so_too(app: Path) -> None:
    words = ("x=interval(3,4)", "fail_at=2", "memory=true", "hydra.sweeper.on_oom=halve:x")
    assert hydra(app, "-m", *words, "hydra.sweeper.n_trials=1", "seed=5").returncode == 0
    first, second = rows(app / "out" / "bowl" / "runhistory.csv")
    assert (first["x"], second["x"], first["fold_id"], second["fold_id"]) == ("1", "1", "0", "1")


def test_what_the_command_line_sweeps_over_is_searched(app: Path) -> None:
    words = ("shape=flat,round", "hydra.sweeper.n_trials=4", "hydra.sweeper.method=grid")
    done = hydra(app, "-m", "kind=a,b", "x=0.25", "fold_id=0", *words)
    assert done.returncode == 0, done.stderr
    history = rows(app / "out" / "bowl" / "runhistory.csv")
    assert {(row["kind"], row["shape"]) for row in history} == set(product("ab", ("flat", "round")))
    for row in history:  # an option of a group brings all of its keys
        lift = 5.0 if row["shape"] == "flat" else 0.0
        assert float(row["performance"]) == pytest.approx(0.05**2 + lift)
    final = yaml.safe_load((app / "out" / "bowl" / "final_config.yaml").read_text())
    assert final["shape"] == {"lift": 0.0}
    assert "x" not in history[0]
    assert "x: is set on the command line, so that it stays fixed" in done.stdout + done.stderr


def test_what_the_sweepers_params_sweep_over_is_searched_as_if_it_were_typed(app: Path) -> None:
    swept = "+hydra.sweeper.params={x:'0.1,0.2',kind:b,seed:'5'}"
    words = ("hydra.sweeper.search_space=null", "hydra.sweeper.method=grid", "fold_id=0", "seed=9")
    done = hydra(app, "-m", swept, *words)
    assert done.returncode == 0, done.stderr
    history = rows(app / "out" / "bowl" / "runhistory.csv")
    assert sorted((row["x"], row["seed"]) for row in history) == [("0.1", "9"), ("0.2", "9")]
    assert yaml.safe_load((app / "out" / "bowl" / "final_config.yaml").read_text())["kind"] == "b"


def test_defaults_of_some_parameters_leave_the_others_at_what_the_program_has(app: Path) -> None:
    conf = app / "conf" / "bowl.yaml"
    text = conf.read_text().replace("choices: [a, b]", "choices: [c, b, a]")
    more = "        size: {type: uniform_int, lower: 8, upper: 64}\n"
    more += "        mode: {type: categorical, choices: [one, two]}\n"
    text = text.replace("choices: [c, b, a]}\n", "choices: [c, b, a]}\n" + more)
    conf.write_text(text.replace("kind: a\n", "kind: a\nsize: 16\nmode: none\n"))
    done = hydra(app, "-m", "fold_id=0", "hydra.sweeper.n_trials=1")
    assert done.returncode == 0, done.stderr
    (row,) = rows(app / "out" / "bowl" / "runhistory.csv")
    # x has a default; kind and size are the program's own; its mode is none of the choices: the first
    assert (row["x"], row["kind"], row["size"], row["mode"]) == ("0.5", "a", "16", "one")
    reader = Reader(app / ".sharpen")
    sweep = reader.sweep("last")
    *_, default = candidates(sweep, top_runs(reader, sweep, 1), None)
    assert default.config == reader.runs(sweep.id)[0].config


@pytest.mark.parametrize("n_trials", ["0", "-3", "many", "2.5"])
def test_a_number_of_trials_that_is_none_is_refused_before_anything_is_made(app: Path, n_trials: str) -> None:
    done = hydra(app, "-m", f"hydra.sweeper.n_trials={n_trials}")
    assert done.returncode == 2
    assert "hydra.sweeper.n_trials: is" in done.stderr
    assert "give a whole number, 1 or more" in done.stderr
    assert not (app / "out").exists()
    assert not (app / ".sharpen").exists()


def test_the_command_before_an_extension_says_that_there_is_nothing_more_to_run(app: Path) -> None:
    for n_trials in (1, 2):
        assert hydra(app, "-m", "fold_id=0", f"hydra.sweeper.n_trials={n_trials}").returncode == 0
    again = hydra(app, "-m", "fold_id=0", "hydra.sweeper.n_trials=1")
    assert again.returncode == 0, again.stderr
    said = again.stdout + again.stderr
    assert "it has 2 runs already, and n_trials is 1: nothing more to run" in said
    assert len(rows(app / "out" / "bowl" / "runhistory.csv")) == 2


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("sys.exit(3)", "job 0: the function called sys.exit(3): let it return the number to minimise"),
        ("return float('-inf')", "job 0: it gave -inf"),
        ("return float('nan')", "job 0: it gave NaN"),
    ],
)
def test_a_function_that_gives_no_number_has_a_reason(app: Path, how: str, said: str) -> None:
    program = (app / "bowl.py").read_text()
    program = program.replace("    return (cfg.x", f"    {how}\n    return (cfg.x")
    (app / "bowl.py").write_text(program.replace("import os\n", "import os\nimport sys\n"))
    done = hydra(app, "-m", "fold_id=0", "hydra.sweeper.n_trials=1")
    assert done.returncode == 1
    assert said in done.stdout + done.stderr


def test_a_name_that_yaml_reads_as_a_truth_value_is_to_be_quoted(app: Path) -> None:
    conf = app / "conf" / "bowl.yaml"
    forbidden = "      forbiddens: [{type: EQUALS, name: on, value: 1}]\n"
    added = "        on: {type: uniform_int, lower: 1, upper: 4}\n" + forbidden
    conf.write_text(conf.read_text().replace("choices: [a, b]}\n", "choices: [a, b]}\n" + added))
    done = hydra(app, "-m")
    assert done.returncode == 2
    assert "hydra.sweeper.search_space.hyperparameters.True: is true or false to YAML" in done.stderr
    assert "put the name in quotes, as in 'on'" in done.stderr
    assert "hydra.sweeper.search_space.forbiddens[0]: names True" in done.stderr
    assert not (app / "out").exists()


def test_finalists_say_first_that_the_program_cannot_be_told_of_the_lockbox(app: Path) -> None:
    assert hydra(app, "-m", "fold_id=0", "hydra.sweeper.n_trials=1").returncode == 0
    argv = [sys.executable, "-m", "sharpen", "finalists", "last", "--seeds", "1"]
    said = subprocess.run(argv, cwd=app, capture_output=True, text=True, timeout=120, check=True).stderr
    first, *_ = said.splitlines()
    assert first.startswith("warning: the program had no key 'stage'")
    assert first.endswith("or give --no-lockbox")
