"""An agent at the far end of a pipe: ``python -m sharpen.agents.remote.attached``.

The first line of its standard input says what to run. When that input ends, as it does when the connection
or whoever started it is gone, the agent gives its runs back and ends.
"""

from __future__ import annotations

import json
import sys
import threading

from sharpen.agents.remote.process import carry_out


def main() -> int:
    """Run the agent; its last words go to standard output. Return its exit code."""
    given = json.loads(sys.stdin.readline())
    is_over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        is_over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    ending = carry_out(given["words"], given["environment"], is_over.is_set)
    print(ending.words, flush=True)
    return ending.code if ending.code >= 0 else 128 - ending.code


if __name__ == "__main__":
    sys.exit(main())
