"""Words on the terminal: whatever a program or a file put into them, they cannot steer it.

Every verb prints text through :func:`echo` and tables through the consoles of ``printing``; both write
control characters out. Only ``sharpen logs`` prints what a program printed as it is.
"""

from __future__ import annotations

from typing import Any

import click

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
