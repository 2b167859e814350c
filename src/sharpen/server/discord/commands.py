"""Telling Discord which commands there are."""

from __future__ import annotations

from typing import Any

import httpx

from sharpen.errors import SharpenError
from sharpen.server.discord.settings import DiscordSettings

MANAGE_SERVER = "32"
TEXT, SUBCOMMAND = 3, 1


def _text(name: str, description: str, *choices: str, required: bool = True) -> dict[str, Any]:
    option: dict[str, Any] = {"type": TEXT, "name": name, "description": description, "required": required}
    return option | (
        {"choices": [{"name": choice, "value": choice} for choice in choices]} if choices else {}
    )


def _verb(name: str, description: str, *options: dict[str, Any]) -> dict[str, Any]:
    return {"type": SUBCOMMAND, "name": name, "description": description, "options": list(options)}


ALIASES = ("candidate", "paper", "prod")
MODEL: dict[str, Any] = {
    "name": "model",
    "type": 1,
    "description": "Models on their way to production",
    "default_member_permissions": MANAGE_SERVER,
    "options": [
        _verb("status", "Where each alias points"),
        _verb(
            "promote",
            "Move an alias, when its gate lets it pass",
            _text("name", "The version, such as xgb_classifier_v5"),
            _text("to", "The alias; prod when left out", *ALIASES, required=False),
        ),
        _verb(
            "rollback",
            "Go back to the version before",
            _text("name", "The model"),
            _text("alias", "The alias", *ALIASES),
            _text("reason", "Why"),
        ),
    ],
}


def register_commands(settings: DiscordSettings, bot_token: str, http: httpx.Client) -> list[str]:
    """Write the commands to each guild; return the guilds. Writing them again changes nothing.

    Raises:
        SharpenError: Discord refused it.
    """
    for guild in sorted(settings.guilds):
        url = f"{settings.api}/applications/{settings.application_id}/guilds/{guild}/commands"
        answer = http.post(url, json=MODEL, headers={"Authorization": f"Bot {bot_token}"})
        if not answer.is_success:
            raise SharpenError(f"Discord refused the commands of guild {guild}: {answer.status_code}")
    return sorted(settings.guilds)
