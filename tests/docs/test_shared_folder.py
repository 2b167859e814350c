"""The programs that the pages show keep each run's own files, also when many runs share a folder."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sharpen.spec import load
from sharpen.store.queries import Reader

from . import pages

PROGRAMS = {  # page -> its program, and its sweep
    "docs/porting.md": ("train.py", "sweep.yaml"),
    "docs/tutorial.md": ("crossover.py", "crossover.yaml"),
}


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHARPEN_")}
    return environment | {"TMPDIR": str(folder), "SHARPEN_HOME": str(folder / "home")} | more


def kept_alone(command: list[str], folder: Path, config: dict, seed: int) -> dict[str, str]:
    """Return the digests of the files that a program keeps when it runs alone with a configuration."""
    told = json.dumps({"seed": seed, "config": config})
    environment = environment_of(folder, SHARPEN_RUN=told)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("artifact")]
    paths = dict(line.split("=", 1) for line in lines)
    return {name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for name, path in paths.items()}


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS)
def test_four_agents_at_once_keep_the_files_of_their_own_configurations(page, tmp_path):
    program, sweep_file = PROGRAMS[page]
    for block in pages.blocks(pages.ROOT / page):
        if block.file in (program, sweep_file):
            (tmp_path / block.file).write_text(block.text)
    done = subprocess.run(
        [sys.executable, "-m", "sharpen", "run", sweep_file, "--agents", "4", "--seed", "1"],
        cwd=tmp_path,
        env=environment_of(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sweep = load(tmp_path / sweep_file)
    reader = Reader(tmp_path / "home")
    (row,) = reader.sweeps()
    finished = [run for run in reader.runs(row.id) if run.state == "finished"]
    assert len(finished) >= 3
    for run in finished:
        kept = {file.name: file.digest for file in reader.artifacts(run_id=run.id)}
        command = [sys.executable, program]
        assert kept == kept_alone(command, tmp_path, sweep.nested(run.config), row.seed), run.config
    own = {file.digest for run in finished for file in reader.artifacts(run_id=run.id)}
    assert len(own) == len(finished)  # no two configurations are alike
    assert [path.name for path in (tmp_path / "home" / "scratch").iterdir()] in ([], ["claims"])
