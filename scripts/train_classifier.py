"""Train a boosted classifier of price moves, fold by fold, and report to the sweep, if there is one.

Alone, ``python scripts/train_classifier.py --max_depth 5`` prints each fold and a closing line. In a sweep
the same command reports the running means that the sweep judges; the step is the fold.
"""
# ruff: noqa: PLC0415 - what is slow to import waits until the options are read: --help answers at once

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.errors import UsageError
from sharpen.objectives.boosted.settings import ClassifierSettings

if TYPE_CHECKING:
    from sharpen.data import Dataset
    from sharpen.objectives.boosted.scoring import Examples
    from sharpen.objectives.fold_score import FoldScore
    from sharpen.tracking import Run


def parse(argv: list[str] | None) -> dict[str, Any]:
    """Return the options: every hyperparameter, the data, the folds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    for setting in fields(ClassifierSettings):
        kind = setting.metadata["kind"]
        words = setting.metadata["help"]
        add(f"--{setting.name}", type=_flag if kind is bool else kind, default=setting.default, help=words)
    add("--data", default="stocks", help="a data set's name, or the path of a file of bars")
    add("--n_folds", type=int, default=8, help="walk-forward folds")
    add("--train_ratio", type=float, default=0.8, help="share of a fold's bars to train on")
    add("--gap_bars", type=int, default=0, help="bars left out between training and validation")
    add("--window", choices=("rolling", "expanding"), default="rolling", help="what happens to old bars")
    add("--min_trades", type=float, default=5.0, help="fewer trades a fold, on average, are infeasible")
    add("--lockbox_share", type=float, default=0.2, help="share of the bars that no search may see")
    add("--seed", type=int, default=0, help="used when there is no sweep to give one")
    add("--out", default="", help="folder to keep the returns and the model in")
    return vars(parser.parse_args(argv))


def main(argv: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = parse(argv)
    try:
        from sharpen import tracking

        with tracking.init(config=options) as run, tempfile.TemporaryDirectory() as scratch:
            folder = Path(run.config["out"] or scratch)
            folder.mkdir(parents=True, exist_ok=True)
            train(run, run.config, folder)
    except UsageError as error:
        print(f"train_classifier: {error}", file=sys.stderr)
        return 2
    return 0


def train(run: Run, config: Mapping[str, Any], folder: Path) -> None:
    """Train and report one configuration: on the folds, or, when asked to, on the lockbox."""
    settings = ClassifierSettings.of(config)
    began = time.perf_counter()

    from sharpen.objectives.boosted.booster import lean_imports, make

    with lean_imports():
        booster = make(settings.model)
        from sharpen.objectives.boosted.scoring import evaluate_lockbox, label, prepare

    from sharpen.data import load
    from sharpen.folds import lockbox_start
    from sharpen.objectives.progress import closing_line

    began = lap(run, "imports", began)
    data = load(config["data"])
    if run.in_sweep and config["lockbox_share"] <= 0:
        raise UsageError(
            "--lockbox_share must be above 0 in a sweep: it must leave bars that it has not seen"
        )
    cut = lockbox_start(len(data.panel), config["lockbox_share"])
    development = data.panel.slice(0, cut)  # nothing below this line but the lockbox sees later bars
    versions = {"python": platform.python_version(), **_versions(), settings.model: booster.version}
    run.summary.update(facts(data, cut) | {"infeasible": None, "versions": versions})
    if run.stage == "lockbox":
        report_lockbox(run, evaluate_lockbox(settings, data.panel, cut, run.seed), folder)
        return
    examples = label(settings, prepare(development))
    began = lap(run, "data", began)
    try:
        scores = search(run, settings, examples, folder)
        if run.summary["infeasible"] is None:
            keep_model(run, settings, examples, folder)
    finally:  # the sweep may stop the run
        lap(run, "training", began)
    print(closing_line(scores, run.summary["infeasible"]))


def facts(data: Dataset, cut: int) -> dict[str, Any]:
    """Return which bars a search sees and which it does not; of the latter nothing but their hash."""
    panel = data.panel
    found = {"data/name": data.name, "data/hash": panel.slice(0, cut).digest, "data/notes": list(data.notes)}
    if cut < len(panel):
        found["lockbox/hash"] = panel.slice(cut, len(panel)).digest
        found["lockbox/first"] = str(panel.time[cut].astype("datetime64[s]"))
    return found


def search(run: Run, settings: ClassifierSettings, examples: Examples, folder: Path) -> list[FoldScore]:
    """Return the configuration's score on every fold, each reported as it is known."""
    from sharpen.folds import WalkForward, split
    from sharpen.objectives.boosted.scoring import score
    from sharpen.objectives.progress import progress, write_returns

    plan_of = ("n_folds", "train_ratio", "gap_bars", "embargo_bars", "window")
    plan = WalkForward(**{name: run.config[name] for name in plan_of})
    prepared = examples.prepared
    scores: list[FoldScore] = []
    for fold in split(len(prepared.panel), plan, first_bar=prepared.features.warmup_bars):
        scores.append(score(settings, examples, fold, run.seed))
        so_far = progress(scores, run.config["min_trades"])
        if so_far.infeasible != run.summary["infeasible"]:
            run.summary["infeasible"] = so_far.infeasible
        write_returns(scores, folder / "returns.parquet")
        run.log_artifact(folder / "returns.parquet", name="returns", type="returns")
        run.log(so_far.metrics, step=fold.number)  # last: it ends the program when the sweep stops the run
    return scores


def report_lockbox(run: Run, final: FoldScore, folder: Path) -> None:
    """Report what the configuration earned on the lockbox, and nothing else."""
    from sharpen.objectives.progress import lockbox_figures, write_returns

    write_returns([final], folder / "returns.parquet")
    run.log_artifact(folder / "returns.parquet", name="returns", type="returns")
    run.log(lockbox_figures(final), step=0)


def keep_model(run: Run, settings: ClassifierSettings, examples: Examples, folder: Path) -> None:
    """Train on all of the development bars, and keep the model with the run."""
    from sharpen.objectives.boosted.booster import make
    from sharpen.objectives.boosted.scoring import model_facts, train_final

    path = folder / f"model{make(settings.model).suffix}"
    train_final(settings, examples, run.seed).save(path)
    run.log_artifact(path, name="model", type="model", metadata=model_facts(settings, examples))


def lap(run: Run, name: str, began: float) -> float:
    """Record the seconds that a part took; return the time at which the next one begins."""
    now = time.perf_counter()
    run.summary[f"seconds/{name}"] = round(now - began, 4)
    return now


def _versions() -> dict[str, str]:
    """Return the versions of the packages that can change a figure; those not installed are left out."""
    found: dict[str, str] = {}
    for package in ("sharpen", "numpy", "numba", "polars", "TA-Lib", "optuna"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, not {text!r}")
    return text.lower() == "true"


if __name__ == "__main__":
    sys.exit(main())
