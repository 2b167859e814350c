"""The host of a store dies while many write, again and again; or it is stopped, and wakes up."""

import json
import random
import signal
import time
from pathlib import Path

import pytest

from faults.bench import Bench, kill, until
from faults.programs.crowd import N_STEPS, score
from sharpen.errors import Unreachable
from sharpen.wire import Client, UnixChannel

N_MEMBERS = 10


def written_down(bench):
    """Return (run id, token, step, seconds waited) of what the crowd knows to be stored; no step: its end."""
    lines = bench.acks.read_bytes().splitlines() if bench.acks.exists() else []
    return [tuple(json.loads(line)) for line in lines]


def assert_all_there(bench, n_runs):
    """Assert that what was acknowledged is there, once, and that every run is whole."""
    assert bench.is_intact()
    rows = bench.sql("select run_id, token, step, value from reports")
    stored = {(run_id, token, step) for run_id, token, step, _ in rows}
    assert len(stored) == len(rows)
    assert all(value == score(run_id, step) for run_id, _, step, value in rows)
    noted = written_down(bench)
    acknowledged = [(run_id, token, step) for run_id, token, step, _ in noted if step is not None]
    assert len(acknowledged) == len(set(acknowledged)) >= n_runs * N_STEPS
    assert set(acknowledged) <= stored
    runs = bench.runs()
    assert [(run.number, run.state, run.score) for run in runs] == [
        (n, "finished", score(f"{runs[0].sweep_id}-{n}", N_STEPS)) for n in range(1, n_runs + 1)
    ]
    ended = [(run_id, token) for run_id, token, step, _ in noted if step is None]
    assert len(ended) == len(set(ended))
    assert set(ended) <= {(run.id, run.token) for run in runs}
    for run in runs:
        assert sorted(s for r, t, s in stored if (r, t) == (run.id, run.token)) == list(range(1, N_STEPS + 1))


def gather(bench, sweep_id, n_members):
    """Start a crowd that waits for the file ``go``."""
    go = bench.work / "go"
    crowd = [bench.start_program("crowd.py", sweep_id, str(bench.acks), str(go)) for _ in range(n_members)]
    assert [member.stdout.readline() for member in crowd] == ["up\n"] * n_members
    return crowd, go


@pytest.mark.slow
def test_ten_race_to_host_and_go_on_when_the_host_is_killed_four_times_under_load(tmp_path, database):
    rng, n_runs, n_kills = random.Random(1), 16, 4
    with Bench(tmp_path, database=database) as bench:
        sweep_id = bench.create(n_runs)
        crowd, go = gather(bench, sweep_id, N_MEMBERS)
        go.touch()
        assert sorted(member.stdout.readline() for member in crowd) == ["connects\n"] * 9 + ["hosts\n"]
        by_pid = {member.pid: member for member in crowd}
        for n in range(1, n_kills + 1):
            enough = n * n_runs * N_STEPS // (n_kills + 2)
            until(lambda n=enough: len(written_down(bench)) >= n, f"{enough} reports")
            until(lambda: bench.host_pid() in by_pid, "the next to host")
            time.sleep(rng.uniform(0.0, 0.05))  # a random moment of a transaction
            host = by_pid.pop(bench.host_pid())
            assert kill(host)
            assert host.wait(10) == -signal.SIGKILL
        assert [member.wait(60) for member in by_pid.values()] == [0] * (N_MEMBERS - n_kills), bench.said()
        bench.assert_nothing_left()
        assert_all_there(bench, n_runs)
        assert sum(run.lost for run in bench.runs()) <= n_kills
        waits = sorted(wait for *_, wait in written_down(bench))
        print(f"{len(waits)} calls, the longest {waits[-1]:.2f} s, the median {waits[len(waits) // 2]:.4f} s")


@pytest.mark.parametrize("moment", ["amid the batch", "before the commit", "before the answers"])
def test_a_host_killed_in_a_transaction_of_several_clients(tmp_path, database, moment):
    n_runs = 8
    with Bench(tmp_path, database=database) as bench:
        sweep_id = bench.create(n_runs)
        host = bench.start_program("doomed_host.py", moment, "10")
        assert host.stdout.readline() == "up\n"
        crowd, go = gather(bench, sweep_id, 5)
        go.touch()
        assert host.wait(60) == -signal.SIGKILL, bench.said()
        assert [member.wait(60) for member in crowd] == [0] * 5, bench.said()
        hosts = [member.stdout.read() for member in crowd]
        assert hosts == ["connects\n"] * 5, "somebody else was the first host"
        bench.assert_nothing_left()
        assert_all_there(bench, n_runs)
        assert [(run.token, run.lost) for run in bench.runs()] == [(1, 0)] * n_runs


def test_a_stopped_host_is_named_to_those_who_wait_and_goes_on_when_it_may(tmp_path):
    with Bench(tmp_path) as bench:
        host = bench.start_program("holder.py", "30", "15")
        assert host.stdout.readline() == "up\n"
        assert bench.host_pid() == host.pid
        client = Client(UnixChannel(bench.home), patience_s=1.0)
        client.call("ping")
        host.send_signal(signal.SIGSTOP)
        until(lambda: process_state(host.pid) == "T", "the host to stop")
        words = f"process {host.pid} holds the store and is stopped: 'kill -CONT {host.pid}' lets it go on"
        with pytest.raises(Unreachable, match=words):
            client.call("ping")
        host.send_signal(signal.SIGCONT)
        client.patience_s = 30.0
        assert client.call("ping")["schema"] > 0
        client.close()
        host.stdin.close()
        assert host.wait(20) == 0
        bench.assert_nothing_left()


def test_a_host_that_was_stopped_for_longer_than_a_lease_takes_no_run_away(tmp_path, database):
    """The agent could not be heard; that is not its fault."""
    lease_s = 3.0
    with Bench(tmp_path, database=database, TOY_STEP_S="0.7") as bench:
        host = bench.start_program("holder.py", str(lease_s), "1.5")
        assert host.stdout.readline() == "up\n"
        sweep_id = bench.create(1)
        agent = bench.start("agent", sweep_id)
        until(bench.acknowledged, "a step")
        host.send_signal(signal.SIGSTOP)
        until(lambda: process_state(host.pid) == "T", "the host to stop")
        stopped_at = time.monotonic()
        until(lambda: time.monotonic() > stopped_at + lease_s + 0.5, "the lease to lapse")
        n_before = len(bench.acknowledged())
        host.send_signal(signal.SIGCONT)
        assert agent.wait(60) == 0, bench.said()
        assert n_before < 9, "nothing was left to do"
        assert [(run.state, run.token, run.lost) for run in bench.runs()] == [("finished", 1, 0)]
        host.stdin.close()
        assert host.wait(20) == 0
        bench.assert_nothing_left()


def process_state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
