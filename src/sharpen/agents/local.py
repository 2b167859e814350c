"""An agent on this machine: one thread, a few slots, a program in each."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, cast

from sharpen.agents.gpus import Claim, Gpus
from sharpen.agents.interrupts import handling, wakeup_sockets
from sharpen.agents.launcher import Launcher
from sharpen.agents.orphans import MARK, adopt_orphans, child_pids, end_orphans
from sharpen.agents.output import last_words
from sharpen.agents.program_starter import ProgramStarter
from sharpen.agents.scratch import ScratchFolders
from sharpen.agents.slots import KILL_AFTER_S, LeasedRun, Slot
from sharpen.agents.smaller_runs import SmallerRuns
from sharpen.agents.watcher import Watcher
from sharpen.coordinator import hostname, process_identity
from sharpen.errors import Refused, SharpenError, StoreError, UsageError
from sharpen.store.rows import SweepFile, SweepRow
from sharpen.wire import Client, scratch_folder

DRAIN = signal.SIGUSR1  # what `sharpen agent SWEEP --drain` sends
BEAT_S = 2.0
ASK_AGAIN_S = 0.2
BUSY_PAUSE_S = 0.05
IDLE_PAUSE_S = 1.0
FLUSH_S = 0.2
CANNOT_START_EXIT_CODE = 127
KEPT_SESSIONS = 1000


class LocalAgent:
    """Leases runs of one sweep and carries them out until there are none left.

    Args:
        client: A connection to the store's coordinator.
        sweep: The sweep as stored.
        n_slots: How many programs run at once.
        n_runs: How many runs to take in all; None for no limit.
        warm: Whether to fork programs off a server that has done their imports, where that is possible; the
            environment variable SHARPEN_COLD turns that off.
        population: How many runs a program is given at once; None for programs that carry out one.
        idle_timeout_s: Leave after that long without a run; None for never.
        permutation_seed: Of the history that programs are to permute their bars into; None for a search on
            the bars as they are.
        say: Is told what people should know; standard error by default.
        news: Is told the id of a run that begins, and once more when its end has been written down.

    Attributes:
        id: Its own.
        interrupted_by: The signal that told it to give its runs back; 0 for none.
    """

    def __init__(  # noqa: PLR0913 - each is a word of the command line
        self,
        client: Client,
        sweep: SweepFile | SweepRow,
        n_slots: int = 1,
        n_runs: int | None = None,
        *,
        warm: bool = True,
        population: int | None = None,
        idle_timeout_s: float | None = None,
        permutation_seed: int | None = None,
        say: Callable[[str], None] | None = None,
        news: Callable[[str], None] | None = None,
    ) -> None:
        self.id = f"{hostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._client = client
        self._row = sweep
        self._n_slots = n_slots
        self._n_left = n_runs
        self._slots: list[Slot] = []
        self._over: str | None = None
        self._ask_at = 0.0
        self._beat_at = 0.0
        self.interrupted_by = 0
        self._is_draining = False
        self._selector = selectors.DefaultSelector()
        home = scratch_folder(client.channel.address)
        self._folders = ScratchFolders(home, self.id)
        self._tell = say or _say
        self._launcher = Launcher(warm, self._tell)
        stage = {"stage": "search" if permutation_seed is None else "permuted"}
        self._starter = ProgramStarter(
            row=sweep,
            launcher=self._launcher,
            folders=self._folders,
            channel=client.channel.address,
            home=home,
            stage=stage | {"permutation_seed": permutation_seed},
            environment={MARK: self.id},
            is_population=population is not None,
        )
        self._population = population or 1
        self._smaller = SmallerRuns(self._starter.spec)
        self._n_new: int | None = None  # runs that the sweep has room for; None for no limit
        self._gpus = Gpus(home, self._starter.spec.resources.gpu)
        self._news = news or _nobody
        self._idle_timeout_s = idle_timeout_s
        self._idle_since = time.monotonic()
        self._ended: list[tuple[str, dict[str, Any]]] = []
        self._ended_sessions: deque[int] = deque(maxlen=KEPT_SESSIONS)

    def work(self) -> str:
        """Carry out runs; return why there are no more, or ``interrupted``.

        SIGINT and SIGTERM make it end its programs and give their runs back. SIGUSR1 lets it take no
        more runs, and leave when those that it has are over.

        Raises:
            Unreachable: No coordinator could be reached or started for a long time.
        """
        with self._signals():
            try:
                self._join()
                return self._work()
            finally:
                self._give_back()

    def _join(self) -> None:
        adopt_orphans(True)
        self._starter.prepare()
        pid = os.getpid()
        process = {"host": hostname(), "pid": pid, "born": process_identity(pid)}
        answer = self._client.call("join", sweep_id=self._row.id, agent_id=self.id, **process)
        self._n_new = answer.get("n_left")
        if answer.get("bundle", "") not in (folder := self._row.workdir):
            self._tell(f"sweep {self._row.id} was made with --ship; without it its programs run in {folder}")
        self._idle_since = time.monotonic()

    def _work(self) -> str:
        while not self.interrupted_by:
            self._fill()
            if self._slots:
                self._idle_since = time.monotonic()
            elif self._is_draining:
                return "took no more runs, as it was asked to"
            elif self._over is not None or self._n_left == 0:
                return self._over or "took as many runs as it was asked to"
            elif self._is_idle_for_too_long():
                return f"no work for {self._idle_timeout_s:g} s"
            self._attend()
        return "interrupted"

    def _is_idle_for_too_long(self) -> bool:
        limit_s = self._idle_timeout_s
        return limit_s is not None and time.monotonic() - self._idle_since > limit_s

    @contextlib.contextmanager
    def _signals(self) -> Generator[None]:
        """Take note of interrupts, and be woken up by them and by the end of a child."""
        handlers = {signal.SIGINT: self._interrupt, signal.SIGTERM: self._interrupt, signal.SIGCHLD: _nothing}
        handlers[DRAIN] = self._drain
        with handling(handlers), wakeup_sockets() as (wakeup_end, signal_end):
            self._selector.register(wakeup_end, selectors.EVENT_READ)
            self._watcher = Watcher(self._client.channel.address, self._row.id, signal_end)
            with contextlib.closing(self._watcher):
                yield

    def _interrupt(self, number: int, frame: Any) -> None:
        self.interrupted_by = number

    def _drain(self, number: int, frame: Any) -> None:
        self._is_draining = True

    def _fill(self) -> None:
        """Lease runs for the free slots; what has ended is said in the same breath."""
        while (gpus := self._gpus_for_another()) is not None:
            answers = self._say_ended(*(("lease", self._question()) for _ in range(self._n_wanted())))
            if runs := [answer["run"] for answer in answers if "run" in answer]:
                self._start(runs, gpus)
                continue
            gpus.release()
            if "over" in answers[-1]:  # until somebody lets it go on while our other slots are at work
                self._over = answers[-1]["reason"] or answers[-1]["over"]
                if not self._slots:
                    break
            self._watcher.wait_for_a_change(self._client)
        self._say_ended()

    def _question(self) -> dict[str, Any]:
        return {"sweep_id": self._row.id, "agent_id": self.id, "key": secrets.token_hex(8)}

    def _n_wanted(self) -> int:
        """Return how many runs the next program is given: of the last ones each slot gets its share."""
        most = self._population if self._n_left is None else min(self._population, self._n_left)
        return min(most, math.ceil(self._n_new / self._n_slots)) if self._n_new else most

    def _gpus_for_another(self) -> Claim | None:
        """Return what another run would have of the GPUs; None when this is not the time for one."""
        now = time.monotonic()
        is_full = len(self._slots) >= self._n_slots or self._n_left == 0 or self._is_draining
        if is_full or now < self._ask_at or self._watcher.is_waiting:
            return None
        gpus = self._gpus.take()
        if gpus is None:
            self._ask_at = now + ASK_AGAIN_S
        return gpus

    def _say_ended(self, *then: tuple[str, dict[str, Any]]) -> list[Any]:
        """Hand over the ends of runs, and return the answers to what is asked then."""
        requests = [*self._ended, *then]
        answers = self._client.call_all(requests) if requests else []
        self._ended.clear()
        for op, arguments in requests:
            if op == "exit":
                self._news(arguments["run_id"])
        asked = answers[len(answers) - len(then) :]
        for answer in answers:  # somebody else may have a run that has ended
            if isinstance(answer, SharpenError) and (answer in asked or not isinstance(answer, Refused)):
                raise answer
        return asked

    def _start(self, leased: list[dict[str, Any]], gpus: Claim) -> None:
        self._over = None
        if self._n_left is not None:
            self._n_left -= len(leased)
        runs = [LeasedRun(run["run_id"], run["token"]) for run in leased]
        self._n_new = leased[-1].get("n_left")
        leased = [self._smaller.leased(run) for run in leased]
        try:
            program = self._starter.start(leased, gpus.environment, is_early=not gpus.devices)
        except StoreError:  # the runs have no part in that
            gpus.release()
            for run in runs:
                self._folders.clear(run.run_id, run.token)
                with contextlib.suppress(Refused):
                    self._client.call("release", **run.lease)
            raise
        except (OSError, ValueError, UsageError) as problem:
            gpus.release()
            self._cannot_start(runs, f"cannot start {self._starter.spec.command[0]}: {problem}")
            return
        slot = Slot(runs, program, gpus, time.monotonic())
        self._slots.append(slot)
        self._selector.register(program.pipe, selectors.EVENT_READ, slot)
        for run in runs:
            self._news(run.run_id)
            if summary := self._smaller.said_of(run.run_id):
                with contextlib.suppress(Refused):
                    self._client.call("summarize", **run.lease, values=summary)

    def _cannot_start(self, runs: list[LeasedRun], why: str) -> None:
        reason = last_words(why.splitlines())
        for run in runs:
            self._folders.clear(run.run_id, run.token)
            with contextlib.suppress(Refused):  # asked twice, when the first answer got lost
                self._client.call("console", **run.lease, first_line=0, text=f"{why}\n")
                self._client.call("exit", **run.lease, exit_code=CANNOT_START_EXIT_CODE, last_words=reason)
            for _ in range(2):  # it began, and it has ended
                self._news(run.run_id)

    def _pause_s(self) -> float:
        """Return for how long nothing needs to be seen to, unless something wakes us up."""
        is_idle = not self._slots and self._watcher.is_waiting and self._idle_timeout_s is None
        return IDLE_PAUSE_S if is_idle else BUSY_PAUSE_S

    def _attend(self) -> None:
        """Wait a moment for output, then see to every slot, and tell the coordinator that we live."""
        for key, _ in self._selector.select(self._pause_s()):
            if key.data is None:
                cast("socket.socket", key.fileobj).recv(4096)
            elif not key.data.program.read():
                self._selector.unregister(key.data.program.pipe)
        if self._launcher.attend():
            self._end_orphans()
        now = time.monotonic()
        if now >= self._beat_at and self._slots:
            self._beat_at = now + BEAT_S
            self._beat()
        for slot in list(self._slots):
            self._see_to(slot, now)

    def _beat(self) -> None:
        held = [(run.run_id, run.token) for slot in self._slots for run in slot.leased]
        answer = self._client.call("beat", sweep_id=self._row.id, agent_id=self.id, held=held)
        for slot in self._slots:
            slot.take_answer(answer)

    def _see_to(self, slot: Slot, now: float) -> None:
        exit_code = slot.program.exit_code
        if exit_code is not None:
            self._forget(slot)
            self._settle(slot, exit_code)
        elif not slot.send_due_signal(now) and now > slot.flushed_at + FLUSH_S:
            slot.flushed_at = now
            self._flush(slot)

    def _forget(self, slot: Slot) -> None:
        if slot.program.pipe in self._selector.get_map():
            self._selector.unregister(slot.program.pipe)
        slot.program.close()
        slot.gpus.release()
        self._slots.remove(slot)
        if slot.program.session is not None:
            self._ended_sessions.append(slot.program.session)
        self._end_orphans()
        for run in slot.runs:
            self._folders.clear(run.run_id, run.token)

    def _end_orphans(self) -> None:
        """End what programs have left behind outside of their process groups."""
        children = child_pids()
        self._launcher.attend()  # of those that the server has made it has said so by now
        expected = self._launcher.pids.union(slot.program.session or 0 for slot in self._slots)
        at_work = [run.run_id for slot in self._slots for run in slot.runs]
        end_orphans(children, self.id, self._ended_sessions, at_work, expected)

    def _settle(self, slot: Slot, exit_code: int) -> None:
        """Have the ends of a program's runs ready to be handed over.

        When a program with several runs fails, one of them or their number is to blame: they are tried again
        in programs of half as many, and one that fails alone has failed.
        """
        n = len(slot.leased)
        if exit_code == 0 or n <= 1 or any(run.is_stopping for run in slot.leased):
            if n != 1 or exit_code == 0 or not self._is_tried_again(slot, exit_code):
                self._ended += slot.ends(exit_code)
            return
        self._population = max(1, min(self._population, n // 2))
        how = slot.program.output.last_words() or f"exit code {exit_code}"
        self._tell(
            f"a program with {n} runs failed ({how}): they are tried again, {self._population} at a time"
        )
        self._release(slot)

    def _is_tried_again(self, slot: Slot, exit_code: int) -> bool:
        """Give a run that ran out of memory back, to take it again with less, if the sweep wants that."""
        (run,), last_words = slot.leased, slot.program.output.last_words()
        sentence = "" if run.is_stopping else self._smaller.try_again(run.run_id, exit_code, last_words)
        if advice := sentence or self._smaller.advice(run.run_id, exit_code, last_words):
            self._tell(advice)
        if sentence:
            self._n_left = None if self._n_left is None else self._n_left + 1
            self._release(slot)
        return bool(sentence)

    def _flush(self, slot: Slot) -> None:
        for op, arguments in slot.take_output():
            try:
                self._client.call(op, **arguments)
            except Refused:
                slot.leased[0].is_lost = True

    def _give_back(self) -> None:
        """End every program, gently at first, and put its run back into the queue."""
        slots = list(self._slots)
        done = {slot.program: code for slot in slots if (code := slot.program.exit_code) is not None}
        for slot in slots:
            slot.program.terminate(signal.SIGTERM)
        deadline = time.monotonic() + KILL_AFTER_S
        while any(slot.program.exit_code is None for slot in slots) and time.monotonic() < deadline:
            for slot in slots:
                slot.program.read()  # what it prints at its end must not hold it up
            self._launcher.attend()
            time.sleep(0.02)
        for slot in slots:  # all of them, before a coordinator that is gone can keep us waiting
            self._forget(slot)
        self._launcher.end()
        self._end_orphans()
        self._folders.close()
        adopt_orphans(False)
        self._selector.close()
        for slot in slots:
            if slot.program in done:
                self._settle(slot, done[slot.program])
            else:
                self._release(slot)
        self._say_ended()

    def _release(self, slot: Slot) -> None:
        self._flush(slot)
        for run in slot.leased:
            with contextlib.suppress(Refused):
                self._client.call("release", **run.lease)


def _nothing(number: int, frame: Any) -> None:
    """Let a signal do no more than wake the agent up."""


def _nobody(run_id: str) -> None:
    """Let nobody hear of a run."""


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # a log on a full disk: the work matters more
        print(sentence, file=sys.stderr, flush=True)
