"""``typist.py``: for each line of words in JSON, a process of its own types them as a command.

What came of it is printed, a line of JSON: exit code, stdout, stderr. All imports come first, so that a
command begins at once.
"""

import json
import os
import sys

from click.testing import CliRunner

import sharpen.promotion.promote  # noqa: F401 - see above
from sharpen.cli import main
from sharpen.cli.main import VERBS  # noqa: F401 - see above


def type_it(words):
    done = CliRunner().invoke(main, words, prog_name="sharpen")
    print(json.dumps([done.exit_code, done.stdout, done.stderr]), flush=True)


def serve(lines):
    print("ready", flush=True)
    for line in lines:
        child = os.fork()
        if child == 0:
            try:
                type_it(json.loads(line))
            finally:
                os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    serve(sys.stdin)
