"""An agent at the far end of a pipe: ``python -m sharpen.agents.remote.attached``.

The first line of its standard input says what to run. When that input ends, as it does when the connection
or whoever started it is gone, the agent gives its runs back and ends. Its standard output says in lines of
its own that the agent begins and how it has ended, for the host's shell may print there, too.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace

from sharpen.agents.remote.process import Ending, carry_out

BEGINS = "sharpen: an agent begins"
ENDED = "sharpen: the agent ended "


def main() -> int:
    """Run the agent; say how it ended. Return its exit code."""
    job = json.loads(sys.stdin.readline())
    print(BEGINS, flush=True)
    is_over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        is_over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    ending = carry_out(job["words"], job["environment"], is_over.is_set)
    code = ending.code if ending.code >= 0 else 128 - ending.code
    print(f"\n{ENDED}{json.dumps(asdict(replace(ending, code=code)))}", flush=True)
    return code


def ending_in(lines: Sequence[str]) -> Ending | None:
    """Return how the agent ended, from what was printed; None where it did not get so far.

    >>> ending_in(["Welcome!", ENDED + '{"code": 2, "words": "no such sweep", "lived_s": 1.5}', "Bye!"])
    Ending(code=2, words='no such sweep', lived_s=1.5)
    >>> ending_in(["Welcome!", BEGINS])
    """
    endings = [line.removeprefix(ENDED) for line in lines if line.startswith(ENDED)]
    return Ending(**json.loads(endings[-1])) if endings else None


if __name__ == "__main__":
    sys.exit(main())
