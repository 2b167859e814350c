"""TRAINING.md from top to bottom: each of its commands runs, in its order, as somebody would type them.

Three things are made smaller: the searches, their trees, and how often the search is permuted. What needs no
process of its own runs in this one.
"""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from sharpen.cli import main

from . import pages

PAGE = pages.ROOT / "TRAINING.md"
NEEDED = ("scripts", "apps")
SWEEP = "sweeps/xgboost_sweep.yaml"


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


FEWER_TREES = {"    min: 50\n    max: 500\n": "    min: 5\n    max: 10\n"}
SMALLER = {"permute last -n 19": "permute last -n 1", "--trials 12": "--trials 3", "--trials 4": "--trials 2"}
SMALLER |= {"--bars 60": "--bars 12"}
WITH_AGENTS = ("run", "permute", "validate")


def call(line: str, folder: Path) -> tuple[int, str]:
    """Return how a line ended and what it said."""
    words = shlex.split(line)
    environment = dict(word.split("=", 1) for word in itertools.takewhile(lambda word: "=" in word, words))
    words = words[len(environment) :]
    if words[0] == "sharpen" and words[1] not in WITH_AGENTS:
        done = CliRunner().invoke(main, words[1:], env=environment, prog_name="sharpen")
        return done.exit_code, done.output
    environment = {**os.environ, **environment}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    both = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return both.returncode, both.stdout + both.stderr


def smaller(text: str, words: Mapping[str, str], *, everything: bool = True) -> str:
    """Return a text with words replaced; each is in there, if everything is asked for."""
    for whole, less in words.items():
        assert whole in text or not everything, whole
        text = text.replace(whole, less)
    return text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEEDED:
        (tmp_path / name).symlink_to(pages.ROOT / name)
    (tmp_path / SWEEP).parent.mkdir()
    (tmp_path / SWEEP).write_text(smaller((pages.ROOT / SWEEP).read_text("utf-8"), FEWER_TREES))
    for name in [name for name in os.environ if name.startswith("SHARPEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    said: dict[str, str] = {}
    for block in shell_blocks():
        for line in block.text.splitlines():
            code, said[line] = call(smaller(line, SMALLER, everything=False), tmp_path)
            assert code == (1 if "refused" in block.words else 0), f"{block}: {line}\n{said[line]}"
    assert "does not become candidate" in said["sharpen promote xgb_classifier:v0 candidate"]
    assert "differ (the rate is below" in said["sharpen paper report"]
    back = said['sharpen rollback xgb_classifier candidate --reason "slippage doubled"']
    assert "xgb_classifier:candidate is v0 again, no longer v1" in back
    assert (tmp_path / "exported" / "MLmodel").is_file()
