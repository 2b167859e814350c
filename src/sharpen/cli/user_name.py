"""Who types: the name that the registry's log keeps."""

from __future__ import annotations

import getpass
import os

from sharpen.cli.terminal import one_line

VARIABLE = "SHARPEN_USER"


def person() -> str:
    """Return the name of whoever types: that of SHARPEN_USER, or the machine's.

    It is what somebody says, not a proof: whoever can write to the store can say another name.

    Raises:
        UsageError: The name is not one line.
    """
    return one_line(VARIABLE, os.environ.get(VARIABLE, "").strip() or getpass.getuser())
