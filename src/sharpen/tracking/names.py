"""What a program may call things: text of one line, which every reader of the store can show."""

from __future__ import annotations

import unicodedata
from typing import Any

from sharpen.errors import UsageError
from sharpen.hints import printable

LARGEST_STEP = 2**63 - 1
LONGEST_NAME = 1000  # letters
SHOWN = 60


def check_name(call: str, what: str, name: Any) -> None:
    r"""Refuse a name that is no text of one line.

    Args:
        call: Which call, for the message.
        what: What the name is of.
        name: The name.

    Raises:
        UsageError: It is no text, empty, longer than 1,000 letters, or holds control characters.

    >>> check_name("log", "a metric", "loss\n")
    Traceback (most recent call last):
    sharpen.errors.UsageError: log: 'loss\n' is no name of a metric: a name is text of one line, without ...
    """
    fault = _fault(name)
    if fault:
        shown = repr(name) if len(repr(name)) <= SHOWN else f"{repr(name)[:SHOWN]}…"
        raise UsageError(f"{call}: {printable(shown)} is no name of {what}: {fault}")


def check_text(place: str, value: Any) -> None:
    """Refuse a text that is no Unicode, as of a file's name that was read from a disk.

    Raises:
        UsageError: It holds half of a character.
    """
    if isinstance(value, str) and not _is_unicode(value):
        raise UsageError(
            f"{place}: {printable(value[:SHOWN])!r} holds bytes that are no text: "
            "write them out, with value.encode(errors='backslashreplace').decode()"
        )


def _fault(name: Any) -> str:
    if not isinstance(name, str):
        return "a name is text"
    if not name:
        return "it is empty"
    if len(name) > LONGEST_NAME:
        return f"it has {len(name):,} letters, and the limit is {LONGEST_NAME:,}"
    if not name.isprintable() and any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return "a name is text of one line, without control characters"
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
