"""Who is told: the webhooks in ``notifications.yaml``, and how each wants its message."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from sharpen.errors import UsageError
from sharpen.regular_file import read_text
from sharpen.server.notifications.events import KINDS, Happening
from sharpen.spec import document

FILE = "notifications.yaml"
FORMATS = ("discord", "slack", "json")
LONGEST = 1990  # letters that Discord takes


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told.

    Attributes:
        url: The address; a secret, for whoever has it can write there.
        format: ``discord``, ``slack`` or ``json``.
        events: Kinds of events that it is told of.
    """

    url: str
    format: str
    events: tuple[str, ...] = KINDS

    def body(self, happening: Happening) -> dict[str, Any]:
        """Return a message that mentions nobody, whatever is in it.

        >>> Webhook("https://hooks.slack.com/x", "slack").body(Happening("sweep", "it <ended>", {}))
        {'text': 'it &lt;ended&gt;'}
        """
        if self.format == "slack":
            text = happening.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            return {"text": text}
        if self.format == "discord":
            return {"content": happening.text[:LONGEST], "allowed_mentions": {"parse": []}}
        return {"event": happening.kind, "text": happening.text, "facts": dict(happening.facts)}

    @property
    def shown(self) -> str:
        """The address without its secret part.

        >>> Webhook("https://discord.com/api/webhooks/1/secret", "discord").shown
        'discord.com'
        """
        return urlsplit(self.url).netloc.rpartition("@")[2]


def read_webhooks(home: Path) -> list[Webhook]:
    """Return the webhooks of a store.

    Raises:
        UsageError: There is no such file, or something in it is wrong.
    """
    path = home / FILE
    try:
        tree = document.read(read_text(path), str(path)).value
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"cannot read {path}: {problem}") from problem
    return parse_webhooks(tree, str(path))


def parse_webhooks(tree: Any, where: str = FILE) -> list[Webhook]:
    """Return the webhooks in a mapping.

    Raises:
        UsageError: Something is missing or wrong; every such place is named.

    >>> parse_webhooks({"webhooks": [{"url": "https://discord.com/api/webhooks/1/x"}]})[0].format
    'discord'
    """
    document = cast("dict[str, Any]", tree) if isinstance(tree, dict) else {}
    rows: Any = document.get("webhooks")
    problems = [f"$.{name}: no such key; there is: webhooks" for name in document if name != "webhooks"]
    if not isinstance(rows, list) or not rows:
        problems.append("$.webhooks must be a list of {url: https://…}")
        rows = []
    webhooks: list[Webhook] = []
    for i, row in enumerate(cast("list[Any]", rows)):
        problems += _problems(row, f"$.webhooks[{i}]")
        if not problems:
            url = str(row["url"])
            webhooks.append(
                Webhook(url, row.get("format") or _format(url), tuple(row.get("events") or KINDS))
            )
    if problems:
        raise UsageError("\n".join([f"{where}:", *problems]), problems=problems)
    return webhooks


def _problems(row: Any, path: str) -> list[str]:
    if not isinstance(row, dict):
        return [f"{path} must be a mapping with a url"]
    entry = cast("dict[str, Any]", row)
    problems = [
        f"{path}.{name}: no such key; there are: url, format, events"
        for name in entry
        if name not in ("url", "format", "events")
    ]
    url = str(entry.get("url") or "")
    if not url.startswith(("https://", "http://")) or not urlsplit(url).hostname:
        problems.append(f"{path}.url must be an address such as https://discord.com/api/webhooks/…")
    if entry.get("format") not in (None, *FORMATS):
        problems.append(f"{path}.format must be one of {', '.join(FORMATS)}, not {entry['format']!r}")
    events = entry.get("events")
    if events is not None and (not isinstance(events, list) or not set(map(str, events)) <= set(KINDS)):  # pyright: ignore[reportUnknownArgumentType]
        problems.append(f"{path}.events must be a list of {', '.join(KINDS)}")
    return problems


def _format(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if host == "hooks.slack.com":
        return "slack"
    return "discord" if host in ("discord.com", "discordapp.com") else "json"
