"""Scripts of the W&B client with one line changed: ``import sharpen as wandb``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import sharpen as wandb
from sharpen import tracking
from sharpen.coordinator import connect
from sharpen.errors import NotFound, UsageError
from sharpen.store.queries import Reader
from sharpen.wandb import MODULES

QUIET = ("SHARPEN_RUN", "SHARPEN_SERVER", *(name for name in os.environ if name.startswith("WANDB")))


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Give a store that this process hosts, and a folder to work in."""
    for name in QUIET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHARPEN_HOME", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    with connect(tmp_path / "store"):
        yield tmp_path / "store"
        wandb.teardown()


def rows(home: Path, run_id: str) -> list[tuple[int, dict[str, object]]]:
    return [(row.step, row.metrics) for row in Reader(home).tracked.history(run_id)]


def test_a_script_logs_as_it_did(home: Path) -> None:
    wandb.init(project="quantbot", entity="user", name="first", config=Namespace(lr=0.1), tags=["x"])
    run_id = wandb.run.id
    assert wandb.init(project="other", config={"more": 1}) is wandb.run
    wandb.config.update({"lr": 0.2}, allow_val_change=True)
    wandb.config.depth = 3
    wandb.config.setdefaults({"lr": 9, "seed": 7})
    wandb.define_metric("val/*", summary="max")
    wandb.log({"train/sharpe": 1.5, "val": {"sharpe": np.float64(0.5)}})
    wandb.log({"val/sharpe": 2.0}, commit=False)
    wandb.log({"gap": -0.5})
    wandb.log({"val/sharpe": 1.0}, step=7)
    wandb.log({"loss": 0.1}, step=7)
    wandb.log({"loss": 9.9}, step=6)  # too late: it is left out
    wandb.summary["best"] = 4
    assert wandb.summary["val/sharpe"] == 1.0
    wandb.alert(title="drawdown", text="above 20 %", level="WARN")
    wandb.finish()
    assert wandb.run is None
    wandb.finish()
    assert rows(home, run_id) == [
        (0, {"train/sharpe": 1.5, "val.sharpe": 0.5}),
        (1, {"val/sharpe": 2.0, "gap": -0.5}),
        (7, {"val/sharpe": 1.0, "loss": 0.1}),
    ]
    found = wandb.Api().run(f"user/quantbot/{run_id}")
    assert (found.state, found.name, found.tags) == ("finished", "first", ["x"])
    assert found.config == {"lr": 0.2, "more": 1, "depth": 3, "seed": 7}
    assert found.summary == {
        "train/sharpe": 1.5,
        "val.sharpe": 0.5,
        "gap": -0.5,
        "loss": 0.1,
        "best": 4,
        "val/sharpe": 1.0,
        "val/sharpe.max": 2.0,
    }


def test_a_run_goes_on_behind_its_last_step_or_begins_anew(home: Path) -> None:
    with wandb.init(project="p", id="a1") as run:
        run.log({"loss": 3})
    with wandb.init(project="p", id="a1", resume="allow") as run:
        assert run.resumed
        run.log({"loss": 2})
    assert rows(home, "a1") == [(0, {"loss": 3}), (1, {"loss": 2})]
    with wandb.init(project="p", id="a1", config={"c": 1}) as run:
        run.log({"loss": 1})
    assert rows(home, "a1") == [(0, {"loss": 1})]
    assert wandb.Api().run("p/a1").config == {"c": 1}
    with pytest.raises(NotFound, match="b2"):
        wandb.init(project="p", id="b2", resume="must")


def test_a_run_that_says_so_or_raises_has_failed(home: Path) -> None:
    wandb.init(project="p", id="code").finish(exit_code=3)

    def program() -> None:
        with wandb.init(project="p", id="raised"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        program()
    runs = wandb.Api().runs("p", order="+created_at")
    assert [(run.id, run.state) for run in runs] == [("code", "failed"), ("raised", "failed")]


def test_versions_aliases_and_what_uses_them(home: Path, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with wandb.init(project="quantbot") as run:
        first = run.log_artifact("model.json", name="xgb_sweep", type="model", metadata={"lr": 1})
        data = wandb.Artifact("bars", type="dataset")
        data.add_file("model.json", name="a/one.json")
        with data.new_file("two.txt") as file:
            file.write("2")
        data.add(wandb.Table(columns=["x"], data=[[1]]), "table")
        run.log_artifact(data, aliases=["good"]).wait()
    assert (first.name, first.metadata, data.aliases) == ("xgb_sweep:v0", {"lr": 1}, ["good"])
    with wandb.init(project="quantbot") as run:
        assert run.log_artifact("model.json", name="xgb_sweep", type="model").version == "v0"
        (tmp_path / "model.json").write_text('{"a": 1}')
        assert run.log_artifact("model.json", name="xgb_sweep", type="model").version == "v1"
        used = run.use_artifact("bars:good", type="dataset")
        with pytest.raises(UsageError, match="of type dataset, not model"):
            run.use_artifact("bars:latest", type="model")
        folder = Path(used.download())
    assert sorted(path.name for path in folder.rglob("*.*")) == ["one.json", "table.table.json", "two.txt"]
    newest = wandb.Api().artifact("user/quantbot/xgb_sweep")
    assert newest.version == "v1"
    assert Path(newest.file("down")).read_text() == '{"a": 1}'
    newest.aliases.append("better")
    newest.save()
    assert wandb.Api().artifact("quantbot/xgb_sweep:better").version == "v1"
    assert [one.version for one in wandb.Api().artifacts("model", "quantbot/xgb_sweep")] == ["v1", "v0"]


def test_tables_pictures_and_arrays(home: Path, tmp_path: Path) -> None:
    (tmp_path / "chart.png").write_bytes(b"png")
    with wandb.init(project="p", id="m") as run:
        table = wandb.Table(columns=["a", "b"], data=[[1, 2]])
        table.add_data(3, 4)
        values = {"table": table, "chart": wandb.Image("chart.png"), "page": wandb.Html("<b>hi</b>")}
        run.log({**values, "few": np.arange(3), "many": np.zeros(1000), "h": wandb.Histogram([1, 2])})
        with pytest.raises(UsageError, match=r"PIL.Image.fromarray"):
            wandb.Image(np.zeros((2, 2)))
    [(_, kept)] = rows(home, "m")
    assert kept["few"] == [0, 1, 2]
    assert json.loads(str(kept["table"]))["nrows"] == 2
    assert sum(json.loads(str(kept["many"]))["values"]) == 1000
    files = {file.name: file for file in wandb.Api().run("p/m").files()}
    assert set(files) == {"media/table_0.table.json", "media/chart_0.png", "media/page_0.html"}
    with files["media/table_0.table.json"].download("d") as file:
        assert json.load(file)["data"] == [[1, 2], [3, 4]]


SPACE = {
    "method": "grid",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"x": {"values": [3, 1, 2]}},
}


def test_a_sweep_of_a_function(home: Path) -> None:
    sweep_id = wandb.sweep(SPACE, project="quantbot")
    seen = []

    def train() -> None:
        run = wandb.init(config={"x": 99, "own": 5})
        run.config.x = 7  # what the sweep chose stays
        seen.append((run.config.x, run.sweep_id, run.config["own"]))
        for i in range(3):
            wandb.log({"loss": run.config.x + i})
        if run.config.x == 3:
            raise ValueError("too large")

    wandb.agent(f"user/quantbot/{sweep_id}", function=train, count=2)
    assert seen == [(3, sweep_id, 5), (1, sweep_id, 5)]
    wandb.agent(sweep_id, function=train)
    sweep = wandb.Api().sweep(f"user/quantbot/{sweep_id}")
    assert (sweep.state, sweep.config["method"], len(sweep.runs)) == ("FINISHED", "grid", 3)
    states = {run.config["x"]: run.state for run in sweep.runs}
    assert states == {3: "failed", 1: "finished", 2: "finished"}
    best = sweep.best_run()
    assert (best.config, best.summary["loss"]) == ({"x": 1, "own": 5}, 3)
    assert [row["loss"] for row in best.scan_history()] == [1, 2, 3]
    assert "SHARPEN_RUN" not in os.environ


def test_a_function_is_stopped_early_and_the_next_run_begins(home: Path) -> None:
    rule = {"early_terminate": {"type": "hyperband", "min_iter": 2, "eta": 3}}
    space = {"parameters": {"x": {"values": [1, 5]}}}
    sweep_id = wandb.sweep({**SPACE, **rule, **space}, project="p")
    lengths = []

    def train() -> None:
        run = wandb.init()
        lengths.append(0)
        for i in range(4 if run.config.x == 1 else 300):
            run.log({"loss": run.config.x + 1 / (i + 1)})
            lengths[-1] += 1

    wandb.agent(sweep_id, function=train)
    assert lengths[0] == 4
    assert lengths[1] < 10
    assert [run.state for run in Reader(home).runs(sweep_id)] == ["finished", "stopped"]


def test_api_filters_orders_updates_and_deletes(home: Path) -> None:
    for x in (2, 3, 1):
        with wandb.init(project="p", id=f"r{x}", config={"x": x}, tags=["odd"] if x % 2 else []) as run:
            run.log({"loss": 10 / x})
    api = wandb.Api()
    assert [run.id for run in api.runs("user/p", order="+summary_metrics.loss")] == ["r3", "r2", "r1"]
    assert [run.id for run in api.runs("p", filters={"config.x": {"$gt": 1}, "tags": "odd"})] == ["r3"]
    run = api.run("p/r3")
    run.notes, run.summary["verdict"] = "good", "real"
    run.tags.append("keep")
    run.update()
    run = api.run("p/r3")
    assert (run.notes, run.tags, run.summary["verdict"]) == ("good", ["keep", "odd"], "real")
    run.delete()
    assert [run.id for run in api.runs("p")] == ["r2", "r1"]
    assert api.projects() == ["p"]


def test_a_history_is_scanned_in_pages_also_where_steps_repeat(home: Path) -> None:
    with tracking.init(project="p", id="long") as run:
        for step in [1, 1, 1, 2, 3, 3, 4, 5, 6, 6]:
            run.log({"a": step}, step=step)
    found = wandb.Api().run("p/long")
    for size in (1, 2, 3, 4, 100):
        assert [row["a"] for row in found.scan_history(page_size=size)] == [1, 1, 1, 2, 3, 3, 4, 5, 6, 6]
    middle = list(found.scan_history(keys=["a"], min_step=3, max_step=5))
    assert middle == [{"a": 3}, {"a": 3}, {"a": 4}]
    assert found.history(pandas=False, keys=["a"], samples=2) == [{"a": 1}, {"a": 6}]


def test_disabled_keeps_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with wandb.init(project="none") as run:
        run.log({"loss": 1})
        assert run.summary["loss"] == 1
    assert wandb.Api().projects() == []


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: wandb.log({"a": 1}), r"call wandb\.init\(\) before wandb\.log"),
        (lambda: wandb.config, r"before wandb\.config"),
        (lambda: wandb.init(projct="p"), "did you mean 'project'"),
        (lambda: wandb.init(mode="loud"), "online, offline"),
        (lambda: wandb.init(resume="maybe"), "allow, must, never"),
        (lambda: wandb.Artifact("../x", "model"), "no name of a collection"),
        (lambda: wandb.Artifact("x", "model").add_reference("s3://b"), "add_file keeps a copy"),
    ],
)
def test_what_is_wrong_is_said(call, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        call()


def test_a_word_that_is_not_here_names_the_way() -> None:
    with pytest.raises(AttributeError, match=r"no wandb\.Video.*sharpen serve"):
        _ = wandb.Video


def test_every_word_is_there() -> None:
    wandb.init(mode="disabled")
    assert [name for name in MODULES if getattr(wandb, name, None) is None] == []


def test_under_the_stock_agent_every_word_is_the_stock_clients(home: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake" / "wandb"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("init = 'the stock word'\n")
    environment = {**os.environ, "PYTHONPATH": str(fake.parent)}
    environment |= {"WANDB_SWEEP_ID": "s", "WANDB_RUN_ID": "r"}
    program = "import sharpen as wandb; print(wandb.init)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "the stock word\n"


def test_import_alone_loads_nothing() -> None:
    program = "import sys, sharpen; print([name for name in sys.modules if name.startswith('sharpen.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
