# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""How much memory members need, so that what does not fit is refused before it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from sharpen.errors import UsageError
from sharpen.free_memory import available_bytes
from sharpen.objectives.rl.settings import AgentSettings

_FLOAT = 4
_SPARE = 0.8
"""The share of the free memory that members may take."""


def member_bytes(settings: AgentSettings, n_seen: int, n_actions: int) -> int:
    """Return about how many bytes one member needs.

    Args:
        settings: The agent.
        n_seen: Numbers in an observation.
        n_actions: Numbers in an action.

    >>> round(member_bytes(AgentSettings(), 283, 28) / 1e6)
    21
    """
    widths = (n_seen, *settings.net_dims)
    hidden = sum(a * b for a, b in pairwise(widths)) + widths[-1] * n_actions
    n_networks = {"ppo": 2, "ddpg": 4}.get(settings.agent, 5)
    weights = hidden * n_networks * 5  # with gradient, two moments and what is in work
    per_step = (1 + n_actions) + 2 * n_actions + 10
    if settings.is_on_policy:
        rows = settings.horizon_len * settings.n_envs * per_step
        work = min(settings.batch_size, settings.horizon_len * settings.n_envs)
    else:
        rows = settings.buffer_size * (2 * (1 + n_actions) + n_actions + 4)
        work = settings.batch_size
    return _FLOAT * (weights + rows + work * (n_seen + 4 * sum(settings.net_dims)))


def free_bytes(device: str) -> int:
    """Return how much memory of a device is free."""
    if device == "cpu":
        return available_bytes()
    return int(torch.cuda.mem_get_info(device)[0])


def refuse_too_large(
    members: Sequence[AgentSettings], n_seen: int, n_actions: int, device: str = "cpu"
) -> None:
    """Refuse members that do not fit.

    Args:
        members: The agent of each.
        n_seen: Numbers in an observation.
        n_actions: Numbers in an action.
        device: Where the tensors live.

    Raises:
        UsageError: They need more than what is free; it says how many members would fit.
    """
    sizes, free = [member_bytes(one, n_seen, n_actions) for one in members], free_bytes(device)
    if sum(sizes) <= free * _SPARE:
        return
    n_fit, settings = int(free * _SPARE / max(sizes)), members[sizes.index(max(sizes))]
    need = f"{len(members)} member{'s' * (len(members) > 1)} need{'s' * (len(members) == 1)}"
    too_much = f"{need} {sum(sizes) / 1e9:.1f} GB and {free / 1e9:.1f} GB are free"
    size = "n_envs or horizon_len" if settings.is_on_policy else "buffer_size"
    if n_fit:
        raise UsageError(f"{too_much}: at most {n_fit} fit; use fewer, or a smaller {size}", n_fit=n_fit)
    fitting = {
        name: _largest(settings, name, lambda one: member_bytes(one, n_seen, n_actions) <= free * _SPARE)
        for name in size.split(" or ")
    }
    limits = " or ".join(f"{name} of at most {value:,}" for name, value in fitting.items() if value)
    raise UsageError(f"{too_much}: {limits or 'smaller networks'} would fit", n_fit=0, fitting=fitting)


def _largest(settings: AgentSettings, name: str, fits: Callable[[AgentSettings], bool]) -> int:
    """Return the largest value of a size with which a member fits; 0 when not even 1 does."""
    low, high = 0, getattr(settings, name)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(replace(settings, **{name: middle})) else (low, middle)
    return low
