"""Train a portfolio agent, fold by fold, and report to the sweep, if there is one.

Alone, ``python scripts/train_portfolio.py --agent ppo`` prints each fold and a closing line. In a sweep the
same command reports the running means that the sweep judges; the step is the fold.
"""
# ruff: noqa: PLC0415 - what is slow to import waits until the options are read: --help answers at once

from __future__ import annotations

import argparse
import math
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.errors import UsageError
from sharpen.objectives.rl.settings import AGENTS, SYNONYMS, AgentSettings

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.data import Dataset
    from sharpen.facts import RunFacts
    from sharpen.folds import Fold
    from sharpen.objectives.fold_score import FoldScore
    from sharpen.objectives.rl.market_data import MarketData
    from sharpen.objectives.rl.portfolio import Outcome, PortfolioSettings
    from sharpen.tracking import Run

MARKET = {
    "initial_cash": (float, "cash at the start of an episode"),
    "max_trade": (float, "what an action of 1 trades: shares, or by value a share of the initial cash"),
    "trade_unit": (str, "shares, or value"),
    "dead_zone": (float, "an action nearer to 0 than this is no order"),
    "cost_bps": (float, "fee a side, in basis points"),
    "slippage_bps": (float, "how much worse than the price a fill is, in basis points"),
    "fill": (str, "next_open, next_close, or same_close_lookahead, which looks into the future"),
    "episode_bars": (int, "most steps of a training episode; 0 for the whole window"),
    "turbulence_limit": (float, "from this turbulence on everything is sold and nothing bought"),
    "reward_per_unit": (float, "reward of one unit of money: 0.00001; ElegantRL's is 0.000244140625"),
    "bonus_gamma": (float, "the last reward gets mean(rewards) / (1 - this) more; 0 for none"),
}
TRAINING = {
    "break_step": (int, "environment steps of training on each fold: 200000"),
    "n_checks": (int, "how often the tail is looked at for the checkpoint: 5"),
    "tail_share": (float, "share of the training bars that chooses the checkpoint: 0.2"),
    "scaling": (str, "how the state is shown: relative, or elegantrl"),
    "technicals": (str, "names with commas, such as macd,rsi_30"),
    "columns": (str, "columns of the whole market: realized_volatility,turbulence"),
}


def parse(argv: list[str] | None) -> dict[str, Any]:
    """Return the options: the agent, its market, the data, the folds; None for an agent's own default."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    spellings: dict[str, list[str]] = {}
    for other, name in SYNONYMS.items():
        spellings.setdefault(name, []).append(f"--{other}")
    for setting in fields(AgentSettings):
        kind = setting.metadata["kind"]
        names = (f"--{setting.name}", *spellings.get(setting.name, []))
        choices = AGENTS if setting.name == "agent" else None
        add(*names, type=_flag if kind is bool else kind, help=setting.metadata["help"], choices=choices)
    for name, (kind, words) in {**MARKET, **TRAINING}.items():
        add(f"--{name}", type=kind, help=words)
    add("--data", default="us20", help="a data set's name, or the path of a file of bars (default: us20)")
    add("--n_folds", type=int, default=8, help="walk-forward folds (default: 8)")
    add("--train_ratio", type=float, default=0.8, help="share of a fold's bars to train on (default: 0.8)")
    add("--gap_bars", type=int, default=0, help="bars left out between training and validation (default: 0)")
    add("--window", choices=("rolling", "expanding"), default="rolling", help="what happens to old bars")
    add("--min_trades", type=float, default=5.0, help="fewer trades a fold are infeasible (default: 5)")
    add("--lockbox_share", type=float, default=0.2, help="share of the bars no search may see (default: 0.2)")
    add("--folds_at_once", type=_flag, default=False, help="whether all folds train side by side")
    add("--device", default="cpu", help="cpu, or cuda (default: cpu)")
    add("--seed", type=int, default=0, help="used when there is no sweep to give one (default: 0)")
    add("--out", default="", help="folder to keep the returns in")
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
        print(f"train_portfolio: {error}", file=sys.stderr)
        return 2
    return 0


def train(run: Run, config: Mapping[str, Any], folder: Path) -> None:
    """Train and report one configuration: on the folds, or, when asked to, on the lockbox."""
    import torch

    from sharpen.data import load
    from sharpen.folds import lockbox_start
    from sharpen.objectives.progress import closing_line
    from sharpen.objectives.rl.portfolio import PortfolioSettings

    torch.set_num_threads(1)  # runs share the cores
    settings = PortfolioSettings.of(config)
    dataset = load(config["data"])
    cut = lockbox_start(len(dataset.panel), config["lockbox_share"])
    if run.in_sweep and config["lockbox_share"] <= 0:
        raise UsageError("--lockbox_share must be above 0 in a sweep: it must leave bars it has not seen")
    run.summary.update(replace(facts(dataset, cut), versions=library_versions()).to_summary())
    if run.stage == "lockbox":
        report_lockbox(run, settings, dataset.panel, cut, folder)
        return
    data = known_at_each_close(settings, in_order_of(run, dataset.panel.slice(0, cut)))
    scores: list[FoldScore] = []
    try:
        search(run, settings, data, scores)
    finally:  # the sweep may stop the run; the verdict needs the returns of stopped ones, too
        keep_returns(run, scores, folder)
    if scores:
        print(closing_line(scores, run.summary["infeasible"]))


def known_at_each_close(settings: PortfolioSettings, panel: Panel) -> MarketData:
    """Return the bars with technicals and market columns."""
    from sharpen.objectives.rl.market_data import market_data

    return market_data(panel, settings.technicals, settings.columns, settings.scaling)


def search(run: Run, settings: PortfolioSettings, data: MarketData, scores: list[FoldScore]) -> None:
    """Score the configuration on every fold and add that to the scores, each reported as it is known."""
    from sharpen.objectives.rl.portfolio import Job
    from sharpen.objectives.rl.portfolio import train as train_jobs

    folds = folds_of(run.config, data)
    at_once = len(folds) if run.config["folds_at_once"] else 1
    for start in range(0, len(folds), at_once):
        jobs = [Job(fold, run.seed) for fold in folds[start : start + at_once]]
        for job, outcome in zip(jobs, train_jobs(settings, data, jobs, run.config["device"]), strict=True):
            if not report(run, job.fold, outcome, scores):
                return


def report(run: Run, fold: Fold, outcome: Outcome, scores: list[FoldScore]) -> bool:
    """Report a fold; return whether the run goes on, which it does not once a training has broken down."""
    from sharpen.objectives.progress import progress

    figures = {f"train/{name}": value for name, value in outcome.figures.items()}
    if outcome.score is None:
        run.summary["infeasible"] = f"fold {fold.number}: {outcome.problem}"
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        run.log({**finite, "val/sharpe": math.nan}, step=fold.number)
        print(f"fold {fold.number}: infeasible: {outcome.problem}")
        return False
    scores.append(outcome.score)
    so_far = progress(scores, run.config["min_trades"])
    if so_far.infeasible != run.summary["infeasible"]:
        run.summary["infeasible"] = so_far.infeasible
    means = {name: value for name, value in so_far.metrics.items() if not name.endswith("n_nodes")}
    run.log(figures | means, step=fold.number)  # last: it ends the program when the sweep stops the run
    return True


def folds_of(config: Mapping[str, Any], data: MarketData) -> tuple[Fold, ...]:
    """Return the folds of a configuration."""
    from sharpen.folds import WalkForward, split

    plan = WalkForward(**{name: config[name] for name in ("n_folds", "train_ratio", "gap_bars", "window")})
    return split(len(data), plan, first_bar=data.warmup_bars)


def report_lockbox(run: Run, settings: PortfolioSettings, panel: Panel, cut: int, folder: Path) -> None:
    """Train on the development bars and report what the agent earned on the lockbox, and nothing else."""
    from sharpen.folds import Fold
    from sharpen.objectives.progress import lockbox_figures
    from sharpen.objectives.rl.portfolio import Job
    from sharpen.objectives.rl.portfolio import train as train_jobs

    data = known_at_each_close(settings, panel)
    fold = Fold(0, data.warmup_bars, cut, cut, len(data))
    outcome = train_jobs(settings, data, [Job(fold, run.seed)], run.config["device"])[0]
    if outcome.score is None:
        raise UsageError(f"the lockbox could not be judged: {outcome.problem}")
    keep_returns(run, [outcome.score], folder)
    run.log(lockbox_figures(outcome.score), step=0)


def keep_returns(run: Run, scores: Sequence[FoldScore], folder: Path) -> None:
    """Keep the out-of-sample returns of the folds that were scored."""
    from sharpen.objectives.progress import write_returns

    if scores:
        write_returns(scores, folder / "returns.parquet")
        run.log_artifact(folder / "returns.parquet", name="returns", type="returns")


def in_order_of(run: Run, development: Panel) -> Panel:
    """Return the development bars; in the stage ``permuted`` in an order that the history's seed draws."""
    if run.permutation_seed is None:
        return development

    from sharpen.permutation import permuted
    from sharpen.seeds import rng_for

    return permuted(development, rng_for(run.permutation_seed, "bars"))


def facts(dataset: Dataset, cut: int) -> RunFacts:
    """Return which bars a search sees and which it does not; of the latter its hash and first time."""
    from sharpen.facts import BarsFacts, DataNote, LockboxFacts, RunFacts

    panel, development = dataset.panel, dataset.panel.slice(0, cut)
    first, last = (str(development.time[at].astype("datetime64[s]")) for at in (0, -1))
    notes = tuple(DataNote.of(note) for note in dataset.notes)
    seen = BarsFacts(dataset.name, development.digest, notes, first, last, tuple(panel.symbols))
    if cut == len(panel):
        return RunFacts(seen)
    start = str(panel.time[cut].astype("datetime64[s]"))
    return RunFacts(seen, LockboxFacts(panel.slice(cut, len(panel)).digest, start))


def library_versions() -> dict[str, str]:
    """Return the versions of what can change a figure; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in ("sharpen", "numpy", "torch", "TA-Lib", "skfolio"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, not {text!r}")
    return text.lower() == "true"


if __name__ == "__main__":
    sys.exit(main())
