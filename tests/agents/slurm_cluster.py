"""Commands of a Slurm cluster that runs its jobs here: sbatch, srun, sacct and scancel in a folder.

Its state is in files of that folder: ``limit`` says how many jobs a user may have at once.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

COMMANDS = ("sbatch", "srun", "sacct", "scancel")
LIMIT = """sbatch: error: QOSMaxSubmitJobPerUserLimit
sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)"""


class SlurmCluster:
    """The commands, in a folder to put on the PATH.

    Args:
        folder: Where to write them.
        limit: How many jobs a user may have at once.
    """

    def __init__(self, folder, limit=1000):
        self.folder = folder
        (folder / "jobs").mkdir()
        (folder / "limit").write_text(f"{limit}")
        for name in COMMANDS:
            command = folder / name
            command.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {folder} {name} "$@"\n')
            command.chmod(0o755)

    def jobs(self, state="RUNNING"):
        """Return the numbers of the jobs in a state."""
        return [number for number, is_now in states(self.folder).items() if is_now == state]

    def environment_of(self, number):
        """Return the variables that were there when a job was put into the queue."""
        lines = (self.folder / "jobs" / number / "environment").read_text().split("\0")
        return dict(line.split("=", 1) for line in lines)

    def lose(self, number, state):
        """Kill a job, which is in a state from now on."""
        lose(self.folder, number, state)

    def close(self):
        """Kill all jobs, those too that did not end when they were cancelled."""
        for number in (*self.jobs(), *self.jobs("CANCELLED")):
            self.lose(number, "CANCELLED")


def lose(folder, number, state):
    (folder / "jobs" / number / "state").write_text(state)
    end(folder, number, signal.SIGKILL)


def end(folder, number, with_signal):
    with contextlib.suppress(ProcessLookupError):  # it has ended
        os.killpg(int((folder / "jobs" / number / "pid").read_text()), with_signal)


def states(folder):
    return {job.name: (job / "state").read_text() for job in sorted((folder / "jobs").iterdir())}


def sbatch(folder, file):
    found = states(folder)
    if sum(state == "RUNNING" for state in found.values()) >= int((folder / "limit").read_text()):
        sys.exit(LIMIT)
    number = f"{len(found) + 1}"
    job = folder / "jobs" / number
    job.mkdir()
    (job / "script").write_text(Path(file).read_text())
    (job / "environment").write_text("\0".join(f"{name}={value}" for name, value in os.environ.items()))
    state = job / "state"
    state.write_text("RUNNING")
    script = f'bash {job / "script"}; test "$(cat {state})" != RUNNING || printf COMPLETED > {state}'
    about = {"SLURM_JOB_ID": number, "SLURM_NTASKS": "1", "SLURM_NNODES": "1", "SLURM_JOB_NODELIST": "here"}
    process = subprocess.Popen(
        ["bash", "-c", script],
        env={**os.environ, **about},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    (job / "pid").write_text(f"{process.pid}")
    print(f"Submitted batch job {number}")


def srun(folder, *words):
    first = next(at for at, word in enumerate(words) if Path(word).name.startswith("python"))
    names = {words[at]: words[at + 1] for at in range(first - 1) if words[at] in ("--output", "--error")}
    number = os.environ["SLURM_JOB_ID"]
    for flag, to in (("--output", sys.stdout), ("--error", sys.stderr)):
        with Path(names[flag].replace("%j", number).replace("%t", "0")).open("a") as file:
            os.dup2(file.fileno(), to.fileno())
    os.environ |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    os.execv(words[first], words[first:])


def sacct(folder, *words):
    print("JobID|State|NodeList")
    for number, state in states(folder).items():
        print(f"{number}|{state}|here")


def scancel(folder, number):
    if states(folder)[number] != "RUNNING":
        sys.exit(f"scancel: error: Kill job error on job id {number}: Invalid job id specified")
    (folder / "jobs" / number / "state").write_text("CANCELLED")
    end(folder, number, signal.SIGTERM)


if __name__ == "__main__":
    {"sbatch": sbatch, "srun": srun, "sacct": sacct, "scancel": scancel}[sys.argv[2]](
        Path(sys.argv[1]), *sys.argv[3:]
    )
