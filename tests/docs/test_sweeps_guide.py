"""Every command that a guide to sweeps with the `wandb` client shows, typed against `sharpen serve`.

What the client has is the client's. What it has not, although guides show it (`wandb sweep --info`,
`wandb run cancel`, …), is typed with `sharpen` in place of `wandb`. The sweeps are cut to one small run each.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sharpen.store.queries import Reader

from . import pages

pytest.importorskip("wandb")

BEST = """\
import wandb
api = wandb.Api()
sweep = api.sweep("user/quantbot/{sweep}")
best_run = sweep.best_run()
print(f"Best config: {{best_run.config}}")
"""

CUSTOM = """\
program: scripts/train_custom.py
method: grid
metric:
  name: custom/metric
  goal: maximize

parameters:
  param1:
    values: [a, b, c]
  param2:
    min: 0
    max: 10
    distribution: uniform
"""


@dataclass
class Desk:
    """A folder with the project's files, and a server that its shell knows."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def type(self, line: str, code: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def desk(tmp_path):
    folder, home = tmp_path / "quantbot", tmp_path / "store"
    folder.mkdir()
    for name in ("scripts", "apps"):
        (folder / name).symlink_to(pages.ROOT / name)
    (folder / "sweeps").mkdir()
    for path in (pages.ROOT / "sweeps").glob("*.yaml"):
        text = re.sub(r"(?m)^run_cap: \d+.*$", "run_cap: 1", path.read_text())
        text = text.replace("min: 50\n    max: 500", "value: 5")
        (folder / "sweeps" / path.name).write_text(f"{text}\nproject: quantbot\n")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "SHARPEN"))}
    own |= {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{own['PATH']}"}
    own |= {"SHARPEN_HOME": str(home), "WANDB_DISABLE_GIT": "true", "WANDB__DISABLE_STATS": "true"}
    own |= {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1", "WANDB_ERROR_REPORTING": "false"}
    command = [sys.executable, "-m", "sharpen", "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline().strip().removeprefix("export ") for _ in range(2)]
        yield Desk(folder, own | dict(line.split("=", 1) for line in lines))
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def made(said):
    assert "Created sweep with ID" in said or "Creating sweep with ID" in said
    return re.search(r"wandb agent local/quantbot/(\S+)", said)[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_from_the_file_to_the_best_model(desk):
    desk.type("wandb login --relogin $WANDB_API_KEY")
    sweep = made(desk.type("wandb sweep sweeps/xgboost_sweep.yaml"))
    loop = (
        "for i in {1..4}; do\n  CUDA_VISIBLE_DEVICES=$i wandb agent user/quantbot/" + sweep + " &\ndone\nwait"
    )
    assert desk.type(loop).count("Received exit command") == 4
    (run,) = Reader(Path(desk.environ["SHARPEN_HOME"])).runs(sweep)
    assert (run.state, run.is_canceled) == ("finished", False)

    (desk.folder / "best.py").write_text(BEST.format(sweep=sweep))
    assert "Best config: {'" in desk.type("python best.py")
    assert "0 bytes" not in desk.type("sharpen artifact get user/quantbot/xgb_classifier:best -v")
    assert "downloaded" in desk.type("wandb artifact get user/quantbot/xgb_classifier:best")
    assert "is candidate now" in desk.type("sharpen artifact link xgb_classifier:v0 candidate")
    assert "is prod now" in desk.type("sharpen artifact link xgb_classifier:v0 prod")
    listed = {one["version"]: one["aliases"] for one in json.loads(desk.type("sharpen artifact ls --json"))}
    assert listed["quantbot/xgb_classifier:v0"] == ["candidate", "latest", "prod"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_that_is_stuck(desk):
    for name in ("lightgbm_sweep", "ppo_sweep"):
        sweep = made(desk.type(f"wandb sweep sweeps/{name}.yaml"))
    assert sweep in desk.type(f"sharpen sweep --info {sweep}")
    assert "1 more under the run cap" in desk.type(f"sharpen sweep --queue {sweep}")
    for word, status in (("pause", "paused"), ("resume", "idle"), ("pause", "paused")):
        desk.type(f"sharpen sweep {word} {sweep}")
        assert status in desk.type(f"sharpen sweep --info {sweep}")
    (desk.folder / "sweeps" / "custom.yaml").write_text(CUSTOM)
    (desk.folder / "scripts").unlink()
    (desk.folder / "scripts").mkdir()
    (desk.folder / "scripts" / "train_custom.py").write_text("")
    said = desk.type("wandb sweep --project quantbot sweeps/custom.yaml", code=1)
    assert "$.parameters.param2: grid search cannot count real numbers" in said
    whole = CUSTOM.replace("    min: 0\n    max: 10\n    distribution: uniform\n", "    values: [0, 5, 10]\n")
    (desk.folder / "sweeps" / "custom.yaml").write_text(whole)
    custom = made(desk.type("wandb sweep --project quantbot sweeps/custom.yaml"))
    desk.type(f"""sharpen queue {custom} --add '{{"param1": "a", "param2": 5}}'""")
    desk.type(f"sharpen run cancel {custom}-1")
    assert "canceled" in desk.type(f"sharpen runs {custom}")
    desk.type(f"sharpen sweep cancel {custom}")
    assert "canceled" in desk.type(f"sharpen agent {custom} --verbose")
