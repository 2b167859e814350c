"""Every hyperparameter of the agents, by ElegantRL's names, with its default, range and help."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from numbers import Integral, Real
from typing import Any

from sharpen.errors import UsageError

AGENTS = ("ppo", "sac", "ddpg", "modsac")
SYNONYMS = {
    "n_steps": "horizon_len",
    "n_epochs": "repeat_times",
    "clip_range": "ratio_clip",
    "gae_lambda": "lambda_gae_adv",
    "ent_coef": "lambda_entropy",
    "max_grad_norm": "clip_grad_norm",
    "vf_coef": "value_coef",
    "tau": "soft_update_tau",
    "learning_starts": "buffer_init_size",
    "target_policy_noise": "target_noise_std",
    "policy_delay": "actor_delay",
    "if_use_vtrace": "if_use_v_trace",
    "action_noise_std": "explore_noise_std",
    "clip_range_vf": "value_clip",
    "critic_tau": "soft_update_tau",
    "num_envs": "n_envs",
}
"""Names of stable-baselines3, and a second spelling in ElegantRL, for the settings here."""


def _number(default: float, low: float, high: float, text: str, *, above: bool = False) -> Any:
    def allows(value: float) -> bool:
        return (low < value if above else low <= value) and value <= high

    ends = "(" if above else "[", "]" if math.isfinite(high) else ")"
    limits = f"{ends[0]}{low:g}, {high:g}{ends[1]}"
    return field(
        default=default, metadata={"kind": type(default), "help": text, "range": limits, "allows": allows}
    )


def _flag(default: bool, text: str) -> Any:
    return field(default=default, metadata={"kind": bool, "help": text, "range": "true or false"})


def _word(default: str, choices: tuple[str, ...], text: str) -> Any:
    return field(
        default=default,
        metadata={
            "kind": str,
            "help": f"{text}: {', '.join(choices)}",
            "range": " ".join(choices),
            "allows": choices.__contains__,
        },
    )


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """One member's agent.

    Raises:
        UsageError: A value is of the wrong type or out of range; all problems at once.

    >>> AgentSettings.of({"agent": "sac", "tau": 0.01}).soft_update_tau
    0.01
    >>> AgentSettings(ratio_clip=0.0)
    Traceback (most recent call last):
    sharpen.errors.UsageError: ratio_clip is 0.0, must be in (0, 10]
    """

    agent: str = _word("ppo", AGENTS, "the algorithm")
    learning_rate: float = _number(3e-4, 0.0, 10.0, "step size of Adam", above=True)
    gamma: float = _number(0.99, 0.0, 1.0, "discount of a step")
    net_dims_0: int = _number(256, 1, 16384, "width of the first hidden layer")
    net_dims_1: int = _number(128, 0, 16384, "width of the second hidden layer; 0 for one layer")
    activation: str = _word("tanh", ("tanh", "relu", "gelu"), "after each hidden layer")
    batch_size: int = _number(512, 1, 1_000_000, "rows of a minibatch")
    horizon_len: int = _number(512, 1, 1_000_000, "steps of each environment between updates")
    repeat_times: float = _number(4.0, 0.0, 1000.0, "passes over what was collected", above=True)
    n_envs: int = _number(64, 1, 65536, "environments of one member")
    scale_updates: bool = _flag(
        True, "whether updates grow with n_envs; false counts one environment's steps"
    )
    clip_grad_norm: float = _number(0.5, 0.0, math.inf, "longest gradient", above=True)
    reward_scale: float = _number(1.0, 0.0, math.inf, "factor of every reward", above=True)
    ratio_clip: float = _number(0.2, 0.0, 10.0, "PPO: how far the probability ratio may move", above=True)
    lambda_gae_adv: float = _number(0.95, 0.0, 1.0, "PPO: 0 trusts the values, 1 the rewards")
    lambda_entropy: float = _number(0.0, 0.0, 100.0, "PPO: weight of the entropy, which is to be large")
    value_coef: float = _number(0.5, 0.0, 100.0, "PPO: weight of the value loss")
    value_clip: float = _number(
        0.0, 0.0, math.inf, "PPO: how far a value may move in an update; 0 for no limit"
    )
    init_log_std: float = _number(0.0, -20.0, 5.0, "PPO: log of the first standard deviation")
    if_use_v_trace: bool = _flag(False, "PPO: V-trace in place of GAE")
    buffer_size: int = _number(100_000, 1, 100_000_000, "off-policy: steps that replay holds")
    buffer_init_size: int = _number(1000, 0, 100_000_000, "off-policy: random steps before the first update")
    soft_update_tau: float = _number(0.005, 0.0, 1.0, "off-policy: share of the weights that targets take")
    init_alpha: float = _number(1.0, 0.0, 100.0, "SAC: first temperature", above=True)
    target_entropy: float = _number(0.0, -1e6, 1e6, "SAC: wanted entropy; 0 for minus the action's size")
    explore_noise_std: float = _number(0.1, 0.0, 10.0, "DDPG: noise of an action")
    twin_critics: bool = _flag(False, "DDPG: the smaller of two critics is the target, as in TD3")
    target_noise_std: float = _number(0.0, 0.0, 10.0, "DDPG: noise of the target's action, 0.2 in TD3")
    actor_delay: int = _number(1, 1, 1000, "DDPG: critic updates for one of the actor, 2 in TD3")

    def __post_init__(self) -> None:
        problems = [p for f in fields(self) if (p := _problem(f, getattr(self, f.name)))]
        if problems:
            raise UsageError("; ".join(problems), problems=problems)

    @property
    def net_dims(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return (self.net_dims_0, self.net_dims_1) if self.net_dims_1 else (self.net_dims_0,)

    @property
    def is_on_policy(self) -> bool:
        """Whether only what the agent itself has just done teaches it."""
        return self.agent == "ppo"

    def horizon(self, most_steps: int | None) -> int:
        """Return for how many steps to act before an update, where there may be a limit."""
        return self.horizon_len if most_steps is None else max(1, min(self.horizon_len, most_steps))

    @property
    def shape(self) -> tuple[Any, ...]:
        """What members of one stack must have in common: the sizes of all tensors, and the words."""
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in PER_MEMBER)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> AgentSettings:
        """Return the settings that a flat configuration names, by either name; other keys are ignored.

        What it does not name has the agent's own default: see :data:`DEFAULTS`.

        Raises:
            UsageError: A setting is given by both its names.
        """
        config = _with_temperature(config)
        kinds = {f.name: f.metadata["kind"] for f in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in config.items():
            own = SYNONYMS.get(name, name)
            if own in kinds and value is not None:
                if own in values:
                    raise UsageError(f"{name} and {own} are two names of one setting: give one of them")
                values[own] = _cast(kinds[own], value)
        agent = values.get("agent", "ppo")
        return cls(**{**DEFAULTS.get(agent, {}), **values})


def without_effect(config: Mapping[str, Any]) -> list[str]:
    """Return the names of a configuration that are settings of other agents than the one it names.

    >>> without_effect({"agent": "sac", "gamma": 0.9, "clip_range": 0.3, "twin_critics": True})
    ['clip_range', 'twin_critics']
    """
    agent = config.get("agent") or "ppo"
    groups = {f.name: f.metadata["help"].partition(":")[0] for f in fields(AgentSettings)}
    group_of = {name: groups.get(SYNONYMS.get(name, name), "") for name in config if config[name] is not None}
    idle = [name for name, group in group_of.items() if agent not in _AGENTS_OF.get(group, AGENTS)]
    return [name for name in idle if not (name == "ent_coef" and agent in _AGENTS_OF["SAC"])]


_AGENTS_OF = {
    "PPO": ("ppo",),
    "SAC": ("sac", "modsac"),
    "DDPG": ("ddpg",),
    "off-policy": ("sac", "modsac", "ddpg"),
}
"""Whose settings they are whose help begins with a word; all others are every agent's."""

_OFF_POLICY: dict[str, Any] = {
    "net_dims_0": 256,
    "net_dims_1": 256,
    "activation": "relu",
    "batch_size": 256,
    "horizon_len": 1,
    "repeat_times": 1.0,
    "n_envs": 1,
    "clip_grad_norm": 1e9,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "ppo": {},
    "sac": _OFF_POLICY,
    "modsac": _OFF_POLICY,
    "ddpg": _OFF_POLICY | {"learning_rate": 1e-3},
}
"""Where an agent's default differs from the one of the class."""

PER_MEMBER = frozenset(
    {
        "learning_rate",
        "gamma",
        "clip_grad_norm",
        "reward_scale",
        "ratio_clip",
        "lambda_gae_adv",
        "lambda_entropy",
        "value_coef",
        "soft_update_tau",
        "init_alpha",
        "init_log_std",
        "target_entropy",
        "explore_noise_std",
        "target_noise_std",
    }
)
"""Settings in which the members of one stack may differ; all others make another stack."""


def _with_temperature(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration in which stable-baselines3's ``ent_coef`` of SAC is what it means here.

    Raises:
        UsageError: It asks for a temperature that stays as it is.
    """
    given = config.get("ent_coef")
    if given is None or config.get("agent") not in _AGENTS_OF["SAC"]:
        return config
    word, _, first = str(given).partition("_")
    try:
        began = float(first or 1.0)
    except ValueError:
        word, began = "", 1.0
    if word != "auto":
        raise UsageError(
            f"ent_coef is {given!r}: the temperature of {config['agent']} is learned; give auto, or where"
            " it begins: auto_0.1, or init_alpha"
        )
    return {"init_alpha": began, **{name: value for name, value in config.items() if name != "ent_coef"}}


def _cast(kind: type, value: Any) -> Any:
    """Return a number as Python's own, numpy's too; what is of another type as it is."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    if kind is float:
        return float(value)
    if kind is int and (isinstance(value, Integral) or float(value).is_integer()):
        return int(float(value)) if not isinstance(value, int) else value
    return value


def _problem(setting: Field[Any], value: Any) -> str | None:
    kind: type = setting.metadata["kind"]
    if type(value) is not kind:
        return f"{setting.name} is {value!r}, must be of type {kind.__name__}"
    allows = setting.metadata.get("allows")
    if allows is not None and not allows(value):
        return f"{setting.name} is {value!r}, must be in {setting.metadata['range']}"
    return None
