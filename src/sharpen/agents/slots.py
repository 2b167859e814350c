"""What an agent has at work: a program in each slot, and the runs that it carries out."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sharpen.agents.gpus import Claim
from sharpen.agents.program import Program

TERM_AFTER_S = 10.0
KILL_AFTER_S = 5.0


@dataclass
class LeasedRun:
    """A run under a lease, and what has become of it.

    Attributes:
        run_id: Which one.
        token: Of the lease.
        is_stopping: Whether its program has been told to end it.
        is_cancelled: Whether that is for a person's sake, at once.
        is_lost: Whether it has ended elsewhere: nothing more is said of it.
    """

    run_id: str
    token: int
    is_stopping: bool = False
    is_cancelled: bool = False
    is_lost: bool = False

    @property
    def lease(self) -> dict[str, Any]:
        """What names the lease in a request."""
        return {"run_id": self.run_id, "token": self.token}


@dataclass
class Slot:
    """A program at work, with the one run that it carries out, or a population of them.

    Attributes:
        runs: Its runs.
        program: The program.
        gpus: What it has of the GPUs.
        flushed_at: When its output was last handed over.
        signals_due: When which signals are due, after it was told to end and goes on.
    """

    runs: Sequence[LeasedRun]
    program: Program
    gpus: Claim
    flushed_at: float
    signals_due: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    @property
    def leased(self) -> list[LeasedRun]:
        """The runs of which something may still be said."""
        return [run for run in self.runs if not run.is_lost]

    def take_answer(self, answer: Mapping[str, Any]) -> None:
        """Take in what a beat was answered, and end the program when none of its runs is to go on.

        A program with several runs is told at the next figure of each that it logs; signals are for all.
        """
        before = [run for run in self.leased if not run.is_cancelled]
        for run in self.leased:
            run.is_lost = [run.run_id, run.token] in answer["lost"]
            run.is_cancelled = run.is_cancelled or run.run_id in answer["cancel"]
            run.is_stopping = run.is_stopping or run.is_cancelled or run.run_id in answer["stop"]
        now, leased = time.monotonic(), self.leased
        if not leased:
            self._end_lost(now)
        elif before and all(run.is_cancelled for run in leased):
            self.program.terminate(signal.SIGTERM)
            self.signals_due = [(now + KILL_AFTER_S, signal.SIGKILL)]
        elif all(run.is_stopping for run in leased) and not self.signals_due:
            # the answer to its report said so too: the signals are for a program that does not listen
            term_at = now + TERM_AFTER_S
            self.signals_due = [(term_at, signal.SIGTERM), (term_at + KILL_AFTER_S, signal.SIGKILL)]

    def _end_lost(self, now: float) -> None:
        if len(self.runs) == 1:
            self.program.terminate(signal.SIGKILL)
        elif not self.signals_due:  # it may have finished them all itself, and be about to leave
            self.signals_due = [(now + KILL_AFTER_S, signal.SIGKILL)]

    def send_due_signal(self, now: float) -> bool:
        """Send the signal that is due; return whether one was."""
        if not self.signals_due or now <= self.signals_due[0][0]:
            return False
        self.program.terminate(self.signals_due.pop(0)[1])
        return True

    def take_output(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the requests that hand over new output: it is kept with the first run."""
        leased = self.leased
        if not leased:
            return []
        first_line, text = self.program.output.take()
        return [("console", leased[0].lease | {"first_line": first_line, "text": text})] if text else []

    def ends(self, exit_code: int) -> list[tuple[str, dict[str, Any]]]:
        """Return the requests that say how the runs of a program that has left have ended."""
        requests = self.take_output()
        reason = self.program.output.last_words()
        for run in self.leased:
            if run is not self.runs[0]:
                text = f"What this process printed is with {self.runs[0].run_id}: it carried out both.\n"
                requests.append(("console", run.lease | {"first_line": 0, "text": text}))
            requests.append(("exit", run.lease | {"exit_code": exit_code, "last_words": reason}))
        return requests
