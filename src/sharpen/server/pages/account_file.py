"""The page of a paper account as a file that needs no server and no network."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from sharpen.errors import UsageError
from sharpen.report.html import is_replaceable, write_page
from sharpen.server.pages.models_and_paper import account_page
from sharpen.server.pages.render import rendered, static


def write_account(home: Path, account: str, path: Path) -> None:
    """Write what the server shows of an account.

    Raises:
        NotFound: There is no such account.
        UsageError: The file is not an earlier report, or cannot be written.
    """
    if not is_replaceable(path):
        raise UsageError(f"{path} is there and was not written by sharpen: name another file")
    css = Markup(static("pages.css")[0].decode())  # noqa: S704 - a file of ours
    write_page(rendered("account.html", layout="file.html", css=css, a=account_page(home, account)), path)
