"""TRAINING.md from top to bottom: each of its commands runs, in its order, as somebody would type them.

Only one thing is made smaller: the search is permuted once in place of 19 times.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import pages

PAGE = pages.ROOT / "TRAINING.md"
NEEDED = ("sweeps", "scripts", "apps")


def shell_blocks() -> list[pages.Block]:
    return [block for block in pages.blocks(PAGE) if block.language == "sh"]


def test_the_page_shows_the_whole_way() -> None:
    shown = "\n".join(block.text for block in shell_blocks())
    steps = [
        "sharpen run sweeps/xgboost_sweep.yaml",
        "sharpen permute last -n 19",
        "sharpen validate last-best",
    ]
    steps += ["sharpen register last-best --as xgb_classifier", "sharpen promote xgb_classifier:v0 candidate"]
    steps += ["python -m apps.paper.run_paper --model xgb_classifier:candidate", "sharpen paper report"]
    steps += ["sharpen promote xgb_classifier:v0 prod", "sharpen rollback xgb_classifier candidate"]
    places = [shown.index(step) for step in steps]
    assert places == sorted(places)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    for name in NEEDED:
        (tmp_path / name).symlink_to(pages.ROOT / name)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHARPEN_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    said: dict[str, str] = {}
    for block in shell_blocks():
        for line in block.text.splitlines():
            typed = line.replace("permute last -n 19", "permute last -n 1")
            done = subprocess.run(
                ["bash", "-c", typed],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            expected = 1 if "refused" in block.words else 0
            assert done.returncode == expected, f"{block}: {line}\n{done.stdout}\n{done.stderr}"
            said[line] = done.stdout + done.stderr
    assert "does not become candidate" in said["sharpen promote xgb_classifier:v0 candidate"]
    assert "differ (the rate is below" in said["sharpen paper report"]
    back = said['sharpen rollback xgb_classifier candidate --reason "slippage doubled"']
    assert "xgb_classifier:candidate is v0 again, no longer v1" in back
    assert (tmp_path / "exported" / "MLmodel").is_file()
