"""Artifacts of the real, unmodified wandb client."""

import json
import re
import sys

import pytest

from sharpen.registry.best_version import names_of_versions
from sharpen.store.collection_rows import aliases, versions
from sharpen.store.queries import Reader

pytest.importorskip("wandb")

PROGRAM = """\
import datetime, json, os, wandb


def write(n):
    os.makedirs("model", exist_ok=True)
    with open("model/a.txt", "w") as file:
        file.write(f"a{n}")
    with open("model/b.bin", "wb") as file:
        file.write(b"b" * 100_000)


found = {"logged": []}
with wandb.init(project="quant", id="maker") as run:
    for n in range(2):
        write(n)
        logged = wandb.Artifact("xgb", type="model", description="d", metadata={"n": n})
        logged.add_dir("model")
        run.log_artifact(logged, aliases=["latest", f"n{n}"], tags=["good"]).wait()
        found["logged"].append([logged.version, sorted(logged.aliases)])
    again = wandb.Artifact("xgb", type="model")
    again.add_dir("model")
    found["again"] = run.log_artifact(again).wait().version
    run.log({"t": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])})
    run.link_artifact(logged, "quant/portfolio", aliases=["prod"])
    run.link_artifact(logged, "wandb-registry-model/xgb", aliases=["staging"])
    run.log_model("model/a.txt", name="lone")
with wandb.init(project="quant", id="user") as run:
    got = run.use_artifact("xgb:latest")
    folder = got.download("down")
    got.verify(folder)
    found["down"] = sorted(os.listdir(folder))
    with open("down/a.txt") as file:
        found["content"] = file.read()
    found["model"] = os.path.basename(run.use_model("lone:latest"))
    found["linked"] = [
        run.use_artifact(name).source_name
        for name in ("quant/portfolio:prod", "wandb-registry-model/xgb:staging")
    ]
    for n in range(2):
        more = wandb.Artifact("bars", type="dataset", incremental=n > 0)
        for name in ("both", f"only{n}"):
            with more.new_file(name) as file:
                file.write(f"{n}")
        run.log_artifact(more).wait()
    bars = run.use_artifact("bars:latest").download("bars")
    found["bars"] = {name: open(f"{bars}/{name}").read() for name in sorted(os.listdir(bars))}
api = wandb.Api()
old = api.artifact("quant/xgb:v0")
kept = [dict(old.metadata), list(old.aliases), list(old.tags)]
found["old"] = [*kept, old.size, old.file_count, old.description]
found["lineage"] = [old.logged_by().id, [user.id for user in api.artifact("quant/xgb:v1").used_by()]]
old.aliases.append("keep")
old.metadata["more"] = 1
old.description, old.tags, old.ttl = "new", ["other"], datetime.timedelta(days=2)
old.save()
new = api.artifact("quant/xgb:keep")
found["edited"] = [new.version, new.metadata, new.description, new.tags, new.ttl.days]
found["types"] = [one.name for one in api.artifact_types("quant")]
found["versions"] = [one.version for one in api.artifacts("model", "quant/xgb")]
found["made"] = sorted(one.name for one in api.run("quant/maker").logged_artifacts())
found["used"] = sorted(one.name for one in api.run("quant/user").used_artifacts())
found["there"] = [api.artifact_exists("quant/xgb:v9"), api.artifact_exists("quant/xgb:v1")]
found["links"] = sorted(one.name for one in api.artifact("quant/xgb:v1").linked_artifacts)
found["table"] = api.artifact("quant/run-maker-t:v0").get("t").data
api.artifact("quant/xgb:v0").delete(delete_aliases=True)
found["left"] = [one.version for one in api.artifacts("model", "quant/xgb")]
api.artifact("quant/portfolio:prod").unlink()
api.artifact_collection("dataset", "quant/bars").delete()
found["collections"] = sorted(one.name for one in api.artifact_collections("quant", "model"))
found["gone"] = [api.artifact_collection_exists("quant/bars", "dataset")]
made = api.create_run(project="quant")
wandb.Api().run(f"quant/{made.id}").delete()
found["gone"].append(made.id in [run.id for run in wandb.Api().runs("quant")])
print("FOUND" + json.dumps(found))
"""

SWEEP = """\
program: train.py
method: grid
project: quant
metric: {name: loss, goal: minimize}
parameters:
  x: {values: [3, 1, 2]}
"""

TRAIN = """\
import wandb

with wandb.init() as run:
    run.log({"loss": run.config["x"]})
    with open("model.txt", "w") as file:
        file.write(str(run.config["x"]))
    run.log_artifact("model.txt", name="clf", type="model").wait()
"""


@pytest.mark.slow
def test_artifacts_are_logged_used_edited_linked_and_deleted(server):
    (server.folder / "program.py").write_text(PROGRAM)
    said = server.wandb(sys.executable, "program.py")
    found = json.loads(said.partition("FOUND")[2].splitlines()[0])
    assert found["logged"] == [["v0", ["latest", "n0"]], ["v1", ["latest", "n1"]]]
    assert found["again"] == "v1"  # the same content is the same version
    assert (found["down"], found["content"], found["model"]) == (["a.txt", "b.bin"], "a1", "a.txt")
    assert found["linked"] == ["xgb:v1", "xgb:v1"]
    assert found["old"] == [{"n": 0}, ["n0"], ["good"], 100_002, 2, "d"]
    assert found["lineage"] == ["maker", ["user"]]
    assert found["edited"] == ["v0", {"n": 0, "more": 1}, "new", ["other"], 2]
    assert found["types"] == ["dataset", "model", "run_table"]
    assert found["versions"] == ["v1", "v0"]
    assert found["made"] == ["lone:v0", "run-maker-t:v0", "xgb:v0", "xgb:v1"]
    assert found["used"] == ["bars:v1", "lone:v0", "xgb:v1"]
    assert found["there"] == [False, True]
    assert found["links"] == ["portfolio:v0", "xgb:v0"]
    assert found["table"] == [[1, "x"], [2, "y"]]
    assert found["left"] == ["v1"]
    assert found["bars"] == {"both": "1", "only0": "0", "only1": "1"}
    assert found["collections"] == ["lone", "xgb"]
    assert found["gone"] == [False, False]

    reader = Reader(server.home)
    (left,) = versions(reader, "quant/xgb")
    assert {file.name for file in left.files} == {"a.txt", "b.bin", "wandb_manifest.json"}
    assert [(one.alias, one.version) for one in aliases(reader, "quant/xgb")] == [("n1", 1)]


@pytest.mark.slow
def test_best_is_what_the_best_run_of_the_sweep_logged(server):
    (server.folder / "train.py").write_text(TRAIN)
    (server.folder / "sweep.yaml").write_text(SWEEP)
    said = server.wandb("wandb", "sweep", "sweep.yaml")
    server.wandb("wandb", "agent", re.search(r"wandb agent (\S+)", said)[1])
    server.wandb("wandb", "artifact", "get", "quant/clf:best", "--root", "best")
    server.wandb("wandb", "artifact", "get", "quant/clf:latest", "--root", "latest")
    assert (server.folder / "best" / "model.txt").read_text() == "1"
    assert (server.folder / "latest" / "model.txt").read_text() == "2"
    found = names_of_versions(Reader(server.home), "quant/clf")
    assert found == {1: ["best"], 2: ["latest"]}
