"""An agent that dies of SIGKILL at an exact moment: before a request, or before its answer."""

import os
import signal
import sys
from pathlib import Path

from sharpen.agents import LocalAgent
from sharpen.coordinator import connect
from sharpen.store.queries import Reader


def main(home, sweep_id, when, fatal):
    with connect(home) as client:
        ask = client._ask

        def doomed(words):
            is_fatal = any(request["op"] == fatal for request in words)
            if is_fatal and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answers = ask(words)
            if is_fatal and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return answers

        client._ask = doomed
        LocalAgent(client, Reader(home).sweep(sweep_id)).work()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
