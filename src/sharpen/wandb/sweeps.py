"""``wandb.sweep`` and ``wandb.agent``: a sweep made by a script, and its runs carried out by a function."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sharpen import spec, tracking
from sharpen.agents.assignment import assignment, variable
from sharpen.coordinator import connect, hostname, process_identity
from sharpen.errors import Refused
from sharpen.http import home_of
from sharpen.store.rows import SweepFile
from sharpen.tracking.assignment import VARIABLE
from sharpen.wandb import current
from sharpen.wandb.config import as_mapping
from sharpen.wandb.run import say
from sharpen.wire import Client, open_channel

BEAT_S = 2.0
PAUSE_S = 0.2
MOST_INITIAL_FAILURES = 5


def sweep(sweep: Any, entity: str | None = None, project: str | None = None, **_more: Any) -> str:
    """Make a sweep, and return its id.

    Args:
        sweep: The sweep file as a dictionary, or a function that returns one; without ``program`` its runs
            are a function's, for :func:`agent`.
        entity: Taken, and without effect.
        project: What its runs belong to, when the dictionary does not say.

    Raises:
        SpecError: The dictionary has faults; each is named, with its place.
    """
    tree = as_mapping(sweep() if callable(sweep) else sweep)
    tree.setdefault("project", project or os.environ.get("WANDB_PROJECT") or "uncategorized")
    if "command" not in tree:
        tree.setdefault("program", sys.argv[0] or "function")
    text = yaml.safe_dump(_plain(tree), sort_keys=False)
    spec.parse(text, where="wandb.sweep")
    location = {"source": "wandb.sweep", "workdir": str(Path.cwd())}
    with connect(home_of(os.environ)) as client:
        made = client.call("create_sweep", key=secrets.token_hex(16), text=text, place=location)
    say(f"sweep {made['sweep_id']}; 'sharpen runs {made['sweep_id']}' shows its runs")
    return made["sweep_id"]


def _plain(value: Any) -> Any:
    """Return numbers of numpy and tuples as YAML has them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple | set | range):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return value


def agent(
    sweep_id: str,
    function: Callable[[], object] | None = None,
    entity: str | None = None,
    project: str | None = None,
    count: int | None = None,
    **_more: Any,
) -> None:
    """Carry out runs of a sweep, one after another, until there are none left.

    Args:
        sweep_id: Its id, also with entity and project before it.
        function: What carries out a run: it calls ``wandb.init``. None for the sweep's own program.
        entity: Taken, and without effect.
        project: Taken, and without effect.
        count: How many runs at most.

    Raises:
        NotFound: There is no such sweep.
    """
    word = sweep_id.rpartition("/")[2]
    with connect(home_of(os.environ)) as client:
        row = SweepFile(**client.call("sweep", word=word))
        if function is None:
            from sharpen.agents import LocalAgent  # noqa: PLC0415 - a function needs none

            LocalAgent(client, row, 1, count).work()
        else:
            _FunctionAgent(client, row, function).work(count)


class _FunctionAgent:
    """Leases runs of a sweep and calls a function for each, in this thread."""

    def __init__(self, client: Client, row: SweepFile, function: Callable[[], object]) -> None:
        self._client, self._row, self._function = client, row, function
        self._spec = spec.parse(row.spec, where=row.source)
        self._id = f"{hostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._n_failed = self._n_done = 0

    def work(self, count: int | None) -> None:
        pid = os.getpid()
        process = {"host": hostname(), "pid": pid, "born": process_identity(pid)}
        self._client.call("join", sweep_id=self._row.id, agent_id=self._id, **process)
        while count is None or self._n_done < count:
            if (run := self._lease()) is None:
                return
            self._carry_out(run)
            if self._n_done == self._n_failed >= MOST_INITIAL_FAILURES:
                say(f"the first {self._n_failed} runs failed: the agent leaves")
                return

    def _lease(self) -> Mapping[str, Any] | None:
        """Return the next run; None when there is none any more. It waits where there may be one."""
        pause = threading.Event()
        while True:
            key = secrets.token_hex(8)
            answer = self._client.call("lease", sweep_id=self._row.id, agent_id=self._id, key=key)
            if "over" in answer:
                say(f"agent done: {answer['reason'] or answer['over']}")
                return None
            if "run" in answer:
                return answer["run"]
            pause.wait(PAUSE_S)

    def _carry_out(self, run: Mapping[str, Any]) -> None:
        lease = {"run_id": run["run_id"], "token": run["token"]}
        more = {name: run.get(name) for name in ("seed", "checkpoint", "fidelity")}
        address = self._client.channel.address
        assigned = assignment(self._spec, run["config"], Path(), channel=address, **lease, **more)
        del assigned["dir"]  # the run makes a folder of its own when it is asked for one
        exit_code, last_words = 0, ""
        with self._beating(lease), _environment(variable(assigned)):
            try:
                self._function()
            except tracking.Stopped as stopped:
                last_words = stopped.reason
            except SystemExit as leaving:
                exit_code = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
            except KeyboardInterrupt:
                _finish_all()
                self._client.call("release", **lease)
                raise
            except Exception as problem:
                traceback.print_exc()
                exit_code, last_words = 1, f"{type(problem).__name__}: {problem}"
            _finish_all()
        self._n_done += 1
        self._n_failed += exit_code != 0
        with contextlib.suppress(Refused):  # it was taken away meanwhile
            self._client.call("exit", **lease, exit_code=exit_code, last_words=last_words)

    @contextlib.contextmanager
    def _beating(self, lease: Mapping[str, Any]) -> Generator[None]:
        """Say that the agent lives, from another thread, while the function is at work."""
        done = threading.Event()
        client = Client(open_channel(self._client.channel.address))
        held = [(lease["run_id"], lease["token"])]

        def beat() -> None:
            while not done.wait(BEAT_S):
                with contextlib.suppress(Exception):  # the function hears of it when it logs
                    client.call("beat", sweep_id=self._row.id, agent_id=self._id, held=held)

        thread = threading.Thread(target=beat, name="sharpen-agent", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            client.close()


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Generator[None]:
    before = os.environ.get(VARIABLE)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def _finish_all() -> None:
    for run in list(current.open_runs):
        run.finish()
