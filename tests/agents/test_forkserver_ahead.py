"""A program that is run once, up to where it asks for its run: each run goes on from there by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sharpen.agents.forkserver import ahead
from sharpen.agents.forkserver.imports import only_calls_hydra
from sharpen.agents.program import ProgramSpec

from .test_forkserver import LINUX, Forge, forge  # noqa: F401 - a fixture

pytestmark = LINUX

PROGRAM = """
import os, sys
import hydra

@hydra.main
def train():
    print(f"run {os.environ['WORD']} of {sys.argv[1:]}")
    if os.environ["WORD"] == "bad":
        raise ValueError("so it is")
    sys.exit(3 if os.environ["WORD"] == "three" else 0)

if __name__ == "__main__":
    train()
"""
LIBRARY = """
import threading, time
from sharpen.agents.forkserver.ahead import wait_for_run

def main(function):
    def decorated():
        with open("ahead.txt", "a") as file:
            file.write("x")
        {wait}
        return function()
    return decorated
"""


def prepared(forge: Forge, wait: str) -> None:  # noqa: F811
    forge.write(PROGRAM)
    forge.write(LIBRARY.format(wait=wait), "hydra.py")
    words = [sys.executable, "train.py", "-m"]
    forge.launcher.prepare(ProgramSpec(words, forge.folder, {ahead.VARIABLE: "1"}))


def times_begun(folder: Path) -> int:
    return len((folder / "ahead.txt").read_text())


def test_what_all_runs_have_in_common_is_done_once(forge: Forge) -> None:  # noqa: F811
    prepared(forge, "wait_for_run()")
    assert forge.run("-m", WORD="one") == (0, "run one of ['-m']\n")
    assert forge.run("-m", WORD="three") == (3, "run three of ['-m']\n")
    code, output = forge.run("-m", WORD="bad")
    assert code == 1
    assert output.endswith("ValueError: so it is\n")
    assert "wait_for_run" not in output
    assert times_begun(forge.folder) == 1
    assert forge.said == []


@pytest.mark.parametrize(
    "wait", ["pass", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); wait_for_run()"]
)
def test_where_nothing_can_be_forked_ahead_each_run_begins_at_the_beginning(
    forge: Forge,  # noqa: F811
    wait: str,
) -> None:
    prepared(forge, wait)
    for n in (1, 2):
        assert forge.run("-m", WORD=str(n), OPENBLAS_NUM_THREADS="1")[1] == f"run {n} of ['-m']\n"
    assert times_begun(forge.folder) >= 2


GUARD = "if __name__ == '__main__':\n    f()\n"
MAIN = "import hydra\n@hydra.main(version_base=None)\ndef f(cfg): pass\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (MAIN + GUARD, True),
        ("import logging\nlog = logging.getLogger(__name__)\n" + MAIN + GUARD, True),
        (MAIN + "f()\n", False),
        (MAIN + "print('hello')\n" + GUARD, False),
        (MAIN + "if __name__ == '__main__':\n    setup()\n    f()\n", False),
        ("def f(cfg): pass\n" + GUARD, False),
        (MAIN.replace("version_base=None)", "version_base=None)\n@log_it") + GUARD, False),
        ("", False),
    ],
)
def test_only_a_program_that_does_nothing_else_is_run_ahead(source: str, expected: bool) -> None:
    assert only_calls_hydra(source.encode(), False) is expected
