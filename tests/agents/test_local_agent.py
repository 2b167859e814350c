"""An agent with real programs: the good, the failing, the deaf and the killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sharpen.agents import local, slots
from sharpen.agents.output import KEPT_BYTES, KEPT_TAIL_LINES
from sharpen.agents.program import DEFAULT_ENVIRONMENT
from sharpen.coordinator import connect
from sharpen.store.queries import Reader
from sharpen.wire import Client, UnixChannel

from .conftest import TRIED, Workshop, is_alive

WaitUntil = Callable[..., None]
StartAgent = Callable[[Path, str], "subprocess.Popen[str]"]
LOGS_X = "print('x is', run.config['x'])\nrun.log({'score': run.config['x']})"


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "BEAT_S", 0.05)
    monkeypatch.setattr(slots, "TERM_AFTER_S", 0.1)
    monkeypatch.setattr(slots, "KILL_AFTER_S", 0.3)


def read_pid(path: Path) -> int:
    return int(path.read_text() or 0) if path.exists() else 0


def processes_of(session: int) -> list[int]:
    """Return the living processes of a session; who buries the dead is not our business."""
    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            found += [process.pid] if is_alive and os.getsid(process.pid) == session else []
    return found


def test_an_agent_finishes_a_sweep(shop: Workshop) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    sweep_id = shop.program(LOGS_X)
    assert shop.work(sweep_id) == TRIED
    assert [(r.state, r.score, r.exit_code, r.token) for r in shop.runs(sweep_id)] == [
        ("finished", float(x), 0, 1) for x in (1, 2, 3)
    ]
    assert shop.reader.console(f"{sweep_id}-2") == "x is 2\n"
    assert shop.row(sweep_id).status == "finished"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert shop.work(sweep_id) == TRIED, "it says so again, and does nothing"


def test_a_program_gets_its_configuration_and_an_environment_that_repeats(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DEFAULT_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    sweep_id = shop.sweep(
        "sh",
        "-c",
        "echo $1 $OMP_NUM_THREADS $MKL_NUM_THREADS $PYTHONHASHSEED; pwd; cat",
        "sh",
        "${args}",
        values=(5,),
    )
    shop.work(sweep_id)
    assert shop.reader.console(f"{sweep_id}-1").splitlines() == ["--x=5 1 7 0", str(shop.folder.resolve())]


def test_a_failing_program_leaves_its_last_words_and_five_alike_end_the_sweep(shop: Workshop) -> None:
    sweep_id = shop.sweep(
        "sh", "-c", "echo start; echo 'KeyError: 0x7f00' >&2; echo; exit 3", values=tuple(range(20))
    )
    reason = "5 runs in a row failed alike: KeyError: 0x…"
    assert shop.work(sweep_id) == reason
    assert [(r.state, r.exit_code, r.reason, r.score) for r in shop.runs(sweep_id)] == [
        ("failed", 3, "KeyError: 0x…", None)
    ] * 5
    assert shop.reader.console(f"{sweep_id}-1") == "start\nKeyError: 0x7f00\n\n"
    assert (shop.row(sweep_id).status, shop.row(sweep_id).reason) == ("failed", reason)


def test_failures_that_differ_do_not_end_it(shop: Workshop) -> None:
    sweep_id = shop.sweep("sh", "-c", "echo $1; exit 1", "sh", "${args}", values=tuple(range(7)))
    assert shop.work(sweep_id, n_slots=2) == TRIED
    assert [r.reason for r in shop.runs(sweep_id)] == [f"--x={x}" for x in range(7)]


def test_an_exit_without_the_metric_is_a_failure_with_that_reason(shop: Workshop) -> None:
    sweep_id = shop.program("run.log({'other': 1})", values=(1,))
    shop.work(sweep_id)
    (run,) = shop.runs(sweep_id)
    assert (run.state, run.exit_code) == ("failed", 0)
    assert run.reason == "the program ended without logging score, the sweep's metric; it logged other"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ("/nowhere/python", "train.py"),
            "cannot start /nowhere/python: [Errno 2] No such file or directory",
        ),
        (("/usr/bin/env", "no-such-interpreter"), "no-such-interpreter"),
        (("${interpreter}", "missing.py"), "missing.py': [Errno 2] No such file or directory"),
        (("/", "x"), "cannot start /: [Errno 13] Permission denied"),
        (("echo", "a\0b"), "cannot start echo: embedded null byte"),
        (
            ("echo", "a" * 200_000),
            "longer than the system passes on (131,071 bytes): let the values be shorter",
        ),
    ],
)
def test_a_program_that_cannot_be_started_fails_with_the_reason(
    shop: Workshop, command: tuple[str, ...], words: str
) -> None:
    sweep_id = shop.sweep(*command, values=tuple(range(9)))
    assert "5 runs in a row failed alike" in shop.work(sweep_id)
    for run in shop.runs(sweep_id):
        assert run.state == "failed"
        assert words in run.reason
        assert run.reason in shop.reader.console(run.id)


def test_a_working_folder_that_has_gone_is_a_failure_too(shop: Workshop) -> None:
    place = {"source": "s.yaml", "workdir": str(shop.folder / "gone")}
    text = "{command: [echo], method: grid, metric: {name: a}, parameters: {x: {values: [1]}}}"
    sweep_id = shop.client.call("create_sweep", key="k", text=text, place=place)["sweep_id"]
    shop.work(sweep_id)
    assert "No such file or directory" in shop.runs(sweep_id)[0].reason


def test_twenty_megabytes_are_cut_in_the_middle(shop: Workshop) -> None:
    n_lines = 200_000
    body = (
        f"for i in range({n_lines}): print(i, 'x' * 100)\nrun.log({{'score': 1}})\nprint('the end', end='')"
    )
    sweep_id = shop.program(body, values=(1,))
    shop.work(sweep_id)
    text = shop.reader.console(f"{sweep_id}-1")
    lines = text.splitlines()
    assert shop.runs(sweep_id)[0].state == "finished"
    assert lines[:2] == ["0 " + "x" * 100, "1 " + "x" * 100]
    assert lines[-1] == "the end"
    assert lines[-2] == f"{n_lines - 1} " + "x" * 100
    (missing,) = (line for line in lines if line.startswith("[…"))
    n_missing = int(missing.split()[1])
    assert len(lines) - 1 + n_missing == n_lines + 1
    assert len(lines) - lines.index(missing) - 1 == KEPT_TAIL_LINES
    assert 0.9 * KEPT_BYTES < len(text) < 1.1 * KEPT_BYTES


def test_bytes_that_are_no_text_are_shown_as_such(shop: Workshop) -> None:
    sweep_id = shop.sweep("printf", r"caf\303\251 \377\376 \0 end", values=(1,))
    shop.work(sweep_id)
    assert shop.reader.console(f"{sweep_id}-1") == "café \ufffd\ufffd \0 end\n"


def test_a_line_without_end_is_cut_in_pieces(shop: Workshop) -> None:
    sweep_id = shop.sweep("sh", "-c", "head -c 30000000 /dev/zero | tr '\\0' x; exit 1", values=(1,))
    shop.work(sweep_id)
    text = shop.reader.console(f"{sweep_id}-1")
    assert shop.runs(sweep_id)[0].state == "failed"
    assert KEPT_BYTES < len(text) < 3 * KEPT_BYTES
    assert max(map(len, text.splitlines())) <= 16 << 10


def test_what_a_program_leaves_behind_is_killed(shop: Workshop, wait_until: WaitUntil) -> None:
    sweep_id = shop.sweep("sh", "-c", "sleep 1000 & echo $! > orphan; exit 1", values=(1,))
    shop.work(sweep_id)
    wait_until(lambda: not is_alive(read_pid(shop.folder / "orphan")), "the orphan to die")
    assert shop.runs(sweep_id)[0].state == "failed"


def test_a_daemon_that_prints_for_ever_does_not_hold_the_agent_up(shop: Workshop) -> None:
    # in a session of its own, and with the program's pipe in its hands
    sweep_id = shop.sweep(
        "sh", "-c", "setsid sh -c 'echo $$ > pid; exec yes' & sleep 0.2; exit 1", values=(1, 2)
    )
    try:
        shop.work(sweep_id)
        assert [r.state for r in shop.runs(sweep_id)] == ["failed"] * 2
    finally:
        if (pid := read_pid(shop.folder / "pid")) and is_alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.usefixtures("_hasty")
def test_a_program_that_prints_without_pause_is_still_beaten_for_and_stopped(shop: Workshop) -> None:
    body = """import itertools
if run.config['x'] == 1:
    run.log({'score': 1})
else:
    try:
        run.log({'score': 0})
    except BaseException as stopped:
        print(type(stopped))
    for i in itertools.count():
        print('x' * 1000)"""
    stop = {"type": "hyperband", "min_iter": 1, "eta": 3}
    sweep_id = shop.program(body, values=(1, 2), early_terminate=stop)
    shop.work(sweep_id)
    assert [(r.state, r.exit_code) for r in shop.runs(sweep_id)] == [("finished", 0), ("stopped", -15)]


@pytest.mark.usefixtures("_hasty")
def test_a_stopped_program_that_ignores_sigterm_is_killed(shop: Workshop) -> None:
    body = """import signal, time
signal.signal(signal.SIGTERM, lambda *_: print('not me', flush=True))
run.log({'score': run.config['x']}) if run.config['x'] == 2 else None
try:
    run.log({'score': run.config['x']})
except BaseException as stopped:
    print('caught', type(stopped).__name__, flush=True)
    while True:
        time.sleep(1)"""
    stop = {"type": "hyperband", "min_iter": 1, "eta": 3}
    sweep_id = shop.program(body, values=(2, 1), early_terminate=stop)
    shop.work(sweep_id)
    good, bad = shop.runs(sweep_id)
    assert (good.state, bad.state, bad.exit_code, bad.score) == ("finished", "stopped", -9, 1.0)
    assert "below the top third's 2" in bad.reason
    assert shop.reader.console(bad.id) == "caught Stopped\nnot me\n"


def test_a_stopped_program_that_listens_ends_by_itself(shop: Workshop) -> None:
    body = "for x in (run.config['x'], 9):\n    run.log({'score': x})"
    sweep_id = shop.program(
        body, values=(2, 1), early_terminate={"type": "hyperband", "min_iter": 1, "eta": 3}
    )
    shop.work(sweep_id)
    assert [(r.state, r.exit_code, r.score) for r in shop.runs(sweep_id)] == [
        ("finished", 0, 9.0),
        ("stopped", 0, 1.0),
    ]


def test_a_killed_program_is_run_again(shop: Workshop) -> None:
    body = """import os, pathlib, signal
run.log({'score': 0.5}, step=1)
if run.config['x'] == 2 and not pathlib.Path('once').exists():
    pathlib.Path('once').touch()
    os.kill(os.getpid(), signal.SIGKILL)
run.log({'score': run.config['x']}, step=2)"""
    sweep_id = shop.program(body)
    shop.work(sweep_id)
    assert [(r.state, r.token, r.lost, r.score) for r in shop.runs(sweep_id)] == [
        ("finished", 1, 0, 1.0),
        ("finished", 2, 1, 2.0),
        ("finished", 1, 0, 3.0),
    ]
    assert [r.step for r in shop.reader.reports(run_id=f"{sweep_id}-2")] == [1, 2]


def test_a_program_that_is_always_killed_counts_as_crashed_in_the_end(shop: Workshop) -> None:
    sweep_id = shop.sweep("sh", "-c", "kill -9 $$", values=(1,))
    shop.work(sweep_id)
    (run,) = shop.runs(sweep_id)
    assert (run.state, run.token) == ("crashed", 2)
    assert run.reason == "lost 2 times; the program was killed (signal 9)"


@pytest.mark.parametrize("n_slots", [1, 2])
def test_a_count_is_respected(shop: Workshop, n_slots: int) -> None:
    sweep_id = shop.sweep("sh", "-c", "exit 1", values=tuple(range(9)))
    assert shop.work(sweep_id, n_slots, n_runs=3) == "took as many runs as it was asked to"
    assert [r.state for r in shop.runs(sweep_id)] == ["failed"] * 3


def test_slots_work_at_the_same_time(shop: Workshop) -> None:
    # each program waits for the other two: in turn they would wait for ever
    wait = "touch -- $1; until [ -e --x=1 ] && [ -e --x=2 ] && [ -e --x=3 ]; do sleep 0.02; done; exit 1"
    sweep_id = shop.sweep("timeout", "60", "sh", "-c", wait, "sh", "${args}")
    shop.work(sweep_id, n_slots=3)
    assert [(r.state, r.exit_code) for r in shop.runs(sweep_id)] == [("failed", 1)] * 3


@pytest.mark.usefixtures("_hasty")
def test_a_run_given_to_another_is_killed_here_and_its_words_do_not_count(
    shop: Workshop, wait_until: WaitUntil
) -> None:
    command = (
        "if [ -e once ]; then echo second; exit 1; fi; touch once; echo $$ > pid; echo first; exec sleep 1000"
    )
    sweep_id = shop.sweep("sh", "-c", command, values=(1,))

    def steal() -> None:
        wait_until(lambda: read_pid(shop.folder / "pid"), "the program to start")
        thief = Client(UnixChannel(shop.home))
        thief.call("release", run_id=f"{sweep_id}-1", token=1)
        thief.close()

    thread = threading.Thread(target=steal)
    thread.start()
    shop.work(sweep_id, n_slots=2)  # the other slot gets the run's second lease
    thread.join()
    assert not is_alive(read_pid(shop.folder / "pid"))
    (run,) = shop.runs(sweep_id)
    assert (run.state, run.token, run.exit_code) == ("failed", 2, 1)
    assert shop.reader.console(run.id) == "second\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_agent_gives_its_run_back_and_leaves_no_process(
    shop: Workshop, start_agent: StartAgent, wait_until: WaitUntil, number: signal.Signals
) -> None:
    sweep_id = shop.sweep("sh", "-c", "echo $$ > pid; echo hello; sleep 1000 & wait", values=(1,))
    agent = start_agent(shop.home, sweep_id)
    wait_until(lambda: read_pid(shop.folder / "pid"), "the program to start")
    wait_until(lambda: shop.reader.console(f"{sweep_id}-1"), "its output to come through")
    agent.send_signal(number)
    assert agent.communicate(timeout=30)[0] == "interrupted\n"
    assert agent.returncode == 0
    (run,) = shop.runs(sweep_id)
    assert (run.state, run.lost, run.agent_id, run.reason) == ("pending", 0, None, "given back by its agent")
    wait_until(
        lambda: processes_of(read_pid(shop.folder / "pid")) == [], "every process of the program to go"
    )


def test_when_an_agent_is_killed_its_program_dies_and_the_next_agent_repeats_the_run(
    tmp_path: Path, start_agent: StartAgent, wait_until: WaitUntil
) -> None:
    home = tmp_path / "home"
    with connect(home) as client:
        shop = Workshop(home, tmp_path, client, Reader(home))
        command = "if [ -e pid ]; then exit 1; fi; echo $$ > pid; exec sleep 1000"
        sweep_id = shop.sweep("sh", "-c", command, values=(1,))
    agent = start_agent(home, sweep_id)  # it hosts the store too: both die at once
    wait_until(lambda: read_pid(tmp_path / "pid"), "the program to start")
    agent.kill()
    agent.wait()
    wait_until(lambda: not is_alive(read_pid(tmp_path / "pid")), "the program to die with its agent")
    assert shop.runs(sweep_id)[0].state == "running"
    assert start_agent(home, sweep_id).communicate(timeout=60)[0] == f"{TRIED}\n"
    (run,) = shop.runs(sweep_id)
    assert (run.state, run.token, run.lost) == ("failed", 2, 1)
    shop.reader._engine.dispose()


def test_a_program_s_logging_survives_the_death_of_the_host(
    tmp_path: Path, start_agent: StartAgent, wait_until: WaitUntil
) -> None:
    home = tmp_path / "home"
    body = """import pathlib, time
run.log({'score': 1}, step=1)
pathlib.Path('logged').touch()
while not pathlib.Path('go').exists():
    time.sleep(0.01)
run.log({'score': 2}, step=2)"""
    with connect(home) as client:
        shop = Workshop(home, tmp_path, client, Reader(home))
        sweep_id = shop.program(body, values=(1, 2))
    first = start_agent(home, sweep_id)
    wait_until((tmp_path / "logged").exists, "the first run to log")
    second = start_agent(home, sweep_id)
    wait_until(lambda: [r.state for r in shop.runs(sweep_id)] == ["running"] * 2, "the second to lease")
    wait_until(lambda: len(shop.reader.reports(sweep_id=sweep_id)) == 2, "both to have logged")
    first.kill()
    (tmp_path / "go").touch()
    assert second.communicate(timeout=60)[0] == f"{TRIED}\n"
    assert [(r.state, r.token, r.score) for r in shop.runs(sweep_id)] == [
        ("finished", 2, 2.0),
        ("finished", 1, 2.0),
    ]
    shop.reader._engine.dispose()
