"""What things may be called: text of one line, which every reader of the store can show."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from typing import Any, NoReturn, cast

from sharpen.errors import UsageError
from sharpen.hints import describe, printable

LARGEST_STEP = 2**63 - 1
LONGEST_NAME = 1000  # letters
MOST_NAMES_A_ROW = 10_000
MOST_NAMES_A_RUN = 100_000
SHOWN = 60
NOT_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")


def check_name(call: str, noun: str, name: Any) -> None:
    r"""Refuse a name that is no text of one line.

    Args:
        call: Which call, for the message.
        noun: What the name is of.
        name: The name.

    Raises:
        UsageError: It is no text, empty, longer than 1,000 letters, or holds control characters.

    >>> check_name("log", "a metric", "loss\n")
    Traceback (most recent call last):
    sharpen.errors.UsageError: log: 'loss\n' is no name of a metric: a name is text of one line, without ...
    """
    if fault := _fault(name):
        _refuse(call, noun, name, fault)


def check_path_name(call: str, noun: str, name: Any) -> None:
    """Refuse a name that, taken for a path, leads out of the folder it belongs in.

    Raises:
        UsageError: It begins with ``/``, has ``..`` as a part, or is none for :func:`check_name`.

    >>> check_path_name("init", "a project", "desk/momentum")
    >>> check_path_name("init", "a project", "a/../b")
    Traceback (most recent call last):
    sharpen.errors.UsageError: init: 'a/../b' is no name of a project: it leads out of its folder: ...
    """
    if fault := fault_of_path(name):
        _refuse(call, noun, name, fault)


def check_label(call: str, noun: str, text: Any) -> None:
    """Refuse a label that is none for :func:`check_name`; an empty one is no label.

    Raises:
        UsageError: The label is refused.
    """
    if text != "":
        check_name(call, noun, text)


def check_tags(call: str, tags: Any) -> None:
    """Refuse what is no list of tags.

    Raises:
        UsageError: It is one text, or a tag in it is none for :func:`check_name`.

    >>> check_tags("init", "fast")
    Traceback (most recent call last):
    sharpen.errors.UsageError: init: tags are a list of texts, not the text 'fast'
    """
    if not isinstance(tags, list | tuple | set | frozenset):
        raise UsageError(f"{call}: tags are a list of texts, not {printable(describe(tags))}")
    for tag in cast("Iterable[Any]", tags):
        check_name(call, "a tag", tag)
        if not tag.strip():
            raise UsageError(f"{call}: {tag!r:.{SHOWN}} is no name of a tag: it is blank")


def check_n_names(call: str, names: Collection[Any]) -> None:
    """Refuse a row of more names than any reader can show.

    Raises:
        UsageError: There are more than 10,000.
    """
    if len(names) > MOST_NAMES_A_ROW:
        raise UsageError(
            f"{call}: {len(names):,} names in one row, and the limit is {MOST_NAMES_A_ROW:,}: keep long "
            "lists as a file, with log_artifact"
        )


def fitted(name: str) -> str:
    r"""Return a name as :func:`check_name` takes it: control characters written out, and not too long.

    >>> print(fitted("loss\n"), len(fitted("n" * 2000)))
    loss\x0a 1000
    """
    if not _fault(name):
        return name
    shown = "".join(_written_out(letter) for letter in name[:LONGEST_NAME])
    return shown[:LONGEST_NAME] or "unnamed"


def check_text(where: str, value: Any) -> None:
    """Refuse a text that is no Unicode, as of a file's name that was read from a disk.

    Raises:
        UsageError: It holds half of a character.
    """
    if isinstance(value, str) and not _is_unicode(value):
        raise UsageError(
            f"{where}: {printable(value[:SHOWN])!r} holds bytes that are no text: "
            "write them out, with value.encode(errors='backslashreplace').decode()"
        )


def _written_out(letter: str) -> str:
    if unicodedata.category(letter) not in NOT_IN_A_LINE:
        return letter
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"


def _refuse(call: str, noun: str, name: Any, fault: str) -> NoReturn:
    shown = repr(name[: SHOWN + 1]) if isinstance(name, str) else describe(name)
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    raise UsageError(f"{call}: {printable(shown)} is no name of {noun}: {fault}")


def _fault(name: Any) -> str:
    if not isinstance(name, str):
        return "a name is text"
    if not name:
        return "it is empty"
    if len(name) > LONGEST_NAME:
        return f"it has {len(name):,} letters, and the limit is {LONGEST_NAME:,}"
    if not name.isprintable() and any(unicodedata.category(letter) in NOT_IN_A_LINE for letter in name):
        return "a name is text of one line, without control characters"
    return ""


def fault_of_path(name: Any) -> str:
    """Return why a name is none for :func:`check_path_name`; empty for a good one."""
    if fault := _fault(name):
        return fault
    if ".." in name.replace("\\", "/").split("/"):
        return "it leads out of its folder: take '..' out"
    if name.startswith("/"):
        return "it is an absolute path: take the '/' at its beginning out"
    return "" if name.strip() else "it is blank"


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
