"""``kill -9`` on anything, at any moment."""

import json
import random
import signal
import sys
import time
from collections import Counter
from itertools import pairwise

import pytest

from faults.bench import HYPERBAND, PROGRAMS, Bench, kill, until
from faults.judge import assert_acknowledged, assert_sound

N_RUNS = 40
PLAN = ("agent",) * 8 + ("program",) * 7 + ("driver",) * 5


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("seed", [1])
def test_twenty_kills_lose_nothing(tmp_path, database, seed):
    rng = random.Random(seed)
    plan = rng.sample(PLAN, len(PLAN))
    began = time.monotonic()
    with Bench(tmp_path, database=database, TOY_STEP_S="0.05") as bench:
        words = ("--agents", "2", "--report", str(tmp_path / "report.html"))
        more = HYPERBAND + "max_attempts: 10\n"  # the storm kills programs that have done no wrong
        driver = bench.start("run", bench.write_sweep(N_RUNS, more=more), "--seed", str(seed), *words)
        sweep_id = bench.sweep_id()
        killed = Counter()
        for kind in plan:
            time.sleep(rng.uniform(0.05, 0.4))  # the random moment
            while not kill(find(bench, driver, kind, rng)):
                pass
            killed[kind] += 1
            if kind == "driver":
                assert driver.wait(10) == -signal.SIGKILL
                driver = bench.start("resume", sweep_id, *words)
        assert driver.wait(120) == 0, bench.said()[-2000:]
        bench.assert_nothing_left()
        assert_sound(bench, N_RUNS, seed)
        assert bench.reader().sweep(sweep_id).status == "finished"
        assert killed == {"agent": 8, "program": 7, "driver": 5}
        tokens = sum(run.token for run in bench.runs())
        seconds = time.monotonic() - began
        print(f"{seconds:.1f} s, {dict(killed)}, {dict(bench.states())}, {tokens} leases")


def find(bench, driver, kind, rng):
    """Return a process of the kind, once there is one: one of them at random."""

    def look():
        assert driver.poll() is None, f"the sweep ended before the last kill: {bench.said()[-2000:]}"
        if kind == "driver":
            return [driver] if bench.agents_of(driver) else []
        return bench.agents_of(driver) if kind == "agent" else bench.programs_of(driver.pid)

    return rng.choice(until(look, f"a process to kill: {kind}"))


def test_an_agent_takes_over_hosting_when_the_driver_is_killed(tmp_path, database):
    n_runs = 12
    with Bench(tmp_path, database=database) as bench:
        driver = bench.start("run", bench.write_sweep(n_runs), "--agents", "1")
        sweep_id = bench.sweep_id()
        until(lambda: bench.states()["finished"], "a run to finish")
        agent = bench.start("agent", sweep_id)
        until(lambda: bench.programs_of(agent.pid), "the second agent to work")
        assert kill(driver)
        driver.wait(10)
        n_before = len(bench.acknowledged())
        assert agent.wait(60) == 0, bench.said()[-2000:]
        bench.assert_nothing_left()
        assert_sound(bench, n_runs, seed=0)
        assert bench.reader().sweep(sweep_id).status == "finished"
        # its own program kept its run through the change of hosts
        assert "agent done: finished" in bench.said()
        times = [at for *_, at in bench.acknowledged()[n_before - 1 :]]
        assert max(b - a for a, b in pairwise(times)) < 10


def test_a_dead_agents_run_is_repeated_long_before_its_lease_lapses(tmp_path, database):
    n_runs = 6
    with Bench(tmp_path, database=database, TOY_STEP_S="0.1") as bench:
        sweep_id = bench.call("sweep", bench.write_sweep(n_runs)).stdout.strip()
        first = bench.start("agent", sweep_id)  # it hosts
        until(lambda: bench.programs_of(first.pid), "the first agent to work")
        second = bench.start("agent", sweep_id)
        until(lambda: bench.programs_of(second.pid), "the second agent to work")
        until(lambda: bench.steps_of(first.pid) & {2, 3, 4, 5}, "the first agent to be amid a run")
        assert kill(first)
        first.wait(10)
        began = time.monotonic()
        assert second.wait(60) == 0, bench.said()[-2000:]
        assert time.monotonic() - began < 25  # a lease is 30 s
        bench.assert_nothing_left()
        assert_sound(bench, n_runs, seed=0)
        assert sum(run.lost for run in bench.runs()) == 1


def test_an_attempt_that_outlives_its_agent_cannot_touch_the_next(tmp_path, database):
    """A shell that starts a program dies with its agent; the program does not, and goes on reporting."""
    shell = 'command: [bash, -c, "$PYTHON contested.py; exit $?"]\n'
    with Bench(
        tmp_path, database=database, program=PROGRAMS / "contested.py", PYTHON=sys.executable
    ) as bench:
        sweep_id = bench.call("sweep", bench.write_sweep(1, more=shell)).stdout.strip()
        first = bench.start("agent", sweep_id)
        until(lambda: bench.sql("select count(*) from reports") == [(1,)], "the first attempt's report")
        assert kill(first)
        first.wait(10)
        second = bench.start("agent", sweep_id)
        assert second.wait(60) == 0, bench.said()[-2000:]
        bench.assert_nothing_left()
        refusal = (bench.work / "refused").read_text()
        assert refusal == f"{sweep_id}-1: run 1 is no longer leased under token 1"
        reports = bench.sql("select token, step, value from reports order by token, step")
        assert reports == [(1, 1, 1.0), (2, 1, 2.0), (2, 2, 20.0)]
        assert [(run.state, run.score, run.token) for run in bench.runs()] == [("finished", 20.0, 2)]


@pytest.mark.slow
@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_driver_gives_its_runs_back_and_says_how_to_go_on(tmp_path, with_signal):
    n_runs = 8
    with Bench(tmp_path, TOY_STEP_S="0.1") as bench:
        driver = bench.start("run", bench.write_sweep(n_runs), "--agents", "2", "--seed", "5")
        sweep_id = bench.sweep_id()
        until(lambda: len(bench.programs_of(driver.pid)) == 2, "two programs at work")
        until(bench.acknowledged, "a step")
        driver.send_signal(with_signal)
        assert driver.wait(20) == 130, bench.said()[-2000:]
        assert f"resume with: sharpen --home {bench.home} resume {sweep_id}" in bench.said()
        bench.assert_nothing_left()
        assert bench.states()["running"] == 0
        assert bench.states()["pending"] >= 1
        assert all(run.lost == 0 for run in bench.runs())  # given back, not lost
        assert bench.reader().sweep(sweep_id).status == "running"
        assert_acknowledged(bench)

        again = bench.call("resume", sweep_id, "--agents", "2")
        assert again.returncode == 0, again.stderr
        bench.assert_nothing_left()
        assert_sound(bench, n_runs, seed=5)


@pytest.mark.slow
def test_interrupts_at_bad_times_end_in_the_same_way(tmp_path):
    """Before the agents are up, and again and again while they leave."""
    with Bench(tmp_path, TOY_STEP_S="0.1") as bench:
        driver = bench.start("run", bench.write_sweep(4), "--agents", "2")
        sweep_id = bench.sweep_id()
        driver.send_signal(signal.SIGINT)
        assert driver.wait(20) == 130, bench.said()[-2000:]
        driver = bench.start("resume", sweep_id, "--agents", "2")
        until(lambda: bench.programs_of(driver.pid), "a program at work")
        while driver.poll() is None:  # an impatient user
            driver.send_signal(signal.SIGINT)
            time.sleep(0.01)
        assert driver.wait(20) == 130, bench.said()[-2000:]
        assert bench.said().count(f"resume with: sharpen --home {bench.home} resume {sweep_id}") == 2
        assert "Traceback" not in bench.said()
        bench.assert_nothing_left()
        again = bench.call("resume", sweep_id, "--agents", "2")
        assert again.returncode == 0, again.stderr
        assert_sound(bench, 4, seed=0)


def test_an_interrupted_agent_gives_its_runs_back(tmp_path, database):
    with Bench(tmp_path, database=database, TOY_STEP_S="0.1") as bench:
        sweep_id = bench.call("sweep", bench.write_sweep(3)).stdout.strip()
        agent = bench.start("agent", sweep_id, "--slots", "2")
        until(lambda: len(bench.programs_of(agent.pid)) == 2, "two programs at work")
        agent.send_signal(signal.SIGINT)
        assert agent.wait(20) == 130, bench.said()[-2000:]
        bench.assert_nothing_left()
        assert bench.states() == {"pending": 2}
        assert bench.call("agent", sweep_id, "--slots", "2").returncode == 0
        assert_sound(bench, 3, seed=0)


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_program_that_swallows_signals_dies_with_its_agent(tmp_path, with_signal):
    stubborn = tmp_path / "stubborn.py"
    stubborn.write_text(
        "import signal, time\n"
        "from sharpen import tracking\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "run = tracking.init()\n"
        "run.log({'score': 1.0}, step=1)\n"
        "while True:\n    time.sleep(1)\n"
    )
    with Bench(tmp_path / "bench", program=stubborn) as bench:
        sweep_id = bench.call("sweep", bench.write_sweep(1)).stdout.strip()
        agent = bench.start("agent", sweep_id)
        until(lambda: bench.sql("select count(*) from reports") == [(1,)], "its report")
        agent.send_signal(with_signal)
        assert agent.wait(20) == (-9 if with_signal == signal.SIGKILL else 130), bench.said()[-2000:]
        bench.assert_nothing_left()
        assert bench.states() == ({"running": 1} if with_signal == signal.SIGKILL else {"pending": 1})
        (run,) = json.loads(bench.call("runs", sweep_id, "--json").stdout)
        assert run["state"] == "pending", "though nobody hosts, who could have written it down"
        assert run["reason"].endswith(" died" if with_signal == signal.SIGKILL else "given back by its agent")


def test_a_run_killed_again_and_again_counts_as_crashed_and_the_sweep_goes_on(tmp_path, database):
    suicidal = tmp_path / "suicidal.py"
    suicidal.write_text(
        "import os, signal\n"
        "from sharpen import tracking\n"
        "run = tracking.init()\n"
        "run.log({'score': 1.0}, step=1)\n"
        "if run.config['depth'] == 2:\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    space = "parameters:\n  depth: {values: [1, 2, 3]}\n"
    with Bench(tmp_path / "bench", database=database, program=suicidal) as bench:
        sweep_id = bench.call("sweep", bench.write_sweep(3, method="grid", space=space)).stdout.strip()
        done = bench.call("agent", sweep_id)
        assert done.returncode == 0, done.stderr
        by_depth = {run.config["depth"]: run for run in bench.runs()}
        assert {depth: run.state for depth, run in by_depth.items()} == {
            1: "finished",
            2: "crashed",
            3: "finished",
        }
        assert by_depth[2].token == 2
        assert by_depth[2].reason == "lost 2 times; the program was killed (signal 9)"
        bench.assert_nothing_left()
