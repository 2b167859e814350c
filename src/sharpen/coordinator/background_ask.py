"""Search methods that think for long: each is asked in a thread of its own, so that nobody else waits."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable

from sharpen.sweep import Question
from sharpen.sweep.events import Proposed
from sharpen.threads import one_thread

SWITCH_S = (
    0.0005  # a thread of Python that thinks gives way so often, or each answer waits for 5 ms many times
)


def start(question: Question, take: Callable[[Proposed], None]) -> None:
    """Ask a search method in another thread, which does not keep the process from ending.

    Args:
        question: What to ask.
        take: Is called with the answer, in the event loop that this is called from.
    """
    loop = asyncio.get_running_loop()
    sys.setswitchinterval(SWITCH_S)

    def run() -> None:
        n_modules = len(sys.modules)
        answer = question.ask()
        if len(sys.modules) > n_modules:  # a search method loads what it needs when it is first needed
            one_thread()
        with contextlib.suppress(RuntimeError):  # the loop has been closed: another host will ask again
            loop.call_soon_threadsafe(take, answer)

    threading.Thread(target=run, name="sharpen-search", daemon=True).start()
