"""What was asked in Discord, whether this person may, and what to answer at once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from sharpen.errors import SharpenError
from sharpen.promotion.promote import position
from sharpen.server.discord.settings import DiscordSettings

PING, COMMAND, BUTTON = 1, 2, 3
PONG, MESSAGE, DEFERRED = 1, 4, 5
EPHEMERAL = 64
GREEN, RED = 3, 4
PROMOTED_TO = "prod"  # where nobody says which alias
CONFIRM_S = 600.0
"""How long the button of whoever asks lives. That of the second person lives as long as the request."""
LONGEST_ID = 100  # letters of a button's custom_id
LONGEST_TEXT = 2000  # letters of a message
Json = dict[str, Any]
SHORT = 12  # letters of a digest


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """What somebody was shown before they decide: the version, its digest, and where the alias points."""

    name: str
    digest: str
    points_at: str


FindVersion = Callable[[str, str], ShownVersion]
Verb = Literal["status", "promote", "rollback"]


@dataclass(frozen=True, slots=True)
class DeferredJob:
    """What is done after the answer, and reported when it is done.

    Attributes:
        id: Of the interaction; it makes a job that is done again the same job.
        token: With which the report is sent; a secret.
        verb: What to do.
        person: Who, by name.
        word: The model.
        alias: Which alias; empty for a status.
        digest: The version must begin with this one; empty for whichever it has.
        approve: Whether it is the second person's word.
        reason: Of a rollback.
        expects: Where the alias must point still, as in ``v3`` or ``none``; empty for wherever it does.
        asked_at: When it was asked for, Unix seconds.
    """

    id: str
    token: str
    verb: Verb
    person: str
    word: str
    alias: str = ""
    digest: str = ""
    approve: bool = False
    reason: str = ""
    expects: str = ""
    asked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer within three seconds, and what to do then; None for nothing."""

    reply: Json
    job: DeferredJob | None = None


def answer(
    interaction: Mapping[str, Any], settings: DiscordSettings, now: float, find_version: FindVersion
) -> Answer:
    """Return the answer to an interaction that Discord signed.

    What a role may is checked here, at the command and again at the button: what Discord shows to whom can be
    changed in Discord.

    Args:
        interaction: What it sent.
        settings: Of the store.
        now: Unix seconds.
        find_version: Finds the version that a word means, and where an alias of its model points.
    """
    try:
        return _answer(interaction, settings, now, find_version)
    except (AttributeError, IndexError, KeyError, TypeError):  # of another form than Discord's are today
        return Answer(message("sharpen cannot read this interaction"))


def _answer(
    interaction: Mapping[str, Any], settings: DiscordSettings, now: float, find_version: FindVersion
) -> Answer:
    if interaction.get("type") == PING:
        return Answer({"type": PONG})
    person = _person(interaction, settings)
    if isinstance(person, Refusal):
        return Answer(message(person.why))
    if interaction.get("type") == COMMAND:
        return _command(interaction, person, now, find_version)
    if interaction.get("type") == BUTTON:
        return _button(interaction, person, now)
    return Answer(message("sharpen does not know this kind of interaction"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not."""

    why: str


@dataclass(frozen=True, slots=True)
class DiscordMember:
    """Who asks: the id in Discord, and the name."""

    user: str
    name: str


def _person(interaction: Mapping[str, Any], settings: DiscordSettings) -> DiscordMember | Refusal:
    member: Any = interaction.get("member")
    if not isinstance(member, dict) or interaction.get("guild_id") is None:
        return Refusal("models are not moved in direct messages: use the command in your team's server")
    if str(interaction["guild_id"]) not in settings.guilds:
        return Refusal("this server is not one that sharpen obeys: its id is not in discord.yaml")
    member_facts = cast("Mapping[str, Any]", member)
    if settings.roles.isdisjoint(map(str, member_facts.get("roles", ()))):
        return Refusal("you have none of the roles that may do this: discord.yaml lists them")
    user = str(member_facts.get("user", {}).get("id", ""))
    if user not in settings.people:
        return Refusal(f"discord.yaml gives no name to your user id {user}: add it to people")
    return DiscordMember(user, settings.people[user])


def _command(
    interaction: Mapping[str, Any], person: DiscordMember, now: float, find_version: FindVersion
) -> Answer:
    options: Any = interaction.get("data", {}).get("options") or [{}]
    verb = options[0].get("name")
    option_rows: list[Json] = options[0].get("options") or []
    values = {str(option.get("name")): str(option.get("value", "")).strip() for option in option_rows}
    word = values.get("name", "")
    if verb not in ("status", "promote", "rollback") or (verb != "status" and not word):
        return Answer(message("/model status, /model promote NAME, or /model rollback NAME ALIAS REASON"))
    job = DeferredJob(
        str(interaction["id"]), str(interaction["token"]), verb, person.name, word, asked_at=now
    )
    if verb == "status":
        return Answer(deferred(), job)
    alias = values.get("alias", "") if verb == "rollback" else values.get("to") or PROMOTED_TO
    if verb == "rollback" and not values.get("reason"):
        return Answer(message("a rollback needs a reason"))
    try:
        seen = find_version(word, alias)
    except SharpenError as problem:
        return Answer(message(problem.message))
    if verb == "promote":
        return _confirmation(seen, alias, person, now)
    return Answer(deferred(), replace(job, alias=alias, reason=values["reason"], expects=seen.points_at))


def _confirmation(seen: ShownVersion, alias: str, person: DiscordMember, now: float) -> Answer:
    button = button_id("p", person.user, (seen, alias), now + CONFIRM_S)
    if button is None:
        return Answer(message("that name is too long for a button: use 'sharpen promote'"))
    now_at = "which points nowhere" if seen.points_at == position(None) else f"now {seen.points_at}"
    text = f"Move `{alias}`, {now_at}, to `{seen.name}`? The gate decides, and the log shows who asked."
    return Answer(message(text, [{"type": 2, "style": GREEN, "label": "Promote", "custom_id": button}]))


def _button(interaction: Mapping[str, Any], person: DiscordMember, now: float) -> Answer:
    parts = str(interaction.get("data", {}).get("custom_id", "")).split("|")
    if len(parts) != 7 or parts[0] not in ("p", "a") or not (parts[6].isascii() and parts[6].isdigit()):
        return Answer(message("sharpen does not know this button"))
    kind, user, word, alias, digest, expects, expires = parts
    if int(expires) < now:
        return Answer(message("this button has expired: ask again with /model promote"))
    if kind == "p" and user != person.user:
        return Answer(message("this button is another person's: ask yourself with /model promote"))
    job = DeferredJob(
        str(interaction["id"]), str(interaction["token"]), "promote", person.name, word, alias, asked_at=now
    )
    return Answer(deferred(), replace(job, digest=digest, expects=expects, approve=kind == "a"))


def button_id(kind: str, user: str, what: tuple[ShownVersion, str], expires_at: float) -> str | None:
    """Return a button's id: the user, what was seen of the version and the alias; None when too long.

    >>> button_id("p", "7", (ShownVersion("xgb:v5", "ab12", "v3"), "prod"), 100.0)
    'p|7|xgb:v5|prod|ab12|v3|100'
    """
    seen, alias = what
    parts = [kind, user, seen.name, alias, seen.digest[:SHORT], seen.points_at, str(int(expires_at))]
    joined = "|".join(parts)
    return joined if len(joined) <= LONGEST_ID and not any("|" in part for part in parts) else None


def message(text: str, buttons: list[Json] | None = None) -> Json:
    """Return a reply that only who asked can see."""
    return {"type": MESSAGE, "data": {**body(text, buttons), "flags": EPHEMERAL}}


def deferred() -> Json:
    """Return the reply that says that the answer comes later."""
    return {"type": DEFERRED}


def body(text: str, buttons: list[Json] | None = None) -> Json:
    """Return a message that mentions nobody, whatever is in it."""
    rows = [{"type": 1, "components": buttons}] if buttons else []
    return {"content": fitted(text), "allowed_mentions": {"parse": []}, "components": rows}


def fitted(text: str, longest: int = LONGEST_TEXT) -> str:
    r"""Return a text that Discord takes: whole lines, and how many are left out.

    >>> fitted("\n".join(["a line"] * 9), 40)
    'a line\na line\na line\n… and 6 lines more'
    >>> fitted("a long line", 7)
    'a long…'
    """
    if _length(text) <= longest:
        return text
    lines = text.split("\n")
    for n in range(len(lines) - 1, 0, -1):
        shown = "\n".join(
            [*lines[:n], f"… and {len(lines) - n} line{'s' if len(lines) - n > 1 else ''} more"]
        )
        if _length(shown) <= longest:
            return shown
    while _length(text) >= longest:
        text = text[:-1]
    return text + "…"


def _length(text: str) -> int:
    """Return how long Discord may take a text to be: a letter beyond 16 bits counts as two."""
    return len(text.encode("utf-16-le")) // 2
