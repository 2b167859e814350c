"""Words on the terminal: whatever a program or a file put into them, they cannot steer it.

Every verb prints text through :func:`echo` and tables through the consoles of ``printing``; both write
control characters out. Only ``sharpen logs`` prints what a program printed as it is.
"""

from __future__ import annotations

from typing import Any

import click

from sharpen.errors import UsageError
from sharpen.hints import printable


def echo(text: str = "", *, err: bool = False, nl: bool = True, fg: str | None = None) -> None:
    r"""Print a text with its control characters written out.

    Args:
        text: What to print.
        err: To standard error in place of standard output.
        nl: Whether the line ends here.
        fg: Its colour, on a terminal.

    >>> echo("\x1b[2Jgone")
    \x1b[2Jgone
    """
    style: dict[str, Any] = {} if fg is None else {"fg": fg}
    click.secho(printable(text), err=err, nl=nl, **style)


def one_line(what: str, text: str) -> str:
    r"""Return a text that is one line without control characters, as a name has to be.

    Raises:
        UsageError: It is not.

    >>> one_line("--name", "two\nlines")
    Traceback (most recent call last):
    sharpen.errors.UsageError: --name must be one line without control characters: take them out
    """
    if "\n" in text or "\t" in text or printable(text) != text:
        raise UsageError(f"{what} must be one line without control characters: take them out")
    return text
