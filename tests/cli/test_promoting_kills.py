"""kill -9 inside register, promote and rollback: all or nothing, and a whole log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .test_promote import home_with

PROGRAM = Path(__file__).parents[1] / "faults" / "programs" / "doomed_verb.py"
EASY = "{candidate: {verdict: null, deflated_sharpe: null, search_p: null, pbo: null, folds_positive: null}}"


@pytest.mark.slow
def test_a_verb_that_is_killed_leaves_all_or_nothing(sharpen: Any, tmp_path: Path) -> None:
    home = home_with(tmp_path, b"{L\x00first", b"{L\x00second")
    (home / "gates.yaml").write_text(EASY)
    for typed in ("register last-1 --as xgb", "promote xgb:v0 candidate"):
        assert sharpen(*typed.split(), home=home).exit_code == 0
    command = [sys.executable, "-W", "ignore", str(PROGRAM), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    n_deaths = {verb: int(n) for verb, n in (line.split() for line in done.stdout.splitlines())}
    assert set(n_deaths) == {"register", "promote", "rollback"}
    assert min(n_deaths.values()) >= 4
