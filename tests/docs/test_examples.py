"""Every example that a page marks as runnable runs, and prints what the page says.

The blocks of a page run in order in one folder, as somebody would who types along.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import pages


def is_runnable(page):
    return any("run" in block.words for block in pages.blocks(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages.PAGES if is_runnable(page)], ids=pages.name)
def test_examples_run(page, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHARPEN_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    (tmp_path / "tmp").mkdir()
    environment["TMPDIR"] = str(tmp_path / "tmp")
    said = ""
    for block in pages.blocks(page):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
        elif "run" in block.words:
            program = {"python": [sys.executable, "-c"], "sh": ["bash", "-euo", "pipefail", "-c"]}[
                block.language
            ]
            done = subprocess.run(
                [*program, block.text],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            said = done.stdout
        elif "within" in block.words:
            assert [line for line in block.text.splitlines() if line not in said.splitlines()] == [], said
        elif "output" in block.words and said:
            assert said == block.text, str(block)
            said = ""
