"""Another launcher of Hydra's carries out the folds of a configuration side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_sweeper import hydra, rows


@pytest.mark.slow
def test_the_folds_of_a_configuration_are_jobs_of_the_launcher(app: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="that launcher is not installed")
    done = hydra(app, "-m", "hydra/launcher=submitit_local", "hydra.sweeper.n_trials=1", "seed=3")
    assert done.returncode == 0, done.stderr
    history = rows(app / "out" / "bowl" / "runhistory.csv")
    assert [(row["fold_id"], row["seed"]) for row in history] == [("0", "3"), ("1", "3")]
    for row in history:
        assert float(row["performance"]) == pytest.approx((float(row["x"]) - 0.3) ** 2 + int(row["fold_id"]))
    pids = {path.name.partition("-")[0] for path in (app / "seen").iterdir()}
    assert len(pids) == 2
