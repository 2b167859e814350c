"""The options of a program that trains execution policies."""

from __future__ import annotations

import argparse
from dataclasses import fields

from sharpen.objectives.program import flag
from sharpen.objectives.rl.execution.settings import DEFAULTS, MARKET_SETTINGS
from sharpen.objectives.rl.settings import SYNONYMS, AgentSettings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the market, of the training and of the agent."""
    add = parser.add_argument
    add("--market", default="signal", help="signal, ac, ow, propagator, bars or book (default: signal)")
    add("--data", default="", help="bars: a name, a path, or {path: FILE, map: ...} (default: stocks)")
    add("--book", default="", help="book: snapshots of a recorded book, a parquet or CSV file")
    add("--trades", default="", help="book: the trades of the same time, a parquet or CSV file")
    for name, (kind, help_text) in MARKET_SETTINGS.items():
        add(f"--{name}", type=kind, help=help_text)
    add("--total_timesteps", type=int, help="slices to train on (default: 200000)")
    add("--lr_schedule", help="linear: the learning rate falls to 0; or constant (default: linear)")
    add("--n_checks", type=int, help="how often the policy is looked at in that time (default: 5)")
    add("--n_episodes", type=int, help="held-out orders (default: 4096)")
    add("--n_folds", type=int, help="bars, book: walk-forward folds (default: 3)")
    add("--n_steps", type=int, help="slices between two updates, all environments together (default: 8192)")
    add("--net_arch", help='widths of the hidden layers (default: "[64, 64]")')
    _add_agent(parser)
    add("--seed", type=int, default=0, help="used when there is no sweep to give one (default: 0)")
    add("--out", default="", help="folder to keep what each order saved in")


def _add_agent(parser: argparse.ArgumentParser) -> None:
    spellings: dict[str, list[str]] = {}
    for other, name in SYNONYMS.items():
        if other != "n_steps":
            spellings.setdefault(name, []).append(f"--{other}")
    for setting in fields(AgentSettings):
        names = (*spellings.get(setting.name, []), f"--{setting.name}")
        kind = setting.metadata["kind"]
        default, help_text = DEFAULTS.get(names[0][2:]), setting.metadata["help"]
        help_text = f"{help_text} (default: {default})" if default else help_text
        parser.add_argument(*names, dest=names[0][2:], type=flag if kind is bool else kind, help=help_text)
