"""A configuration of an execution policy, by the names of stable-baselines3."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.objectives.rl.settings import SYNONYMS, AgentSettings

DEFAULTS: dict[str, Any] = {
    "learning_rate": 3e-3,
    "n_steps": 8192,
    "batch_size": 2048,
    "n_epochs": 10,
    "gamma": 1.0,
    "gae_lambda": 1.0,
    "net_arch": "[64, 64]",
    "n_envs": 512,
    "init_log_std": -1.0,
}
"""Where the agent's defaults differ from those of :class:`AgentSettings`.

An order has an end and its costs are not discounted, so gamma and lambda are 1. Many orders at a time and a
rate that falls to 0 leave little noise in the policy.
"""
SCHEDULES = ("linear", "constant")
MOST_SLICES = 10_000

MARKET_SETTINGS: dict[str, tuple[type, str]] = {
    "n_slices": (int, "slices of an order"),
    "drift": (float, "signal, ac: how far the price moves in a slice, up or down; shown at the start"),
    "volatility": (float, "standard deviation of the price over a slice; propagator: as a share of it"),
    "permanent": (float, "ac: how far a share moves the price for good"),
    "temporary": (float, "ac: how much worse a slice's price is for each share in it"),
    "half_spread": (float, "ac: how much worse every price is"),
    "risk_aversion": (float, "ac: of the Almgren-Chriss baseline, per unit of money"),
    "impact": (
        float,
        "ow: how far a share moves the price; bars, propagator: factor of the impact",
    ),
    "decay_slices": (float, "propagator: after how many slices a factor e of an impact has gone"),
    "resilience": (float, "ow: how fast impact dies away, over the whole order"),
    "order_share": (float, "bars, book, propagator: size of an order over its slices' usual volume"),
    "participation": (float, "bars, book: largest share of a slice's volume that may be traded"),
    "slice_rows": (int, "book: snapshots of a slice"),
    "latency_s": (float, "book: seconds from a decision to the book"),
    "taker_fee_bps": (float, "book: fee of market orders, in basis points"),
    "maker_fee_bps": (float, "book: fee of limit orders, in basis points; below 0 for a rebate"),
    "half_spread_bps": (float, "bars: how much worse every fill is, in basis points"),
    "urgency": (float, "how fast the Almgren-Chriss baseline trades: kappa times the length of a slice"),
}
"""Settings of the markets: type and help; one that is left out has the market's own default."""

TAKEN: dict[str, tuple[str, ...]] = {
    "signal": ("n_slices", "drift", "volatility"),
    "ac": ("n_slices", "drift", "volatility", "permanent", "temporary", "half_spread", "risk_aversion"),
    "ow": ("n_slices", "impact", "resilience", "volatility", "urgency"),
    "propagator": ("n_slices", "impact", "volatility", "decay_slices", "order_share", "urgency"),
    "bars": ("n_slices", "order_share", "participation", "half_spread_bps", "impact", "urgency"),
    "book": (
        "n_slices",
        "slice_rows",
        "order_share",
        "participation",
        "latency_s",
        "taker_fee_bps",
        "maker_fee_bps",
        "urgency",
    ),
}
"""The settings that each market has."""


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """One configuration.

    Attributes:
        agent: The agent, PPO.
        market: The market's name.
        market_settings: What differs from the market's own defaults.
        total_timesteps: Slices to train on.
        lr_schedule: Whether the learning rate falls to 0 along a line, or is constant.
        n_checks: How often in that time the policy is looked at on held-out episodes.
        n_episodes: Held-out episodes.
        n_folds: Walk-forward folds of markets whose prices were recorded.

    Raises:
        UsageError: A number is out of range.
    """

    agent: AgentSettings
    market: str = "signal"
    market_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    total_timesteps: int = 200_000
    lr_schedule: str = "linear"
    n_checks: int = 5
    n_episodes: int = 4096
    n_folds: int = 3

    def __post_init__(self) -> None:
        rules = (
            (self.total_timesteps >= 1, f"total_timesteps is {self.total_timesteps}, give 1 or more"),
            (
                self.lr_schedule in SCHEDULES,
                f"lr_schedule is {self.lr_schedule!r}, give {' or '.join(SCHEDULES)}",
            ),
            (self.n_checks >= 1, f"n_checks is {self.n_checks}, give 1 or more"),
            (self.n_episodes >= 2, f"n_episodes is {self.n_episodes}, give 2 or more"),
            (self.n_folds >= 1, f"n_folds is {self.n_folds}, give 1 or more"),
            (self.agent.is_on_policy, f"agent is {self.agent.agent}, an execution policy is learnt by ppo"),
        )
        problems = [text for holds, text in rules if not holds]
        problems += [
            f"{name} is {value}, give a finite number"
            for name, value in self.market_settings.items()
            if not math.isfinite(value)
        ]
        if foreign := self._foreign:
            problems.append(f"the market {self.market} does not have {', '.join(foreign)}")
        if (n_slices := self.market_settings.get("n_slices", 2)) > MOST_SLICES:
            problems.append(f"n_slices is {n_slices}, give {MOST_SLICES} or less")
        if problems:
            raise UsageError("; ".join(problems), problems=problems)

    @property
    def _foreign(self) -> list[str]:
        """The settings that this market does not have, with the markets that do."""
        own = TAKEN.get(self.market, tuple(MARKET_SETTINGS))
        return [
            f"{name}, which is of {' and '.join(m for m, names in TAKEN.items() if name in names)}"
            for name in self.market_settings
            if name not in own
        ]

    @property
    def rules(self) -> tuple[Any, ...]:
        """All but the agent: what configurations that train side by side must agree in."""
        rules = tuple(sorted(self.market_settings.items()))
        length = (self.total_timesteps, self.n_checks, self.n_episodes, self.n_folds)
        return (self.market, rules, self.lr_schedule, *length)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ExecutionSettings:
        """Return the settings that a flat configuration names; other keys are ignored.

        ``n_steps`` counts the steps of all environments between two updates, as stable-baselines3 does with
        the one environment that it has by default; ``horizon_len`` counts those of each.

        >>> settings = ExecutionSettings.of({"n_steps": 512, "n_envs": 32, "net_arch": "[128, 64]"})
        >>> settings.agent.horizon_len, settings.agent.net_dims, settings.market
        (16, (128, 64), 'signal')
        """
        given = _by_one_name({key: value for key, value in config.items() if value is not None})
        if "num_envs" in given:
            given["n_envs"] = given.pop("num_envs")
        both = {**{k: v for k, v in DEFAULTS.items() if not _is_given(k, given)}, **given}
        if "net_arch" in both:
            both |= _net_dims(both.pop("net_arch"))
        if "n_steps" in both:
            n_steps = int(both.pop("n_steps"))
            if n_steps < 1:
                raise UsageError(f"n_steps is {n_steps}, give 1 or more")
            both["horizon_len"] = math.ceil(n_steps / max(int(both["n_envs"]), 1))
        kinds: dict[str, type] = {
            "market": str,
            "total_timesteps": int,
            "lr_schedule": str,
            "n_checks": int,
            "n_episodes": int,
            "n_folds": int,
        }
        own: dict[str, Any] = {name: kind(given[name]) for name, kind in kinds.items() if name in given}
        rules = {name: kind(given[name]) for name, (kind, _) in MARKET_SETTINGS.items() if name in given}
        return cls(AgentSettings.of(both), market_settings=rules, **own)


_OTHER_NAMES: dict[str, Sequence[str]] = {
    "n_steps": ("horizon_len",),
    "n_epochs": ("repeat_times",),
    "net_arch": ("net_dims_0", "net_dims_1"),
    "gae_lambda": ("lambda_gae_adv",),
}


def _by_one_name(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without those that are there twice, by two names, with the same value."""
    return {
        name: value
        for name, value in given.items()
        if SYNONYMS.get(name) is None or given.get(SYNONYMS[name]) != value
    }


def _is_given(name: str, given: Mapping[str, Any]) -> bool:
    """Return whether a setting is there by its name or another one."""
    return any(n in given for n in (name, *_OTHER_NAMES.get(name, ())))


def _net_dims(value: Any) -> dict[str, int]:
    """Return the widths of one or two hidden layers, from a list or its text."""
    parsed: Any = value
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
    widths = cast("list[Any]", parsed if isinstance(parsed, (list, tuple)) else [])
    if not 1 <= len(widths) <= 2 or not all(type(width) is int for width in widths):
        raise UsageError(f"net_arch is {value!r}, give one or two widths, such as [64, 64]")
    first, second = (*widths, 0)[:2]
    return {"net_dims_0": first, "net_dims_1": second}
