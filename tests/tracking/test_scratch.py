"""A run's own folder, and files that two runs at work have written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sharpen import tracking
from sharpen.errors import UsageError
from sharpen.tracking.scratch import FileClaims, Scratch

OLD_NS = 10**18  # the year 2001


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SHARPEN_RUN", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_alone_the_folder_is_cleared_when_the_run_is_finished() -> None:
    with tracking.init() as run:
        folder = run.dir
        (folder / "model.bin").write_bytes(b"1")
        assert run.dir == folder
    assert not folder.exists()


def test_alone_a_kept_file_stays_and_its_place_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    with tracking.init() as run:
        for content in (b"1", b"2"):
            (run.dir / "model.bin").write_bytes(content)
            run.log_artifact(run.dir / "model.bin", name="model")
        file = run.dir / "model.bin"
    assert file.read_bytes() == b"2"
    assert capsys.readouterr().out == f"artifact  model={file}\n"


def test_two_runs_of_one_process_have_folders_of_their_own() -> None:
    with tracking.init() as one, tracking.init() as two:
        assert one.dir != two.dir


def test_the_folder_of_a_program_that_ends_without_finish_is_cleared(tmp_path: Path) -> None:
    text = "from sharpen import tracking; print(tracking.init().dir)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).parent == tmp_path
    assert not Path(done.stdout.strip()).exists()


def test_the_folder_that_an_agent_gives_is_left_to_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    about: dict[str, Any] = {"dir": str(given), "channel": f"unix:{tmp_path}", "results": str(tmp_path / "r")}
    monkeypatch.setenv("SHARPEN_RUN", json.dumps({**about, "stage": "lockbox"}))
    with tracking.init() as run:
        assert run.dir == given
        (run.dir / "m").touch()
        run.log_artifact(run.dir / "m")
    assert (given / "m").exists()


def write_later(file: Path) -> None:
    later_ns = file.stat().st_mtime_ns + 10**9
    os.utime(file, ns=(later_ns, later_ns))


def test_of_two_runs_at_work_the_second_to_keep_a_shared_file_is_refused(tmp_path: Path) -> None:
    first, second = FileClaims(tmp_path / "claims", "s-1"), FileClaims(tmp_path / "claims", "s-2")
    file = tmp_path / "model.bin"
    file.write_bytes(b"1")
    first.take(file)
    first.take(file)
    with pytest.raises(UsageError, match=r"run s-1, which is at work too.*run\.dir / 'model\.bin'"):
        second.take(tmp_path / "claims" / ".." / "model.bin")
    first.close()
    with pytest.raises(UsageError, match=r"run s-1, which has ended.*run\.dir / 'model\.bin'"):
        second.take(file)  # it may have written before the first kept what was there
    write_later(file)
    second.take(file)
    with pytest.raises(UsageError, match="run s-2, which is at work too"):
        FileClaims(tmp_path / "claims", "s-3").take(file)
    second.close()


def test_a_file_that_no_run_at_work_has_written_may_be_kept_by_all(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_bytes(b"1")
    os.utime(file, ns=(OLD_NS, OLD_NS))
    claims = [FileClaims(tmp_path / "claims", f"s-{n}") for n in range(3)]
    for each in claims:
        each.take(file)


def test_a_claim_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"1")
    text = f"""
import os, signal, time
from pathlib import Path
from sharpen.tracking.scratch import FileClaims
file = Path({str(file)!r})
claims = FileClaims(Path({str(tmp_path / "claims")!r}), "s-1")
file.touch()
claims.take(file)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", text], check=False)
    assert done.returncode == -9
    second = FileClaims(tmp_path / "claims", "s-2")
    write_later(file)
    second.take(file)


def test_files_in_the_run_s_own_folder_need_no_claim(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "own")
    (scratch.folder / "deep").mkdir()
    assert scratch.holds(scratch.folder / "deep" / "m")
    assert not scratch.holds(scratch.folder / ".." / "m")


@pytest.mark.parametrize(
    "use",
    [
        lambda run, file: run.log({"a": 1}),
        lambda run, file: run.log_artifact(file),
        lambda run, file: run.save_checkpoint(file),
        lambda run, file: run.summary.update({"a": 1}),
    ],
)
def test_a_finished_run_takes_nothing_more(
    use: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m"
    file.touch()
    with tracking.init() as run:
        pass
    with pytest.raises(UsageError, match=r"the run is finished, by run\.finish\(\)"):
        use(run, file)
    assert capsys.readouterr().out == ""


def test_nested_metrics_have_dotted_names(capsys: pytest.CaptureFixture[str]) -> None:
    with tracking.init() as run:
        run.log({"eval": {"loss": 0.5, "by": {"year": 1}}, "n": 2})
        with pytest.raises(UsageError, match=r"'eval\.loss' comes twice"):
            run.log({"eval": {"loss": 0.5}, "eval.loss": 1})
        deep: Any = 1
        for _ in range(900):
            deep = {"a": deep}
        with pytest.raises(UsageError, match="nested deeper than 20 levels"):
            run.log(deep)
    assert capsys.readouterr().out == "step 1  eval.loss=0.5  eval.by.year=1  n=2\n"


def test_the_sweep_s_values_fill_a_nested_default_up_but_for_a_mapping_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"config": {"model": {"dim": 8, "head": {"n": 2}}, "ranges": {"a": 1}}, "whole": ["ranges"]}
    monkeypatch.setenv("SHARPEN_RUN", json.dumps(about))
    defaults = {"model": {"dim": 2, "lr": 0.1, "head": {"drop": 0.5}}, "ranges": {"b": 2}}
    with tracking.init(defaults) as run:
        assert run.config == {
            "model": {"dim": 8, "lr": 0.1, "head": {"n": 2, "drop": 0.5}},
            "ranges": {"a": 1},
        }
    assert defaults["model"] == {"dim": 2, "lr": 0.1, "head": {"drop": 0.5}}
