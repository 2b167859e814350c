"""A host that dies of SIGKILL at an exact moment of the n-th transaction that several clients share."""

import os
import signal
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from sharpen.coordinator import connect
from sharpen.coordinator.core import Coordinator

ANSWER, REPLY = Coordinator.answer, Coordinator._reply


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def main(home, moment, nth):
    at = {"group": 0, "armed": False, "replies": 0}

    def answer(self, requests):
        at["group"] += len(requests) >= 3
        at["armed"] = at["group"] >= nth and len(requests) >= 3
        at["replies"] = 0
        replies = ANSWER(self, requests)
        if at["armed"] and moment == "before the answers":
            die()
        return replies

    def reply(self, request):
        at["replies"] += 1
        if at["armed"] and moment == "amid the batch" and at["replies"] == 2:
            die()
        return REPLY(self, request)

    def commit(connection):
        if at["armed"] and moment == "before the commit":
            die()

    Coordinator.answer, Coordinator._reply = answer, reply
    sa.event.listen(sa.Engine, "commit", commit)
    with connect(home):
        print("up", flush=True)
        time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
