"""Runs of no sweep of the real, unmodified wandb client."""

import json
import sys

import pytest

from sharpen.store.queries import Reader

pytest.importorskip("wandb")

PLAIN = """\
import json, wandb

about = dict(notes="a note", tags=["x", "y"], group="g", job_type="train")
with wandb.init(project="momentum", id="one", name="first try", config={"lr": 0.1}, **about) as run:
    run.define_metric("loss", summary="min")
    for i in range(5):
        run.log({"loss": 5 - i, "odd": float("nan")})
    run.summary["size"] = 12
    run.config.update({"late": {"deep": 1}})
    print("hello from", run.id)
    run.log({"h": wandb.Histogram([1, 2, 3]), "html": wandb.Html("<b>x</b>")})
    run.alert("careful", "a text")
    with open("kept.txt", "w") as file:
        file.write("kept")
    run.save("kept.txt")

with wandb.init(project="momentum", id="one", resume="must") as run:
    assert (run.starting_step, run.config["lr"], run.name) == (6, 0.1, "first try"), run.starting_step
    run.log({"loss": 0.5})
    print("hello again")

try:
    wandb.init(project="momentum", id="none", resume="must")
except wandb.errors.UsageError as problem:
    print("REFUSED")

for length in (3, 2):  # an id that is used again without resume begins anew
    with wandb.init(project="momentum", id="two", reinit=True) as run:
        for i in range(length):
            run.log({"i": length * 10 + i})

api = wandb.Api()
run = api.run("momentum/one")
found = {"state": run.state, "config": dict(run.config), "summary": run.summary["size"], "group": run.group}
found["rows"] = [(row["_step"], row.get("loss")) for row in run.scan_history()]
found["keyed"] = [row["loss"] for row in run.scan_history(keys=["loss"])]
found["files"] = sorted(file.name for file in run.files())
found["two"] = [row["i"] for row in api.run("momentum/two").scan_history()]
found["projects"] = [project.name for project in api.projects()]
best = api.runs("momentum", filters={"group": "g"}, order="-summary_metrics.size")
found["best"] = [run.id for run in best]
run.tags = ["kept"]
run.summary["later"] = 1
run.config["more"] = 2
run.update()
again = api.run("momentum/one")
found["again"] = [again.tags, again.summary["later"], again.config["more"], again.name, again.notes]
api.run("momentum/two").delete()
found["left"] = [run.id for run in api.runs("momentum")]
print("FOUND" + json.dumps(found))
"""

FAILS = """\
import wandb

with wandb.init(project="momentum", id="bad") as run:
    run.log({"loss": 1})
    raise ValueError("no")
"""

OFFLINE = """\
import wandb

with wandb.init(project="momentum", id="off", mode="offline") as run:
    for i in range(3):
        run.log({"loss": i})
    run.summary["size"] = 4
"""


@pytest.mark.slow
def test_a_plain_run_of_the_stock_client(server):
    (server.folder / "plain.py").write_text(PLAIN)
    said = server.wandb(sys.executable, "plain.py")
    assert "REFUSED" in said
    found = json.loads(said.partition("FOUND")[2].splitlines()[0])
    assert (found["state"], found["summary"], found["group"]) == ("finished", 12, "g")
    assert found["config"] == {"lr": 0.1, "late": {"deep": 1}}
    assert found["rows"] == [[0, 5], [1, 4], [2, 3], [3, 2], [4, 1], [5, None], [6, 0.5]]
    assert found["keyed"] == [5, 4, 3, 2, 1, 0.5]
    assert {"config.yaml", "kept.txt", "output.log", "wandb-metadata.json"} <= {*found["files"]}
    assert any(name.startswith("media/html/") for name in found["files"])
    assert found["two"] == [20, 21]
    assert (found["projects"], found["best"]) == (["momentum"], ["one"])
    assert found["again"] == [["kept"], 1, 2, "first try", "a note"]
    assert found["left"] == ["one"]

    reader = Reader(server.home)
    run = reader.tracked.run("one")
    assert (run.project, run.group_name, run.job_type, run.display_name) == (
        "momentum",
        "g",
        "train",
        "first try",
    )
    assert reader.console("one").splitlines()[0].startswith("hello from one")
    assert "hello again" in reader.console("one")
    assert run.summary["_alerts"] == [{"title": "careful", "text": "a text", "severity": "INFO"}]


@pytest.mark.slow
def test_a_run_that_fails_and_one_that_was_offline(server):
    (server.folder / "fails.py").write_text(FAILS)
    (server.folder / "offline.py").write_text(OFFLINE)
    assert "ValueError: no" in server.wandb(sys.executable, "fails.py", code=1)
    said = server.wandb(sys.executable, "offline.py")
    assert "wandb sync" in said
    (folder,) = (server.folder / "wandb").glob("offline-run-*")
    server.wandb("wandb", "sync", str(folder))
    reader = Reader(server.home)
    assert reader.tracked.run("bad").state == "failed"
    run = reader.tracked.run("off")
    assert (run.state, run.summary["size"]) == ("finished", 4)
    assert [row.metrics["loss"] for row in reader.tracked.history("off")] == [0, 1, 2]


BRANCHES = """\
import json, wandb

about = {"project": "p"}
with wandb.init(id="base", config={"lr": 0.1}, **about) as run:
    for i in range(5):
        run.log({"loss": i})
with wandb.init(id="forked", fork_from="base?_step=2", config={"own": 1}, **about) as run:
    for i in range(3):
        run.log({"loss": 100 + i})
with wandb.init(id="forked", resume="must", **about) as run:
    run.log({"loss": 7})
with wandb.init(resume_from="base?_step=2", **about) as run:
    assert (run.id, run.starting_step, run.config["lr"]) == ("base", 3, 0.1)
    run.log({"loss": 200})
for words in ({"fork_from": "none?_step=2", "id": "x"}, {"resume_from": "none?_step=1"}):
    try:
        wandb.init(**words, **about)
    except wandb.Error as problem:
        print("REFUSED", problem)
found = {}
for run in wandb.Api().runs("p"):
    found[run.id] = [dict(run.config), [(row["_step"], row["loss"]) for row in run.scan_history()]]
print("FOUND" + json.dumps(found))
"""


@pytest.mark.slow
def test_a_run_is_forked_and_another_rewound(server):
    (server.folder / "branches.py").write_text(BRANCHES)
    said = server.wandb(sys.executable, "branches.py")
    assert "no run 'none' to fork from" in said
    assert "no run 'none' to rewind" in said
    found = json.loads(said.partition("FOUND")[2].splitlines()[0])
    forked = [[0, 0], [1, 1], [2, 2], [3, 100], [4, 101], [5, 102], [6, 7]]
    assert found == {
        "base": [{"lr": 0.1}, [[0, 0], [1, 1], [2, 2], [3, 200]]],
        "forked": [{"lr": 0.1, "own": 1}, forked],
    }
