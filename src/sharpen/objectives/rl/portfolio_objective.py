"""Portfolio agents as an objective of many runs. It imports little at first: ``--help`` answers at once."""
# ruff: noqa: PLC0415 - as just said

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.hints import join
from sharpen.objectives.program import flag
from sharpen.objectives.rl.one_thread import import_torch
from sharpen.objectives.rl.portfolio_settings import PORTFOLIO_SETTINGS, entropy_coefficient
from sharpen.objectives.rl.settings import AGENTS, SYNONYMS, AgentSettings, without_effect

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.objectives.fold_jobs import FoldJob, Keep, RunCheckpoint, TrainingResult
    from sharpen.objectives.rl.checkpoints import FoldCheckpoint
    from sharpen.objectives.rl.market_data import MarketData
    from sharpen.objectives.rl.portfolio import PortfolioSettings

TOLD_EVERY_S = 5.0


class PortfolioCheckpoints:
    """Runs on the disk; see :mod:`sharpen.objectives.rl.checkpoints`."""

    def save(self, checkpoint: RunCheckpoint[FoldCheckpoint], path: Path) -> None:
        """Write a run to a file."""
        from sharpen.objectives.rl import checkpoints

        checkpoints.save(checkpoint, path)

    def go_on(self, path: Path, identity: Mapping[str, Any]) -> RunCheckpoint[FoldCheckpoint]:
        """Return what a run begins from.

        Raises:
            UsageError: The file is torn, or of a training that this one cannot go on from.
        """
        from sharpen.objectives.rl import checkpoints

        return checkpoints.go_on(checkpoints.load(path), identity)


class PortfolioAgents:
    """PPO, SAC, DDPG and ModSAC agents that hold stocks; see :mod:`sharpen.objectives.rl.portfolio`."""

    checkpoints = PortfolioCheckpoints()

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the agent's and its market's settings; what is not given has their own defaults."""
        add, own = parser.add_argument, argparse.SUPPRESS
        for setting in fields(AgentSettings):
            kind = flag if setting.metadata["kind"] is bool else setting.metadata["kind"]
            choices, help_text = AGENTS if setting.name == "agent" else None, setting.metadata["help"]
            add(f"--{setting.name}", type=kind, help=help_text, choices=choices, default=own)
            for other in [other for other, name in SYNONYMS.items() if name == setting.name]:
                its = entropy_coefficient if other == "ent_coef" else kind
                add(f"--{other}", type=its, help=f"another name of --{setting.name}", default=own)
        for name, (kind, help_text) in PORTFOLIO_SETTINGS.items():
            add(f"--{name}", type=flag if kind is bool else kind, help=help_text, default=own)
        add("--market_file", default="", help="CSV or Parquet file with a date and columns such as the VIX")
        add("--device", default="cpu", help="cpu, or cuda")
        parser.set_defaults(data="us20")

    def settings(self, config: Mapping[str, Any]) -> PortfolioSettings:
        """Return a configuration's settings; say which are of no use to its agent.

        Raises:
            UsageError: A number is out of range, or there is no such choice.
        """
        from sharpen.objectives.rl.portfolio import PortfolioSettings

        if idle := without_effect(config):
            agent = config.get("agent") or "ppo"
            print(f"{join(idle)} of no effect: {agent} has none", file=sys.stderr)
        return PortfolioSettings.of(config)

    def identity(self, config: Mapping[str, Any], settings: PortfolioSettings) -> dict[str, Any]:
        """Return every setting, and where the market's columns come from."""
        return {**settings.flat, "market_file": config["market_file"]}

    def shared(self, config: Mapping[str, Any], settings: PortfolioSettings) -> tuple[Any, ...]:
        """Return what is known of the bars, and where the tensors live."""
        known = (settings.technicals, settings.columns, settings.scaling)
        return (*known, str(config["market_file"]), str(config["device"]))

    def versions(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Import torch; return the versions of the libraries that can change a figure."""
        return import_torch("TA-Lib", "skfolio")

    def prepare(self, config: Mapping[str, Any], settings: PortfolioSettings, panel: Panel) -> MarketData:
        """Return the bars with technicals and market columns."""
        from sharpen.objectives.rl.market_columns import read_columns
        from sharpen.objectives.rl.market_data import market_data

        file = config["market_file"]
        more = read_columns(Path(file), panel.time, panel.bars_per_year) if file else {}
        return market_data(panel, settings.technicals, settings.columns, settings.scaling, more)

    def first_bar(self, examples: MarketData) -> int:
        """Return how many bars the columns warm up."""
        return examples.warmup_bars

    def train(
        self,
        config: Mapping[str, Any],
        examples: MarketData,
        jobs: Sequence[FoldJob[PortfolioSettings, FoldCheckpoint]],
        keep: Keep[FoldCheckpoint] | None,
    ) -> Sequence[TrainingResult[FoldCheckpoint]]:
        """Train agents; where nobody keeps checkpoints, print every few seconds how far they are.

        Raises:
            UsageError: A window is too short, or not even one job would fit into memory.
        """
        from sharpen.objectives.rl.portfolio import train

        return train(examples, jobs, config["device"], keep or _print_steps(jobs[0].settings.break_step))


def _print_steps(break_step: int) -> Keep[FoldCheckpoint]:
    printed_at = [time.monotonic()]

    def print_steps(at_work: Callable[[], Mapping[int, FoldCheckpoint]]) -> None:
        if time.monotonic() - printed_at[0] >= TOLD_EVERY_S:
            printed_at[0] = time.monotonic()
            for checkpoint in at_work().values():
                print(f"trained {min(checkpoint.n_steps, break_step):,} of {break_step:,} steps", flush=True)

    return print_steps
