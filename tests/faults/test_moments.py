"""``kill -9`` of an agent at the moments at which it hurts most, whoever hosts the store."""

import contextlib
import shutil
import signal

import pytest

from faults.bench import PROGRAMS, TOY, Bench
from faults.judge import assert_sound

N_RUNS = 2
MOMENTS = {  # and which run is lost with the agent
    ("after", "lease"): 0,  # it holds a run, and has not heard so
    ("before", "beat"): 0,  # the program has started, and no heart has beaten
    ("before", "exit"): 0,  # the program has finished, and nobody knows
    ("after", "exit"): 1,  # that end is stored with the lease of the next run, and the agent has not heard so
}
HOSTS = ["itself", "another"]


@contextlib.contextmanager
def hosted(bench, by):
    """Let another process host the store, if that is asked for."""
    if by == "itself":
        yield
        return
    holder = bench.start_program("holder.py", "30", "15")
    assert holder.stdout.readline() == "up\n"
    yield
    holder.stdin.close()
    assert holder.wait(20) == 0, bench.said()


@pytest.mark.parametrize(
    ("moment", "hosted_by"),
    [(moment, "itself") for moment in MOMENTS]
    + [(("before", "beat"), "another"), (("after", "exit"), "another")],
)
def test_an_agent_killed_at_an_exact_moment_loses_nothing(tmp_path, database, moment, hosted_by):
    with Bench(tmp_path, database=database, TOY_STEP_S="0") as bench:
        sweep_id = bench.create(N_RUNS)
        with hosted(bench, hosted_by):
            doomed = bench.start_program("doomed_agent.py", sweep_id, *moment)
            assert doomed.wait(60) == -signal.SIGKILL, bench.said()
            assert bench.start("agent", sweep_id).wait(60) == 0, bench.said()
        bench.assert_nothing_left()
        assert_sound(bench, N_RUNS, seed=0)
        n_lost = [int(n == MOMENTS[moment]) for n in range(N_RUNS)]
        assert [(run.token, run.lost) for run in bench.runs()] == [(1 + n, n) for n in n_lost]
        assert bench.reader().sweep(sweep_id).status == "finished"


@pytest.mark.parametrize("hosted_by", HOSTS)
def test_an_agent_killed_amid_a_report_of_its_program_loses_that_report_alone(tmp_path, database, hosted_by):
    with Bench(tmp_path, database=database, program=PROGRAMS / "half_a_report.py") as bench:
        shutil.copy(TOY, bench.work)
        sweep_id = bench.create(1)
        with hosted(bench, hosted_by):
            doomed = bench.start("agent", sweep_id)
            assert doomed.wait(60) == -signal.SIGKILL, bench.said()
            assert bench.start("agent", sweep_id).wait(60) == 0, bench.said()
        bench.assert_nothing_left()
        assert_sound(bench, 1, seed=0)
        steps = bench.sql("select token, count(*), max(step) from reports group by token order by token")
        assert steps == [(1, 3, 3), (2, 9, 9)]
