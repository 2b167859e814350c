"""The real, unmodified wandb client against the server."""

import json
import re
import sys
from pathlib import Path

import pytest

from sharpen.store.queries import Reader

from .conftest import SWEEP

pytest.importorskip("wandb")

TRAIN = """\
import wandb

with wandb.init() as run:
    for i in range(3):
        run.log({"loss": run.config["x"] + 3 - i, "curve/n": i})
    run.summary["size"] = 12
    print("hello from", run.id)
"""

ASK = """\
import json, sys, wandb

api = wandb.Api()
sweep = api.sweep(sys.argv[1])
best = sweep.best_run()
found = {"state": sweep.state, "best": best.id, "config": best.config, "summary": dict(best.summary)}
found["rows"] = [(row["_step"], row["loss"]) for row in best.scan_history()]
found["keyed"] = list(best.scan_history(keys=["loss"]))
found["few"] = len(best.history(samples=2, pandas=False))
project = sys.argv[1].rpartition("/")[0]
found["large"] = [run.id for run in api.runs(project, filters={"config.x": {"$gt": 2}})]
found["order"] = [run.id for run in api.runs(project, order="+summary_metrics.loss")]
found["files"] = sorted(file.name for file in best.files())
found["yaml"] = best.file("config.yaml").download(root="down", replace=True).read()
best.tags.append("keep")
best.notes = "good"
best.update()
again = api.run(f"{project}/{best.id}")
found["notes"], found["tags"] = again.notes, again.tags
api.run(f"{project}/{found['order'][-1]}").delete()
found["left"] = len(api.runs(project, order="+created_at"))
print("FOUND" + json.dumps(found))
"""


@pytest.mark.slow
def test_a_sweep_of_the_stock_client(server):
    (server.folder / "train.py").write_text(TRAIN)
    (server.folder / "ask.py").write_text(ASK)
    (server.folder / "sweep.yaml").write_text(SWEEP)
    assert "Currently logged in" in server.wandb("wandb", "login", "--relogin", server.key)
    said = server.wandb("wandb", "sweep", "--project", "quantbot", "sweep.yaml")
    path = re.search(r"wandb agent (\S+)", said)[1]
    assert path.startswith("local/quantbot/")
    sweep_id = path.rpartition("/")[2]
    said = server.wandb("wandb", "agent", path)
    assert "Received exit command" in said

    reader = Reader(server.home)
    runs = reader.runs(sweep_id)
    assert [run.state for run in runs] == ["finished", "finished"]
    for run in runs:
        assert run.score == pytest.approx(run.config["x"] + 1)
        assert run.summary["size"] == 12
        assert [report.step for report in reader.reports(run_id=run.id)] == [0, 1, 2]
        assert f"hello from {run.id}" in reader.console(run.id)

    said = server.wandb(sys.executable, "ask.py", path)
    found = json.loads(said.partition("FOUND")[2].splitlines()[0])
    best, worst = sorted(runs, key=lambda run: run.score)
    assert (found["state"], found["best"]) == ("FINISHED", best.id)
    assert found["config"]["x"] == best.config["x"]
    assert found["summary"]["loss"] == best.score
    assert [step for step, _ in found["rows"]] == [0, 1, 2]
    assert [row["loss"] for row in found["keyed"]] == [loss for _, loss in found["rows"]]
    assert found["few"] == 2
    assert found["large"] == []
    assert found["order"] == [best.id, worst.id]
    assert {"config.yaml", "output.log", "wandb-metadata.json"} <= {*found["files"]}
    assert "kind" in found["yaml"]
    assert (found["notes"], found["tags"], found["left"]) == ("good", ["keep"], 1)


@pytest.mark.slow
def test_the_states_that_wandb_sweep_sets(server):
    (server.folder / "sweep.yaml").write_text(SWEEP)
    said = server.wandb("wandb", "sweep", "--project", "quantbot", "sweep.yaml")
    path = re.search(r"wandb agent (\S+)", said)[1]
    reader = Reader(server.home)
    for option, status in (
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
        ("resume", "running"),
        ("cancel", "canceled"),
    ):
        server.wandb("wandb", "sweep", f"--{option}", path)
        assert reader.sweep(Path(path).name).status == status
