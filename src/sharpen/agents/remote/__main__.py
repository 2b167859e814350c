"""The process that keeps agents elsewhere: ``python -m sharpen.agents.remote``, a request on its stdin.

Its one word is the name of the placement, whose library is loaded until the request comes.
"""

from __future__ import annotations

import sys

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.interrupts import interrupts
from sharpen.agents.remote.placements import get_ready, open_placement
from sharpen.agents.remote.request import Request
from sharpen.agents.remote.supervisor import GaveUp, NoneCanBegin, Supervisor
from sharpen.agents.remote.watchdog import GAVE_UP, NOT_THERE
from sharpen.errors import SharpenError

INTERRUPTED = 130
CODES = {NoneCanBegin: REFUSED, GaveUp: GAVE_UP}


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> int:
    """Keep the agents of the request; return the exit code."""
    get_ready(sys.argv[1])
    text = sys.stdin.read()
    if not text:  # there is no store to work on after all
        return 0
    request = Request.loads(text)
    try:
        placement = open_placement(request)  # a cluster's library may have handlers of its own
    except SharpenError as problem:
        _say(f"sharpen: {problem.message}")
        return NOT_THERE
    try:
        with interrupts() as signals:
            Supervisor(placement, request.n_agents, _say).work(signals)
            return INTERRUPTED if signals else 0
    except SharpenError as problem:
        _say(f"sharpen: {problem.message}")
        return next((code for kind, code in CODES.items() if isinstance(problem, kind)), 1)


if __name__ == "__main__":
    sys.exit(main())
