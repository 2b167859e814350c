"""A version as a folder for other programs: its files and its record, or MLflow's format as well.

Nothing of MLflow is needed to write its format: an ``MLmodel`` file that names the library, the file and the
packages. ``mlflow.pyfunc.load_model(FOLDER)`` then reads it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from sharpen.errors import UsageError
from sharpen.registry.files import checked_files
from sharpen.regular_file import open_file
from sharpen.store.collection_rows import VersionRow

FORMATS = ("folder", "mlflow")
RECORD, SUMS = "record.json", "SHA256SUMS"
FLAVORS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    ".ubj": ("xgboost", {"model_class": "xgboost.core.Booster", "model_format": "ubj"}),
    ".json": ("xgboost", {"model_class": "xgboost.core.Booster", "model_format": "json"}),
    ".txt": ("lightgbm", {"model_class": "lightgbm.basic.Booster"}),
}
"""What MLflow calls the library of a file, and what it wants to know, by the file's ending."""
VERSION_NAMES = {"xgboost": "xgb_version", "lightgbm": "lgb_version"}


def export(home: Path, row: VersionRow, to: Path, format: str = "folder") -> list[Path]:
    """Write a version to a new folder; return what was written, which ``sha256sum -c SHA256SUMS`` checks.

    Args:
        home: The store's folder.
        row: The version.
        to: The folder, which must not be there, or be empty.
        format: ``folder`` or ``mlflow``.

    Raises:
        StoreError: A file of the version is missing or damaged.
        UsageError: The folder is in use or cannot be written, or MLflow has no flavor for the file.
    """
    files = checked_files(home, row)
    texts = {RECORD: json.dumps(_described(row), indent=2, sort_keys=True) + "\n"}
    if format == "mlflow":
        texts |= mlflow_files(row)
    try:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise UsageError(f"{to} is there already: name a new folder")
        to.mkdir(parents=True, exist_ok=True)
        for name, path in files.items():
            shutil.copyfile(path, to / Path(name).name)
        for name, text in texts.items():
            (to / name).write_text(text, "utf-8")
        written = [*(Path(name).name for name in files), *texts]
        sums = "".join(f"{_sha256(to / name)}  {name}\n" for name in written)
        (to / SUMS).write_text(sums, "utf-8")
    except OSError as problem:
        raise UsageError(f"cannot write {to}: {problem.strerror}") from problem
    return [to / name for name in (*written, SUMS)]


def mlflow_files(row: VersionRow) -> dict[str, str]:
    """Return the files that make a folder a model of MLflow's, by name.

    Raises:
        UsageError: MLflow has no flavor for the file.
    """
    name = Path(row.files[0].name).name
    if len(row.files) != 1 or Path(name).suffix not in FLAVORS:
        raise UsageError(
            f"MLflow has no flavor for {', '.join(file.name for file in row.files)}: use --format folder"
        )
    library, facts = FLAVORS[Path(name).suffix]
    versions: Mapping[str, str] = row.record.get("versions", {})
    python = versions.get("python") or ".".join(map(str, sys.version_info[:3]))
    pinned = [
        f"{package}=={versions[package]}" if package in versions else package
        for package in (library, "numpy")
    ]
    flavor = {**facts, "data": name, "code": None}
    if library in versions:
        flavor[VERSION_NAMES[library]] = versions[library]
    environments = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    function = {"loader_module": f"mlflow.{library}", "data": name, "env": environments}
    about = {"sharpen_model": row.name, "sharpen_digest": row.digest, "run": row.run_id}
    model = {
        "flavors": {"python_function": function | {"python_version": python}, library: flavor},
        "metadata": about,
        "model_uuid": row.digest[:32],
        "utc_time_created": datetime.fromtimestamp(row.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    conda = {"name": "mlflow-env", "channels": ["conda-forge"]}
    conda |= {"dependencies": [f"python={python}", "pip", {"pip": ["mlflow", *pinned]}]}
    environment = {"python": python, "build_dependencies": ["pip"]}
    environment |= {"dependencies": ["-r requirements.txt"]}
    return {
        "MLmodel": yaml.safe_dump(model, sort_keys=True),
        "requirements.txt": "\n".join(["mlflow", *pinned]) + "\n",
        "python_env.yaml": yaml.safe_dump(environment),
        "conda.yaml": yaml.safe_dump(conda),
    }


def _described(row: VersionRow) -> dict[str, Any]:
    files = {file.name: file.digest for file in row.files}
    description = {"model": row.name, "digest": row.digest, "files": files, "author": row.author}
    return description | {"at": row.created_at, "figures": dict(row.figures), "record": dict(row.record)}


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
