"""A version leaves the store as a folder that other programs read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cli.test_promote import home_with

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

ROWS = np.random.default_rng(0).normal(size=(60, 3))
UP = (ROWS[:, 0] > 0).astype(float)


def trained(library: str, folder: Path) -> tuple[Any, bytes]:
    if library == "xgboost":
        booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(ROWS, UP), 3)
        booster.save_model(folder / "model.ubj")
        return booster.predict(xgboost.DMatrix(ROWS)), (folder / "model.ubj").read_bytes()
    booster = lightgbm.train(
        {"num_leaves": 3, "num_threads": 1, "verbose": -1}, lightgbm.Dataset(ROWS, UP), 3
    )
    booster.save_model(folder / "model.txt")
    return booster.predict(ROWS), (folder / "model.txt").read_bytes()


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_the_folder_says_all_that_mlflow_asks(sharpen: Any, tmp_path: Path, library: str) -> None:
    expected, content = trained(library, tmp_path)
    home = home_with(tmp_path, content)
    sharpen("register", "last-1", "--as", "m", home=home, SHARPEN_USER="ann")
    out = tmp_path / "out"
    done = sharpen("models", "export", "m:v0", out, "--format", "mlflow", home=home)
    assert (done.exit_code, done.stdout.strip()) == (0, str(out))
    model = yaml.safe_load((out / "MLmodel").read_text())
    flavor, function = model["flavors"][library], model["flavors"]["python_function"]
    assert function["loader_module"] == f"mlflow.{library}"
    assert all((out / name).is_file() for name in function["env"].values())
    kind = {"xgboost": xgboost.Booster, "lightgbm": lightgbm.Booster}[library]
    assert f"{kind.__module__}.{kind.__name__}" == flavor["model_class"]
    path = out / flavor["data"]  # as mlflow.xgboost and mlflow.lightgbm load it
    if library == "xgboost":
        loaded = xgboost.Booster()
        loaded.load_model(path)
        got = loaded.predict(xgboost.DMatrix(ROWS))
    else:
        got = lightgbm.Booster(model_file=str(path)).predict(ROWS)
    assert np.array_equal(got, expected)


def test_the_sums_and_the_record_are_of_this_version(sharpen: Any, tmp_path: Path) -> None:
    home = home_with(tmp_path, b"{L\x00first")
    sharpen("register", "last-1", "--as", "m", home=home, SHARPEN_USER="ann")
    out = tmp_path / "new" / "out"
    told = json.loads(sharpen("models", "export", "m", out, "--json", home=home).stdout)
    record = json.loads((out / "record.json").read_text())
    assert (record["model"], record["digest"], record["author"]) == ("m:v0", told["digest"], "ann")
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    again = sharpen("models", "export", "m", out, home=home)
    assert (again.exit_code, "name a new folder" in again.stderr) == (2, True)


def test_what_mlflow_cannot_read_is_said(sharpen: Any, tmp_path: Path) -> None:
    home = home_with(tmp_path, (8).to_bytes(8, "little") + b'{"a":{}}')
    sharpen("register", "last-1", "--as", "m", home=home)
    refused = sharpen("models", "export", "m", tmp_path / "out", "--format", "mlflow", home=home)
    assert (refused.exit_code, "use --format folder" in refused.stderr) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_does_not_leave_the_store(sharpen: Any, tmp_path: Path) -> None:
    home = home_with(tmp_path, b"{L\x00first")
    sharpen("register", "last-1", "--as", "m", home=home)
    (blob,) = [path for path in (home / "blobs").rglob("*") if path.is_file()]
    blob.chmod(0o600)
    blob.write_bytes(b"{L\x00other")
    refused = sharpen("models", "export", "m", tmp_path / "out", home=home)
    assert refused.exit_code != 0
    assert not (tmp_path / "out").exists()
