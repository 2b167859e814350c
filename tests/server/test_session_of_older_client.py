"""A user's session with an older client, which `make .venv-wandb-old/ready` installs; `make check` does so.

SHARPEN_OLD_WANDB may name the Python of another environment. What its command line starts speaks by itself,
in Python, where today's has a program for that: both are tried.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sharpen.store.collection_rows import versions
from sharpen.store.queries import Reader

from .conftest import SWEEP

HERE = Path(__file__).parents[2] / ".venv-wandb-old" / "bin" / "python"
OLD = os.environ.get("SHARPEN_OLD_WANDB") or (str(HERE) if HERE.exists() else "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OLD, reason="no older wandb: make .venv-wandb-old/ready"),
]

TRAIN = """\
import wandb

with wandb.init() as run:
    for i in range(3):
        wandb.log({"loss": run.config["x"] + 3 - i})
    with open("model.txt", "w") as file:
        file.write(str(run.config["x"]))
    wandb.log_artifact("model.txt", name="clf", type="model")
    print("hello from", run.id)
"""

ASK = """\
import json, sys, wandb

api = wandb.Api()
sweep = api.sweep(sys.argv[1])
best = sweep.best_run()
project = sys.argv[1].rpartition("/")[0]
found = {"version": wandb.__version__, "best": best.id, "config": best.config["x"]}
found["loss"] = best.summary["loss"]
found["rows"] = [row["loss"] for row in best.scan_history()]
found["order"] = [run.id for run in api.runs(project, order="+summary_metrics.loss")]
found["finished"] = len(api.runs(project, filters={"$and": [{"state": "finished"}, {"sweep": sweep.id}]}))
found["files"] = sorted(file.name for file in best.files())
model = api.artifact(f"{project}/clf:best")
found["model"] = open(model.file("down")).read()
found["by"] = model.logged_by().id
best.tags.append("keep")
best.update()
found["tags"] = api.run(f"{project}/{best.id}").tags
print("FOUND" + json.dumps(found))
"""

PLAIN = """\
import wandb

run = wandb.init(project="plain", id="r1", resume="allow", config={"lr": 0.1}, tags=["a"], job_type="eval")
run.define_metric("loss", summary="min")
for i in range(4):
    run.log({"loss": 4 - i, "table": wandb.Table(columns=["a"], data=[[i]])} if i == 3 else {"loss": 4 - i})
run.summary["final"] = 7
run.alert("title", "text")
data = wandb.Artifact("bars", "dataset")
with data.new_file("a.txt") as file:
    file.write("hi")
run.log_artifact(data, aliases=["good"]).wait()
run.finish()
with wandb.init(project="plain", id="r1", resume="must") as run:
    assert run.resumed
    run.log({"loss": 0})
    assert open(run.use_artifact("bars:good").file()).read() == "hi"
"""

FUNCTION = """\
import sys, wandb

def train():
    with wandb.init() as run:
        run.log({"loss": run.config["x"]})

wandb.agent(sys.argv[1], function=train, count=1)
"""


@pytest.fixture
def old(server):
    """Run a command with the older client, and return all that it printed."""
    bins = Path(OLD).parent

    def run(*words, code=0):
        environ = {**server.environ, "PATH": f"{bins}:{server.environ['PATH']}"}
        command = [str(bins / words[0]), *words[1:]] if (bins / words[0]).exists() else list(words)
        done = subprocess.run(
            command, cwd=server.folder, env=environ, capture_output=True, text=True, timeout=200, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    return run


def test_the_session(server, old):
    for name, text in (("train.py", TRAIN), ("ask.py", ASK), ("sweep.yaml", SWEEP)):
        (server.folder / name).write_text(text)
    assert "API key is configured" in old("wandb", "login", "--relogin", server.key)
    path = re.search(r"wandb agent (\S+)", old("wandb", "sweep", "--project", "quantbot", "sweep.yaml"))[1]
    sweep_id = path.rpartition("/")[2]
    reader = Reader(server.home)
    old("wandb", "agent", "--project", "quantbot", sweep_id)  # by the bare id
    runs = reader.runs(sweep_id)
    assert [run.state for run in runs] == ["finished"] * 2
    best = min(runs, key=lambda run: run.score)
    assert [report.step for report in reader.reports(run_id=best.id)] == [0, 1, 2]
    assert f"hello from {best.id}" in reader.console(best.id)
    found = json.loads(old("python", "ask.py", path).partition("FOUND")[2].splitlines()[0])
    assert not found["version"].startswith(sys.modules["importlib.metadata"].version("wandb"))
    assert (found["best"], found["config"], found["loss"]) == (best.id, best.config["x"], best.score)
    assert (len(found["rows"]), found["order"][0], found["finished"]) == (3, best.id, 2)
    assert {"config.yaml", "output.log", "wandb-metadata.json"} <= {*found["files"]}
    assert (found["model"], found["by"], found["tags"]) == (str(best.config["x"]), best.id, ["keep"])
    said = old("wandb", "artifact", "get", f"{path.rpartition('/')[0]}/clf:best", "--root", "model")
    assert (server.folder / "model" / "model.txt").read_text() == str(best.config["x"]), said


def test_steering(server, old):
    (server.folder / "sweep.yaml").write_text(SWEEP)
    for words in ({"pause": "paused", "resume": "running", "stop": "stopped"}, {"cancel": "canceled"}):
        path = re.search(r"wandb agent (\S+)", old("wandb", "sweep", "--project", "q", "sweep.yaml"))[1]
        for option, status in words.items():
            old("wandb", "sweep", f"--{option}", path)
            assert Reader(server.home).sweep(path.rpartition("/")[2]).status == status


def test_plain_runs_and_artifacts(server, old):
    (server.folder / "plain.py").write_text(PLAIN)
    old("python", "plain.py")
    reader = Reader(server.home)
    run = reader.tracked.run("r1")
    assert (run.state, run.n_lines, run.tags, run.job_type) == ("finished", 5, ("a",), "eval")
    assert run.summary["final"] == 7
    [row] = versions(reader, "plain/bars")
    assert row.run_id == "r1"


def test_an_agent_of_a_function(server, old):
    (server.folder / "function.py").write_text(FUNCTION)
    (server.folder / "sweep.yaml").write_text(SWEEP)
    path = re.search(r"wandb agent (\S+)", old("wandb", "sweep", "--project", "q", "sweep.yaml"))[1]
    old("python", "function.py", path)
    assert [run.state for run in Reader(server.home).runs(path.rpartition("/")[2])] == ["finished"]
