"""Train a boosted classifier of price moves, fold by fold, and report to the sweep, if there is one.

Alone, ``python scripts/train_classifier.py --max_depth 5`` prints each fold and a closing line. In a sweep
the same command reports the running means that the sweep judges; the step is the fold.
"""
# ruff: noqa: PLC0415 - what is slow to import waits until the options are read: --help answers at once

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sharpen.errors import UsageError
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.objectives.program import bars_facts, flag, in_order_of, library_versions

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.folds import Fold
    from sharpen.objectives.boosted.booster import Booster
    from sharpen.objectives.boosted.scoring import Examples, Prepared
    from sharpen.objectives.fold_score import FoldScore
    from sharpen.tracking import Run

T = TypeVar("T")
LIBRARIES = ("numpy", "numba", "polars", "TA-Lib", "optuna")


def parse(argv: list[str] | None) -> dict[str, Any]:
    """Return the options: every hyperparameter, the data, the folds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    for setting in fields(ClassifierSettings):
        kind = setting.metadata["kind"]
        words = setting.metadata["help"]
        add(f"--{setting.name}", type=flag if kind is bool else kind, default=setting.default, help=words)
    add("--data", default="stocks", help="a name, a path, or {path: FILE, map: ..., zone: ...}")
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


def preload() -> None:
    """Load what the coming runs share: libraries, bars, features, compiled kernels.

    The agent's fork server calls this before the first run, with the sweep's constants for ``sys.argv``, then
    for each run, with the run's own, before it forks the next.
    """
    options = parse(None)
    settings = ClassifierSettings.of(options)
    bars, cut = load_bars(options, meanwhile=lambda: import_libraries(settings.model))
    import_libraries(settings.model)

    import sharpen.tracking  # noqa: F401
    from sharpen.objectives.boosted.scoring import cut_ahead, prepare
    from sharpen.objectives.process_cache import PROCESS_CACHE

    development = bars.panel.slice(0, cut)
    PROCESS_CACHE.get(("rehearsal", settings.model), lambda: rehearse(settings.model, development))
    with suppress(UsageError):  # which the run will meet, and say
        prepared = prepare(development)
        cut_ahead(settings, prepared, folds_of(options, prepared))


def train(run: Run, config: Mapping[str, Any], folder: Path) -> None:
    """Train and report one configuration: on the folds, or, when asked to, on the lockbox."""
    settings = ClassifierSettings.of(config)
    watch = Watch()
    booster = import_libraries(settings.model)
    watch.lap("imports")

    from sharpen.objectives.boosted.scoring import evaluate_lockbox, label, prepare
    from sharpen.objectives.progress import closing_line

    bars, cut = load_bars(config)
    if run.in_sweep and config["lockbox_share"] <= 0:
        raise UsageError(
            "--lockbox_share must be above 0 in a sweep: it must leave bars that it has not seen"
        )
    if not config["min_trades"] >= 0:
        raise UsageError(f"--min_trades is {config['min_trades']}, give 0 or more")
    versions = {**library_versions(*LIBRARIES), settings.model: booster.version}
    run.summary.update(replace(bars_facts(bars, cut), versions=versions).to_summary())
    if run.stage == "lockbox":
        report_lockbox(run, evaluate_lockbox(settings, bars.panel, cut, run.seed), folder)
        return
    development = bars.panel.slice(0, cut)  # nothing below this line sees later bars
    examples = label(settings, prepare(in_order_of(run.permutation_seed, development)))
    watch.lap("data")
    scores: list[FoldScore] = []
    try:
        search(run, settings, examples, scores, watch)
        if run.summary["infeasible"] is None and run.stage == "search" and wants_model(run):
            keep_model(run, settings, examples, folder, watch)
    finally:  # the sweep may stop the run; the verdict needs the returns of stopped ones, too
        keep_returns(run, scores, folder)
        run.summary.update(watch.summary())
    print(closing_line(scores, run.summary["infeasible"]))


def search(
    run: Run, settings: ClassifierSettings, examples: Examples, scores: list[FoldScore], watch: Watch
) -> None:
    """Score the configuration on every fold and add that to the scores, each reported as it is known."""
    from sharpen.objectives.boosted.scoring import score
    from sharpen.objectives.progress import progress

    for fold in folds_of(run.config, examples.prepared):
        scores.append(watch.time("training", lambda fold=fold: score(settings, examples, fold, run.seed)))
        so_far = progress(scores, run.config["min_trades"])
        if so_far.infeasible != run.summary["infeasible"]:
            run.summary["infeasible"] = so_far.infeasible
        run.log(so_far.metrics, step=fold.number)  # last: it ends the program when the sweep stops the run


def folds_of(config: Mapping[str, Any], prepared: Prepared) -> tuple[Fold, ...]:
    """Return the folds of a configuration."""
    from sharpen.folds import WalkForward, split

    plan_of = ("n_folds", "train_ratio", "gap_bars", "embargo_bars", "window")
    plan = WalkForward(**{name: config[name] for name in plan_of})
    return split(len(prepared.panel), plan, first_bar=prepared.features.warmup_bars)


def keep_returns(run: Run, scores: list[FoldScore], folder: Path) -> None:
    """Keep the out-of-sample returns of the folds that were scored."""
    from sharpen.objectives.progress import write_returns

    if scores:
        write_returns(scores, folder / "returns.parquet")
        run.log_artifact(folder / "returns.parquet", name="returns", type="returns")


def report_lockbox(run: Run, final: FoldScore, folder: Path) -> None:
    """Report what the configuration earned on the lockbox, and nothing else."""
    from sharpen.objectives.progress import lockbox_figures

    keep_returns(run, [final], folder)
    run.log(lockbox_figures(final), step=0)


def wants_model(run: Run) -> bool:
    """Return whether a model is to be kept: of a sweep's leader so far, and where a folder is given for it.

    It is trained on three times a fold's bars; those of runs that a better one has outdone would lie about.
    """
    return run.leads if run.in_sweep else bool(run.config["out"])


def keep_model(
    run: Run, settings: ClassifierSettings, examples: Examples, folder: Path, watch: Watch
) -> None:
    """Train on all of the development bars, and keep the model with the run."""
    from sharpen.objectives.boosted.booster import make
    from sharpen.objectives.boosted.scoring import model_facts, train_final

    path = folder / f"model{make(settings.model).suffix}"
    watch.time("training", lambda: train_final(settings, examples, run.seed)).save(path)
    run.log_artifact(path, name="model", type="model", metadata=model_facts(settings, examples))


def import_libraries(model: str) -> Booster:
    """Return the booster of a name, with everything imported that training needs."""
    from sharpen.objectives.boosted.booster import lean_imports, make

    with lean_imports():
        booster = make(model)
        import sharpen.objectives.boosted.scoring
    import sharpen.objectives.progress  # noqa: F401

    return booster


class LoadedBars(NamedTuple):
    """A data set, without the classes of the room that read it, which would bring polars."""

    name: str
    notes: tuple[str, ...]
    panel: Panel


def load_bars(
    config: Mapping[str, Any], meanwhile: Callable[[], object] | None = None
) -> tuple[LoadedBars, int]:
    """Return the bars that a configuration names and the first bar of the lockbox.

    Args:
        config: What names them.
        meanwhile: What to do while they are read in a process apart, for reading leaves threads behind; None
            to read them here.
    """
    from sharpen.folds import lockbox_start
    from sharpen.objectives.process_cache import PROCESS_CACHE, run_in_fork
    from sharpen.read_options import DataSource

    def read() -> tuple[str, tuple[str, ...], Panel]:
        from sharpen.data import load

        data = load(name, source.options)
        return data.name, tuple(data.notes), data.panel

    source = DataSource.of(config["data"])
    name = source.name
    path = Path(name)
    version_of_file = (path.resolve(), path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else ()
    parts = PROCESS_CACHE.get(
        ("bars", str(config["data"]), version_of_file),
        lambda: run_in_fork(read, meanwhile) if meanwhile else read(),
    )
    bars = LoadedBars(*parts)
    return bars, lockbox_start(len(bars.panel), config["lockbox_share"])


def rehearse(model: str, panel: Panel) -> bool:
    """Go through a run in small, so that what is compiled or loaded at the first use is there."""
    from sharpen.folds import WalkForward, split
    from sharpen.objectives.boosted.scoring import label, prepare, score
    from sharpen.objectives.progress import progress, write_returns

    settings = ClassifierSettings(model=model, n_estimators=1, max_depth=1)
    examples = label(settings, prepare(panel))
    folds = split(len(panel), WalkForward(n_folds=1), first_bar=examples.prepared.features.warmup_bars)
    scores = [score(settings, examples, fold, seed=0) for fold in folds]
    progress(scores, min_trades=1)
    with tempfile.TemporaryDirectory() as folder:
        write_returns(scores, Path(folder) / "returns.parquet")
    library_versions(*LIBRARIES)
    return True


class Watch:
    """How many seconds each part of a run took, on the clock and of this process's CPU time."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._began = _clocks()

    def lap(self, part: str) -> None:
        """Book the time since the last lap, or the beginning, on a part."""
        self._book(part, self._began)
        self._began = _clocks()

    def time(self, part: str, work: Callable[[], T]) -> T:
        """Return what work gives, its time booked on a part."""
        began = _clocks()
        try:
            return work()
        finally:
            self._book(part, began)

    def summary(self) -> dict[str, float]:
        """Return the seconds as a run's summary holds them: ``seconds/data`` and ``seconds/data_cpu``."""
        return {name: round(seconds, 5) for name, seconds in self._seconds.items()}

    def _book(self, part: str, began: tuple[float, float]) -> None:
        for name, then, now in zip((f"seconds/{part}", f"seconds/{part}_cpu"), began, _clocks(), strict=True):
            self._seconds[name] = self._seconds.get(name, 0.0) + now - then


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    sys.exit(main())
