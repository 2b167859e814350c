"""What the store's keeper says of Discord: ``discord.yaml`` in the store's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.regular_file import read_text
from sharpen.spec import document

FILE = "discord.yaml"
API = "https://discord.com/api/v10"
KEYS = ("application_id", "public_key", "guilds", "roles", "people", "api")


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """Who may do what from Discord.

    Attributes:
        application_id: Of the application.
        public_key: Its Ed25519 key, in hex.
        guilds: Servers whose commands are obeyed, by id.
        roles: Roles that may promote and roll back, by id.
        people: The name of each user id; it is the one that the same person has on the command line.
        api: Where Discord is.
    """

    application_id: str
    public_key: str
    guilds: frozenset[str]
    roles: frozenset[str]
    people: Mapping[str, str]
    api: str = API


def read_settings(home: Path) -> DiscordSettings:
    """Return the settings of a store.

    Raises:
        UsageError: There is no such file, or something in it is missing or wrong.
    """
    path = home / FILE
    if not path.exists():
        raise UsageError(
            f"there is no {path}: write application_id, public_key, guilds, roles and people into it, as"
            " docs/promotion.md shows"
        )
    try:
        tree = document.read(read_text(path), str(path)).value
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"cannot read {path}: {problem}") from problem
    return parse_settings(tree, str(path))


def parse_settings(tree: Any, where: str = FILE) -> DiscordSettings:
    """Return the settings in a mapping.

    Raises:
        UsageError: Something is missing or wrong; every such place is named.

    >>> tree = {"application_id": 1, "public_key": "00" * 32, "guilds": [2], "roles": [3]}
    >>> parse_settings(tree | {"people": {4: "ann"}}).people
    {'4': 'ann'}
    """
    settings = cast("dict[str, Any]", tree) if isinstance(tree, dict) else {}
    problems = [
        f"$.{name}: no such key; there are: {', '.join(KEYS)}" for name in settings if name not in KEYS
    ]
    problems += [f"$.{name} is missing" for name in KEYS[:-1] if not settings.get(name)]
    key = str(settings.get("public_key", ""))
    try:
        is_key = len(bytes.fromhex(key)) == 32
    except ValueError:
        is_key = False
    if key and not is_key:
        problems.append("$.public_key must be 64 hexadecimal digits")
    for name, kind in (("guilds", list), ("roles", list), ("people", dict)):
        if settings.get(name) and not isinstance(settings[name], kind):
            problems.append(f"$.{name} must be a {'mapping' if kind is dict else 'list'}")
    if problems:
        raise UsageError("\n".join([f"{where}:", *problems]), problems=problems)
    return DiscordSettings(
        application_id=str(settings["application_id"]),
        public_key=key,
        guilds=frozenset(map(str, settings["guilds"])),
        roles=frozenset(map(str, settings["roles"])),
        people={str(user): str(name) for user, name in settings["people"].items()},
        api=str(settings.get("api") or API).rstrip("/"),
    )
