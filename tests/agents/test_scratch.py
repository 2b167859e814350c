"""Folders for the files of runs: one a run, cleared after, those of dead agents too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sharpen.agents import LocalAgent
from sharpen.agents.scratch import ScratchFolders
from sharpen.store.blobs import blob_path

from .conftest import Workshop

KEEPS = """
import pathlib
(run.dir / 'model.bin').write_text(str(run.config.x))
assert list(run.dir.iterdir()) == [run.dir / 'model.bin']
run.log_artifact(run.dir / 'model.bin')
run.log({'score': run.config.x})
"""


def test_each_run_has_a_folder_of_its_own_that_is_cleared_after(shop: Workshop) -> None:
    sweep_id = shop.program(KEEPS, values=(1, 2, 3))
    LocalAgent(shop.client, shop.row(sweep_id), n_slots=3).work()
    runs = shop.runs(sweep_id)
    assert [run.state for run in runs] == ["finished"] * 3
    for run in runs:
        (kept,) = shop.reader.artifacts(run_id=run.id)
        assert blob_path(shop.home, kept.digest).read_text() == str(run.config["x"])
    assert list((shop.home / "scratch").iterdir()) == []


def test_the_folders_are_left_on_request(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARPEN_KEEP_SCRATCH", "1")
    sweep_id = shop.program(KEEPS, values=(1, 2))
    agent = LocalAgent(shop.client, shop.row(sweep_id))
    agent.work()
    left = {file.parent.name: file.read_text() for file in (shop.home / "scratch").rglob("model.bin")}
    assert left == {f"{run.id}-{run.token}": str(run.config["x"]) for run in shop.runs(sweep_id)}
    ScratchFolders(shop.home, "next", keep=False).make("s-1", 1)
    assert len(list((shop.home / "scratch").rglob("model.bin"))) == 2


def test_two_runs_at_work_that_keep_one_file_of_the_shared_folder_are_told_so(shop: Workshop) -> None:
    body = """
import pathlib, time
pathlib.Path('model.bin').write_text(str(run.config.x))
run.log_artifact('model.bin')
pathlib.Path(f'kept{run.config.x}').touch()
while len(list(pathlib.Path('.').glob('kept*'))) < 2 and not pathlib.Path('failed').exists():
    time.sleep(0.01)
run.log({'score': 1})
"""
    body = "import pathlib\ntry:\n" + "".join(f"    {line}\n" for line in body.splitlines() if line)
    body += "except BaseException:\n    pathlib.Path('failed').touch()\n    raise\n"
    sweep_id = shop.program(body, values=(1, 2))
    LocalAgent(shop.client, shop.row(sweep_id), n_slots=2).work()
    runs = shop.runs(sweep_id)
    assert sorted(run.state for run in runs) == ["failed", "finished"]
    (reason,) = [run.reason for run in runs if run.state == "failed"]
    assert "which is at work too, has written and kept this file" in reason


def test_what_a_killed_agent_has_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    text = f"""
import os, signal
from pathlib import Path
from sharpen.agents.scratch import ScratchFolders
folders = ScratchFolders(Path({str(tmp_path)!r}), "dead")
(folders.make("s-1", 1) / "model.bin").touch()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", text], check=False)
    assert (tmp_path / "scratch" / "dead" / "s-1-1" / "model.bin").exists()
    alive = ScratchFolders(tmp_path, "alive")
    own = alive.make("s-2", 1)
    assert [folder.name for folder in (tmp_path / "scratch").iterdir()] == ["alive"]
    another = ScratchFolders(tmp_path, "another")
    another.make("s-3", 1)
    assert own.is_dir()
    assert own.stat().st_mode & 0o077 == 0
    alive.clear("s-2", 1)
    assert not own.exists()
    alive.close()
    another.close()
    assert list((tmp_path / "scratch").iterdir()) == []
