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
        call = client.call

        def doomed(op, **args):
            if (when, op) == ("before", fatal):
                os.kill(os.getpid(), signal.SIGKILL)
            answer = call(op, **args)
            if (when, op) == ("after", fatal):
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        client.call = doomed
        LocalAgent(client, Reader(home).sweep(sweep_id)).work()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
