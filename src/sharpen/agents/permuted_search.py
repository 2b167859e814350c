"""Running a whole search on permuted histories: the same method, cap, stop rule and seed on each.

Every history has a store of its own inside the sweep's, which goes when its winner is known. So its runs
are nobody's trials, and no listing shows them.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from sharpen import spec
from sharpen.agents.agent_process import AgentProcess
from sharpen.agents.stages import StageRun, refuse_other_bars
from sharpen.coordinator import connect
from sharpen.errors import SharpenError
from sharpen.store.configurations import configurations, winner
from sharpen.store.permissions import own_folder
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.trial import FAILURES
from sharpen.views.permuted_search import PermutedWinner, folder_of, keep

POLL_S = 0.1


def search_permuted(
    home: Path, sweep: SweepRow, best: RunRow, todo: Sequence[PermutedWinner], n_slots: int
) -> Generator[PermutedWinner | None]:
    """Give None while a search goes on, and the winner of each history once it is kept.

    Whoever stops in between, or is killed, loses nothing: the next call goes on with the runs that are
    missing.

    Args:
        home: The store's folder.
        sweep: Whose search; it has ended.
        best: Its winner: the bars must still be those.
        todo: The histories that have no winner yet; scores are not looked at.
        n_slots: Runs at a time.

    Raises:
        SharpenError: The program does not permute, no run works, or the bars are others.
    """
    for history in todo:
        folder = folder_of(home, sweep.id) / str(history.history)
        own_folder(folder_of(home, sweep.id).parent)
        own_folder(folder_of(home, sweep.id))
        own_folder(folder)
        sweep_id = yield from _search(folder, sweep, history, n_slots)
        score = _score(Reader(folder), sweep_id, best)
        permuted = PermutedWinner(history.history, history.seed, history.root_seed, history.n_runs, score)
        keep(home, sweep.id, permuted)
        shutil.rmtree(folder, ignore_errors=True)
        yield permuted


def _search(
    folder: Path, sweep: SweepRow, history: PermutedWinner, n_slots: int
) -> Generator[None, None, str]:
    """Carry a search out in a store of its own, or what is left of it; return the sweep's id there."""
    with connect(folder) as client:
        location = {"source": sweep.source, "workdir": sweep.workdir}
        about = {"text": sweep.spec, "place": location, "run_cap": history.n_runs, "seed": sweep.seed}
        sweep_id: str = client.call("create_sweep", key=f"history-{history.seed}", **about)["sweep_id"]
        reader = Reader(folder)
        agent = AgentProcess(folder, sweep_id, n_slots, ["--permutation-seed", str(history.seed)])
        try:
            while agent.supervise(lambda: SweepStatus(reader.sweep(sweep_id).status).is_open):
                time.sleep(POLL_S)
                yield
        finally:
            agent.end()
    row = reader.sweep(sweep_id)
    if row.status == SweepStatus.FAILED:
        raise SharpenError(f"the search on permuted history {history.history} failed: {row.reason}")
    return sweep_id


def _score(reader: Reader, sweep_id: str, best: RunRow) -> float | None:
    sweep = reader.sweep(sweep_id)
    read = spec.parse(sweep.spec, where=sweep.source)
    runs = reader.runs(sweep_id)
    won = winner(configurations(runs, read.repeats), read.metric)
    if won is None:
        failed = [run for run in runs if run.state in FAILURES]
        if len(failed) == len(runs) and failed:
            raise SharpenError(f"every run on a permuted history failed: {failed[0].reason}")
        return None
    refuse_other_bars(best, StageRun(summary=won.row.summary))
    return won.row.score
