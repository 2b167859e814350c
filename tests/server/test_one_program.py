"""A program of ``sharpen.tracking`` that the stock agent of wandb starts."""

import re
import sys

import pytest

from sharpen.store.collection_rows import versions
from sharpen.store.queries import Reader

pytest.importorskip("wandb")

SWEEP = """\
program: train.py
method: grid
project: of_the_file
metric: {name: loss, goal: minimize}
parameters:
  x: {values: [3, 1]}
"""

TRAIN = """\
from sharpen import tracking

with tracking.init(config={"x": 0, "y": {"deep": 2}}) as run:
    assert run.in_sweep
    for step in (1, 2):
        run.log({"loss": run.config["x"] + run.config["y"]["deep"] - step}, step=step)
    run.summary.update({"size": 12})
    with open("model.txt", "w") as file:
        file.write(str(run.config["x"]))
    run.log_artifact("model.txt", name="clf", type="model", metadata={"threshold": 0.5})
    with open("same.txt", "w") as file:
        file.write("of each run alike")
    run.log_artifact("same.txt", name="returns", type="returns")
    if run.config["x"] == 1:
        raise ValueError("no")
"""


@pytest.mark.slow
def test_a_program_of_ours_logs_to_the_stock_agent_that_started_it(server):
    (server.folder / "train.py").write_text(TRAIN)
    (server.folder / "sweep.yaml").write_text(SWEEP)
    said = server.wandb("wandb", "sweep", "--project", "quant", "sweep.yaml")
    path = re.search(r"wandb agent (\S+)", said)[1]
    server.wandb("wandb", "agent", path)
    reader = Reader(server.home)
    good, bad = reader.runs(path.rpartition("/")[2])
    assert (good.state, good.score, good.summary["size"]) == ("finished", 3.0, 12)
    assert [report.step for report in reader.reports(run_id=good.id)] == [1, 2]
    assert bad.state == "failed"
    assert [row.run_id for row in versions(reader, "quant/clf")] == [good.id, bad.id]
    files = [file for file in reader.artifacts(good.sweep_id) if file.type != "file"]
    kept = [(file.run_id, file.type, file.name, file.metadata) for file in files]
    assert kept == [
        (run.id, kind, name, metadata)
        for run in (good, bad)
        for kind, name, metadata in (("model", "clf", {"threshold": 0.5}), ("returns", "returns", {}))
    ]
    assert [len(versions(reader, "quant/returns")), path.split("/")[1]] == [1, "quant"]
    best = f"import wandb; print(wandb.Api().sweep('local/elsewhere/{good.sweep_id}').best_run().id)"
    assert bad.id in server.wandb(sys.executable, "-c", best)  # by the metric alone, as at W&B
