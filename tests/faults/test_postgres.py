"""A store in Postgres while its host, its server and the line between them are taken away under load."""

import random
import signal
import time

import pytest

from faults.bench import Bench, kill, until
from faults.programs.crowd import N_STEPS
from faults.test_hosts import assert_all_there, gather, written_down
from sharpen.store.place import link

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
N_RUNS, N_MEMBERS = 3, 3
FAILOVER_S = 5.0


@pytest.fixture
def bench(tmp_path, postgres):
    with Bench(tmp_path) as bench:
        link(bench.home, postgres.new_database())
        yield bench


def test_the_leader_is_killed_under_load_and_another_leads_within_five_seconds(bench):
    rng, n_kills = random.Random(2), 1
    sweep_id = bench.create(N_RUNS)
    crowd, go = gather(bench, sweep_id, N_MEMBERS)
    go.touch()
    by_pid = {member.pid: member for member in crowd}
    for n in range(1, n_kills + 1):
        enough = n * N_RUNS * N_STEPS // (n_kills + 2)
        until(lambda n=enough: len(written_down(bench)) >= n, f"{enough} reports")
        until(lambda: bench.host_pid() in by_pid, "the next to lead")
        time.sleep(rng.uniform(0.0, 0.05))  # a random moment of a transaction
        leader = by_pid.pop(bench.host_pid())
        assert kill(leader)
        assert leader.wait(10) == -signal.SIGKILL
    assert [member.wait(60) for member in by_pid.values()] == [0] * len(by_pid), bench.said()
    bench.assert_nothing_left()
    assert_all_there(bench, N_RUNS)
    assert sum(run.lost for run in bench.runs()) <= n_kills
    waits = sorted(wait for *_, wait in written_down(bench))
    print(f"{len(waits)} calls, the longest {waits[-1]:.2f} s, the median {waits[len(waits) // 2]:.4f} s")
    assert waits[-1] < FAILOVER_S


def test_postgres_is_killed_under_load_and_nothing_acknowledged_is_lost(bench, postgres):
    sweep_id = bench.create(N_RUNS)
    crowd, go = gather(bench, sweep_id, N_MEMBERS)
    go.touch()
    until(lambda: len(written_down(bench)) >= N_RUNS * N_STEPS / 2, "reports")
    postgres.kill()
    postgres.start()
    assert [member.wait(60) for member in crowd] == [0] * N_MEMBERS, bench.said()
    bench.assert_nothing_left()
    assert_all_there(bench, N_RUNS)
