# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Members on the disk, with all they need to go on as if there had been no break, as safetensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from sharpen.errors import DataError
from sharpen.objectives.rl.agent import Snapshot
from sharpen.objectives.rl.market import MarketSettings
from sharpen.objectives.rl.population import Member, Population
from sharpen.objectives.rl.settings import AgentSettings


def save(population: Population, path: Path, numbers: Sequence[int] | None = None) -> None:
    """Write members to a file; whoever reads it meanwhile finds the old one or the new one, whole.

    Args:
        population: The members.
        path: The file.
        numbers: Whom; all by default.
    """
    chosen = list(population.members if numbers is None else numbers)
    members = {str(number): asdict(population.members[number]) for number in chosen}
    tensors = {
        f"{number}/{name}": value.contiguous()
        for number in chosen
        for name, value in population.save(number).items()
    }
    part = path.with_name(f"{path.name}.part")
    save_file(tensors, part, metadata={"members": json.dumps(members)})
    part.replace(path)


def load(path: Path) -> dict[int, tuple[Member, Snapshot]]:
    """Return the members of a file, by number.

    Raises:
        DataError: It is no such file, or a torn one.
    """
    try:
        with safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {})["members"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except Exception as problem:
        raise DataError(f"{path} is no checkpoint of members: {problem}") from problem
    found: dict[int, tuple[Member, Snapshot]] = {}
    for number, about in told.items():
        member = Member(AgentSettings(**about["agent"]), about["seed"], MarketSettings(**about["market"]))
        prefix = f"{number}/"
        kept = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
        found[int(number)] = (member, kept)
    return found
