"""Whether run caps hold: many sweeps of one store, several processes at each, some of them killed on the way.

    python benchmarks/caps.py             100 sweeps of 12 runs by 16 processes, 20 of Optuna's studies
    python benchmarks/caps.py --quick     12 sweeps, 4 studies: under a minute

Processes work in lanes: those of a lane go from sweep to sweep together, so that several want the last run
of each. At even steps of the progress one of them, drawn at random, gets kill -9 and another starts in its
place. Ours lease, report once and end a run; any of them may host the store, and be killed as the host.
Optuna's do what its documentation says for many processes, on one SQLite file: they either share
`MaxTrialsCallback(cap)`, or each make `n_trials = cap / processes` of a study. One that was restarted leaves
out studies that have their trials, and one that gets an error tries again.

Overshoot: finished runs beyond a sweep's cap. Undershoot: those that are missing when everybody has left.
Stuck: runs that count as running although nobody works on them any more.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

SWEEP = """
program: none.py
method: random
metric: {name: score, goal: maximize}
parameters: {x: {min: 0.0, max: 1.0}}
"""
WAIT_S = 0.02
LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is to do.

    Attributes:
        folder: Where the store is.
        name: The process's own name, no other's.
        sweeps: Those of its lane, in order.
        cap: Runs of each.
        n_mates: Processes of its lane, itself included.
    """

    folder: str
    name: str
    sweeps: tuple[str, ...]
    cap: int
    n_mates: int

    def note(self, problem: Exception) -> None:
        """Count an error, in a file: a process that is killed could not hand over what it counted."""
        with (Path(self.folder) / f"errors-{self.name}").open("a") as file:
            file.write(f"{type(problem).__name__}: {problem}".replace("\n", " ") + "\n")


Worker = Callable[[Job], None]
Counts = Counter[tuple[str, str]]  # runs by sweep and state


# ---- ours


def sharpen_worker(job: Job) -> None:
    """Work on each sweep until it is over."""
    from sharpen.coordinator import connect, hostname, process_identity

    pid = os.getpid()
    with connect(Path(job.folder)) as client:
        for sweep_id in job.sweeps:
            agent_id = f"{job.name}-{sweep_id}"
            process = {"host": hostname(), "pid": pid, "born": process_identity(pid)}
            client.call("join", sweep_id=sweep_id, agent_id=agent_id, **process)
            for n in itertools.count():
                answer = client.call("lease", sweep_id=sweep_id, agent_id=agent_id, key=f"{agent_id}-{n}")
                if "over" in answer:
                    break
                if "run" not in answer:
                    time.sleep(WAIT_S)  # the last runs are at work
                    continue
                held = {"run_id": answer["run"]["run_id"], "token": answer["run"]["token"]}
                client.call("report", **held, rows=[[1, {"score": answer["run"]["config"]["x"]}]])
                client.call("exit", **held, exit_code=0, last_words="")


def make_sweeps(folder: Path, n_sweeps: int, cap: int) -> tuple[str, ...]:
    from sharpen.coordinator import connect

    origin = {"source": "benchmark.yaml", "workdir": str(folder)}
    with connect(folder) as client:
        asked = ({"key": str(n), "text": SWEEP, "place": origin, "run_cap": cap} for n in range(n_sweeps))
        return tuple(client.call("create_sweep", **request)["sweep_id"] for request in asked)


def sharpen_counts(folder: Path) -> Counts:
    return counted(folder / "store.db", "SELECT sweep_id, state, count(*) FROM runs GROUP BY 1, 2")


# ---- the peer


def optuna_worker(job: Job) -> None:
    """Optimize each study with the callback that ends it."""
    import optuna

    callback = optuna.study.MaxTrialsCallback(job.cap, states=(optuna.trial.TrialState.COMPLETE,))
    work_on_studies(job, callbacks=[callback])


def optuna_sharing_worker(job: Job) -> None:
    """Do a share of each study."""
    work_on_studies(job, n_trials=-(-job.cap // job.n_mates))


def work_on_studies(job: Job, **how: Any) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    finished = (optuna.trial.TrialState.COMPLETE,)
    for name in job.sweeps:
        while True:
            try:
                sampler = optuna.samplers.RandomSampler()
                study = optuna.load_study(study_name=name, storage=url(job.folder), sampler=sampler)
                if len(study.get_trials(deepcopy=False, states=finished)) < job.cap:
                    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), **how)
                break
            except Exception as problem:  # counted, whatever it is
                job.note(problem)


def make_studies(folder: Path, n_sweeps: int, cap: int) -> tuple[str, ...]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    names = tuple(f"study-{n}" for n in range(n_sweeps))
    for name in names:
        optuna.create_study(study_name=name, storage=url(str(folder)), direction="maximize")
    return names


def optuna_counts(folder: Path) -> Counts:
    state = "CASE state WHEN 'COMPLETE' THEN 'finished' ELSE lower(state) END"
    tables = "trials JOIN studies USING (study_id)"
    return counted(folder / "optuna.db", f"SELECT study_name, {state}, count(*) FROM {tables} GROUP BY 1, 2")


def url(folder: str) -> str:
    return f"sqlite:///{folder}/optuna.db"


# ---- both


def counted(path: Path, query: str) -> Counts:
    """Return how many runs there are, by sweep and state."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
        return Counter({(sweep, state): n for sweep, state, n in connection.execute(query)})


@dataclass(frozen=True, slots=True)
class Contender:
    """Whose caps are tried."""

    make: Callable[[Path, int, int], tuple[str, ...]]
    worker: Worker
    counts: Callable[[Path], Counts]


CONTENDERS = {
    "sharpen": Contender(make_sweeps, sharpen_worker, sharpen_counts),
    "optuna, MaxTrialsCallback": Contender(make_studies, optuna_worker, optuna_counts),
    "optuna, n_trials split": Contender(make_studies, optuna_sharing_worker, optuna_counts),
}


def work(worker: Worker, job: Job) -> None:
    """Be one process; what ends it is counted."""
    try:
        worker(job)
    except Exception as problem:
        job.note(problem)
        raise


class Crew:
    """Processes in lanes; one that is killed is replaced by another with the same job.

    Args:
        worker: What they do.
        jobs: One a process.
    """

    def __init__(self, worker: Worker, jobs: list[Job]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["optuna", "sharpen.coordinator"])
        self._worker = worker
        self._jobs = jobs
        self._n_started = 0
        self._processes = [self._start(job) for job in jobs]

    def _start(self, job: Job) -> Any:
        self._n_started += 1
        own = Job(job.folder, f"{job.name}.{self._n_started}", job.sweeps, job.cap, job.n_mates)
        process = self._context.Process(target=work, args=(self._worker, own), daemon=True)
        process.start()
        return process

    @property
    def at_work(self) -> list[int]:
        """The places of those that have not ended."""
        return [n for n, process in enumerate(self._processes) if process.is_alive()]

    def replace(self, n: int) -> None:
        """Kill the process of a place, and start another there."""
        self._processes[n].kill()
        self._processes[n].join()
        self._processes[n] = self._start(self._jobs[n])


def tried(contender: Contender, options: argparse.Namespace, n_sweeps: int, folder: Path) -> dict[str, Any]:
    """Return what becomes of so many sweeps."""
    sweeps = contender.make(folder, n_sweeps, options.cap)
    n_mates = options.processes // options.lanes
    lanes = [sweeps[lane :: options.lanes] for lane in range(options.lanes)]
    places = range(n_mates * options.lanes)
    jobs = [Job(str(folder), f"w{n}", lanes[n % options.lanes], options.cap, n_mates) for n in places]
    draw, n_runs, n_killed = random.Random(options.seed), n_sweeps * options.cap, 0
    began = time.perf_counter()
    crew = Crew(contender.worker, jobs)
    while at_work := crew.at_work:
        n_done = sum(n for (_, state), n in contender.counts(folder).items() if state == "finished")
        if n_killed < options.kills and n_done >= n_runs * (n_killed + 1) // (options.kills + 1):
            crew.replace(draw.choice(at_work))
            n_killed += 1
        time.sleep(LOOK_S)
    seconds = time.perf_counter() - began
    counts = contender.counts(folder)
    finished = [counts[sweep, "finished"] for sweep in sweeps]
    beyond = [max(n - options.cap, 0) for n in finished]
    return {
        "sweeps": n_sweeps,
        "cap": options.cap,
        "killed": n_killed,
        "runs": sum(finished),
        "overshoot, most": max(beyond),
        "overshoot, all": sum(beyond),
        "undershoot": sum(max(options.cap - n, 0) for n in finished),
        "stuck": sum(n for (_, state), n in counts.items() if state not in ("finished", "fail")),
        "errors": sum(len(path.read_text().splitlines()) for path in folder.glob("errors-*")),
        "seconds": round(seconds, 1),
        "runs/s": round(sum(finished) / seconds, 1),
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sweeps", type=int, default=100)
    add("--studies", type=int, default=20, help="of Optuna's, each of the two ways")
    add("--cap", type=int, default=12, help="runs of each")
    add("--processes", type=int, default=16)
    add("--lanes", type=int, default=4, help="sweeps that are worked on at a time")
    add("--kills", type=int, default=8)
    add("--seed", type=int, default=0)
    add("--quick", action="store_true", help="12 sweeps, 4 studies, 3 kills")
    options = parser.parse_args()
    if options.quick:
        options.sweeps, options.studies, options.kills = 12, 4, 3
    return options


def main() -> None:
    options = parsed()
    rows: dict[str, dict[str, Any]] = {}
    for name, contender in CONTENDERS.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            n_sweeps = options.sweeps if name == "sharpen" else options.studies
            rows[name] = tried(contender, options, n_sweeps, Path(folder))
    ours = rows["sharpen"]
    table = Table("", *ours, "ratio", title=f"{options.processes} processes; load {os.getloadavg()[0]:.1f}")
    for name, row in rows.items():
        ratio = f"{ours['runs/s'] / row['runs/s']:.0f} x" if row["runs/s"] else ""
        table.add_row(name, *(str(cell) for cell in row.values()), ratio)
    Console(width=150).print(table)
    if ours["overshoot, all"] or ours["undershoot"] or ours["stuck"]:
        sys.exit("sharpen has missed a cap")


if __name__ == "__main__":
    main()
