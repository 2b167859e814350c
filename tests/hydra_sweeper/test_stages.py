"""What comes after a Hydra sweep, and what is passed on within one: returns, stages, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result

from hydra_plugins.sharpen_sweeper._trial import _staged
from sharpen.cli import main
from sharpen.errors import UsageError
from sharpen.store.queries import Reader

from .test_sweeper import hydra, rows


def sharpen(folder: Path, *words: str) -> Result:
    """Run the command on the folder's store, in this process."""
    return CliRunner().invoke(main, ["--home", str(folder / ".sharpen"), *words])


@pytest.mark.slow
def test_returns_make_a_verdict_and_every_stage_is_carried_out(app: Path) -> None:
    done = hydra(app, "-m", "hydra.sweeper.n_trials=2", program="walker.py")
    assert done.returncode == 0, done.stderr
    reader = Reader(app / ".sharpen")
    one, other = reader.runs(reader.sweep("last").id)
    (kept,) = (file for file in reader.artifacts(run_id=one.id) if file.type == "returns")
    frame = pl.read_parquet(kept.path)
    assert (frame["fold"].to_list(), frame["time"].is_sorted()) == ([0] * 60 + [1] * 60, True)
    assert one.score == pytest.approx(-frame["ret"].mean())
    assert one.summary["data/hash"] == "walk"
    assert reader.reports(run_id=one.id)[-1].metrics["steps_here"] == 20
    told = sharpen(app, "finalists", "last", "--top", "2", "--seeds", "1", "--json")
    assert told.exit_code == 0, told.stderr
    result = json.loads(told.stdout)
    scores = {each["name"]: list(each["seeds"].values()) for each in result["candidates"]}
    assert scores[one.id] == scores["default"] != [one.score]  # a fresh seed; the first trial is the default
    tests = {each["name"]: each for each in result["comparisons"]}
    assert (result["paired"], tests[other.id]["n"]) == ("folds", 2)
    assert tests[one.id]["why"] == "the same configuration"
    look = result["lockbox"]
    assert (look["looks"], look["chosen"]["n_bars"]) == (1, 60)
    assert set(look["chosen"]["metrics"]) == {"performance", "steps_here"}
    permuted = sharpen(app, "permute", "last-1", "-n", "1", "--json")
    assert permuted.exit_code == 0, permuted.stderr
    assert json.loads(permuted.stdout)["run"] == one.id


def test_a_program_that_knows_no_stage_is_told_which_key_it_lacks() -> None:
    for stage, seed, lacks in (("lockbox", None, "stage"), ("permuted", 3, "permutation_seed")):
        run: Any = SimpleNamespace(stage=stage, permutation_seed=seed)
        known = {"stage": "search", "permutation_seed": None}
        assert _staged(run, known)["stage"] == stage
        del known[lacks]
        with pytest.raises(UsageError, match=f"no key '{lacks}', so it does not know the {stage} stage"):
            _staged(run, known)


@pytest.mark.slow
def test_a_population_passes_on_checkpoints_of_every_fold(app: Path) -> None:
    members = "hydra.sweeper.sweeper_kwargs.optimizer_kwargs."
    done = hydra(
        app,
        "-m",
        *("hydra.sweeper.method=pb2", "hydra.sweeper.n_trials=5", "hydra.sweeper.budget_variable=steps"),
        *("hydra.sweeper.saving_variable=save", "hydra.sweeper.loading_variable=load"),
        *(f"{members}population_size=2", f"{members}config_interval=10"),
        program="walker.py",
    )
    assert done.returncode == 0, done.stderr
    reader = Reader(app / ".sharpen")
    runs = {run.number: run for run in reader.runs(reader.sweep("last").id)}
    assert sorted(run.fidelity or 0 for run in runs.values()) == [10, 10, 20, 20, 20]
    for run in runs.values():
        if run.parent is not None:
            walk = [[runs[run.parent].config["pace"], 10], [run.config["pace"], 20]]
            assert run.summary["walk"] == walk  # the parent's weights, and its own live hyperparameter
            assert reader.reports(run_id=run.id)[-1].metrics["steps_here"] == 10
    out = app / "out" / "walker"
    assert sorted(path.name for path in (out / "checkpoints" / "1").iterdir()) == ["0", "1"]
    assert yaml.safe_load((out / "final_config.yaml").read_text())["steps"] == 20
    assert {row["budget"] for row in rows(out / "runhistory.csv")} == {"10.0", "20.0"}
