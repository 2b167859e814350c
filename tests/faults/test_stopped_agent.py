"""An agent that is stopped for longer than its lease, and wakes up when another has done its work."""

import signal

from faults.bench import PROGRAMS, Bench, until


def test_what_a_stopped_agent_says_late_is_refused_and_the_cap_stays_exact(tmp_path, database):
    with Bench(tmp_path, database=database, program=PROGRAMS / "contested.py") as bench:
        host = bench.start_program("holder.py", "2.5", "60")
        assert host.stdout.readline() == "up\n"
        sweep_id = bench.create(1)
        first = bench.start("agent", sweep_id)
        until(lambda: bench.sql("select count(*) from reports") == [(1,)], "the first attempt's report")
        (program,) = until(lambda: bench.programs_of(first.pid), "its program")
        first.send_signal(signal.SIGSTOP)
        second = bench.start("agent", sweep_id)
        until(lambda: bench.runs()[0].token == 2, "the run to be leased anew")
        assert second.wait(60) == 0, bench.said()
        # the program of the first has spoken up meanwhile, and was refused; its agent has yet to hear of it
        assert (
            bench.work / "refused"
        ).read_text() == f"{sweep_id}-1: run 1 is no longer leased under token 1"
        before = bench.runs()
        first.send_signal(signal.SIGCONT)
        assert first.wait(60) == 0, bench.said()
        assert not program.is_running()
        assert bench.said().count("agent done: finished") == 2
        assert bench.runs() == before
        assert [(run.state, run.score, run.token, run.lost) for run in before] == [("finished", 20.0, 2, 1)]
        assert bench.sql("select token, step, value from reports order by token, step") == [
            (1, 1, 1.0),
            (2, 1, 2.0),
            (2, 2, 20.0),
        ]
        host.stdin.close()
        assert host.wait(20) == 0
        bench.assert_nothing_left()
