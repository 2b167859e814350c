"""GPUs are locks: nobody has one twice, and the dead have none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agents.conftest import Workshop
from sharpen.agents.gpus import Claim, Gpus, visible
from sharpen.errors import UsageError


def test_a_run_that_needs_none_gets_none_and_sees_what_there_is(tmp_path: Path) -> None:
    assert Gpus(tmp_path, 0.0).take() == Claim()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("share", "devices", "expected"),
    [
        (1.0, "01", ["0", "1", None]),
        (0.5, "01", ["0", "0", "1", "1", None]),
        (1 / 3, "0", ["0", "0", "0", None]),
        (0.4, "01", ["0", "0", "1", "1", None]),
        (2.0, "012", ["0,1", None]),
    ],
)
def test_shares_never_add_up_to_more_than_there_is(
    tmp_path: Path, share: float, devices: str, expected: list[str | None]
) -> None:
    claims = [Gpus(tmp_path, share, devices).take() for _ in expected]  # each an agent of its own
    names = [None if claim is None else claim.environment["CUDA_VISIBLE_DEVICES"] for claim in claims]
    assert names == expected
    given = [claim for claim in claims if claim is not None]
    given[0].release()
    again = Gpus(tmp_path, share, devices).take()
    assert again is not None
    assert again.devices == given[0].devices
    for claim in [*given[1:], again]:
        claim.release()


def test_slots_of_one_agent_do_not_share_either_and_sizes_mix(tmp_path: Path) -> None:
    whole, half = Gpus(tmp_path, 1.0, "01"), Gpus(tmp_path, 0.5, "01")
    part = half.take()
    assert part is not None
    one = whole.take()
    assert one is not None
    assert (part.devices, one.devices, whole.take()) == (("0",), ("1",), None)
    part.release()
    one.release()


def test_the_dead_give_back(tmp_path: Path) -> None:
    words = f"""
import os, signal
from pathlib import Path
from sharpen.agents.gpus import Gpus
assert Gpus(Path({str(tmp_path)!r}), 1.0, "0").take()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == -9
    claim = Gpus(tmp_path, 1.0, "0").take()
    assert claim is not None
    claim.release()


def test_what_cannot_be_had_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-7f")
    assert visible() == ["GPU-7f"]
    with pytest.raises(UsageError, match=r"\$\.resources\.gpu: a run needs 2, and this machine shows 1"):
        Gpus(tmp_path, 2.0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible() == []


def test_without_an_environment_the_driver_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible() == []
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 0\necho 1\n")
    driver.chmod(0o755)
    assert visible() == ["0", "1"]


def test_runs_of_an_agent_see_one_gpu_each(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    body = """import os, pathlib, time
device = os.environ['CUDA_VISIBLE_DEVICES']
pathlib.Path(f'at-{device}').touch()
while not (pathlib.Path('at-4').exists() and pathlib.Path('at-5').exists()):
    time.sleep(0.01)  # so that the first two are at work together
run.log({'score': float(device)})"""
    sweep_id = shop.program(body, values=(1, 2, 3, 4), resources={"gpu": 1})
    shop.work(sweep_id, n_slots=3)
    assert [run.state for run in shop.runs(sweep_id)] == ["finished"] * 4
    assert {run.score for run in shop.runs(sweep_id)} == {4.0, 5.0}
