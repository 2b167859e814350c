"""The ``sharpen`` command: one verb a function, grouped in modules by what they are about.

Data goes to stdout, words to stderr. Exit codes: 0 done, 1 it failed, 2 the call or a file is off, 130
interrupted, 141 nobody read the output.
"""

from sharpen.cli.main import main

__all__ = ["main"]
