"""Programs forked off a warm server: as cold ones in all that can be seen, and robust when things die."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sharpen.agents import LocalAgent, local, slots
from sharpen.agents.forkserver import client
from sharpen.agents.forkserver.imports import declares_preload, leading_imports
from sharpen.agents.launcher import Launcher
from sharpen.agents.orphans import adopt_orphans
from sharpen.agents.program import Program, ProgramSpec
from sharpen.agents.watcher import Watcher

from .conftest import TRIED, Workshop, is_alive

WaitUntil = Callable[..., None]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="fork servers need Linux")
pytestmark = LINUX


TRAINER = Path(__file__).parents[2] / "scripts" / "train_classifier.py"


class Forge:
    """Starts programs of a folder, as an agent does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.launcher = Launcher(True, self.said.append)

    def write(self, text: str, name: str = "train.py") -> None:
        (self.folder / name).write_text(text)

    def start(self, *words: str, **environment: str) -> Program:
        command = [sys.executable, "train.py", *words]
        return self.launcher.start(ProgramSpec(command, self.folder, environment))

    def end(self, program: Program, timeout_s: float = 60.0) -> tuple[int, str]:
        """Return the exit code and the output of a program, once it has ended."""
        deadline = time.monotonic() + timeout_s
        while (code := program.exit_code) is None:
            assert time.monotonic() < deadline, f"no end of {program.output.take()}, {self.said}"
            self.launcher.attend()
            program.read()
            time.sleep(0.002)
        program.close()
        return code, program.output.take()[1]

    def run(self, *words: str, **environment: str) -> tuple[int, str]:
        return self.end(self.start(*words, **environment))

    @property
    def server_pid(self) -> int:
        assert self.launcher.server is not None
        return self.launcher.server.pid


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    adopt_orphans(True)
    found = Forge(tmp_path)
    yield found
    found.launcher.end()
    adopt_orphans(False)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "BEAT_S", 0.05)
    monkeypatch.setattr(slots, "KILL_AFTER_S", 0.3)


SEEN = """
import os, signal, sys, threading
print(sys.argv, sys.orig_argv[1:], __name__, __file__, sys.path[0], os.getcwd())
print(os.environ.get("SHARPEN_RUN"), os.environ.get("JE_ARROW_MALLOC_CONF"), os.environ["OMP_NUM_THREADS"])
print(hash("a"), sys.stdin.read() == "", sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.write_through)
print(os.getpgid(0) == os.getsid(0) == os.getpid(), signal.getsignal(signal.SIGTERM))
print(signal.getsignal(signal.SIGINT), threading.active_count())
print(threading.get_native_id() == threading.main_thread().native_id == os.getpid())
print(sorted(os.path.basename(os.path.realpath(f"/proc/self/fd/{fd}")).split("[")[0] for fd in range(9)
             if os.path.exists(f"/proc/self/fd/{fd}")))
print(sorted(globals()), __spec__, __package__, sys.modules["__main__"].__name__)
"""


def test_a_forked_program_sees_what_a_cold_one_sees(forge: Forge) -> None:
    forge.write(SEEN)
    words = ("--x=1", "--y=a b")
    forked = forge.run(*words, SHARPEN_RUN="{}")
    assert forge.said == []
    forge.server_pid  # noqa: B018 - there is one
    cold = Launcher(False, forge.said.append).start(
        ProgramSpec([sys.executable, "train.py", *words], forge.folder, {"SHARPEN_RUN": "{}"})
    )
    assert forked == forge.end(cold)
    assert "--y=a b" in forked[1]
    assert forked[0] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("raise SystemExit", 0),
        ("sys.exit(7)", 7),
        ("sys.exit(256)", 0),
        ("sys.exit('so long')", 1),
        ("raise ValueError('no')", 1),
        (
            "def f():\n    raise KeyError(1)\ntry:\n    f()\nexcept KeyError as e:\n    raise OSError from e",
            1,
        ),
        ("import no_such_module", 1),
        ("from sharpen.tracking import Stopped\nraise Stopped('x')", 0),
        ("raise KeyboardInterrupt", -2),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.kill(os.getpid(), 15)", -15),
        ("os.abort()", -6),
        ("import atexit\natexit.register(print, 'bye')\nsys.exit(2)", 2),
        ("sys.excepthook = lambda *a: print('mine', a[0])\n1 / 0", 1),
        ("class A:\n    def __del__(self): print('gone')\na = A()", 0),
        ("f = open('kept', 'w')\nf.write('all of it')\nimport json\njson.f = f\ndel f", 0),
        (
            "import threading, time\n"
            "t = threading.Thread(target=lambda: (time.sleep(.1), print('late')))\nt.start()",
            0,
        ),
        (
            "import threading, time\n"
            "t = threading.Thread(target=time.sleep, args=(99,), daemon=True)\nt.start()",
            0,
        ),
        ("import multiprocessing as m\nprint(m.get_context('fork').Pool(2).map(abs, [-1, -2]))", 0),
        ("import logging\nlogging.basicConfig()\nlogging.warning('careful')", 0),
        ("print('no newline', end='')", 0),
        ("sys.stdout.close()", 0),
        ("def f(): f()\nf()", 1),
    ],
)
def test_a_forked_program_ends_as_a_cold_one_does(forge: Forge, body: str, code: int) -> None:
    forge.write(f"import os, sys\nprint('begin')\n{body}\n")
    kept = forge.folder / "kept"
    forked = forge.run()
    written = kept.read_text() if kept.exists() else None
    command = ProgramSpec([sys.executable, "train.py"], forge.folder)
    cold = forge.end(Launcher(False, forge.said.append).start(command))
    if "def f(): f()" in body:  # the depth differs by a few frames
        forked, cold = ((c, text.splitlines()[-1]) for c, text in (forked, cold))
    assert forked == cold
    assert forked[0] == code
    assert forge.said == []
    assert written == (kept.read_text() if kept.exists() else None)


def test_a_program_that_cannot_be_compiled_fails_as_ever_and_is_forked_once_it_is_mended(
    forge: Forge,
) -> None:
    forge.write("def (:\n")
    for _ in range(2):
        code, text = forge.run()
        assert (code, "SyntaxError" in text) == (1, True)
    (said,) = forge.said
    assert "cannot be read" in said
    forge.write("print('mended')")
    assert forge.run() == (0, "mended\n")
    forge.server_pid  # noqa: B018 - there is one


def test_random_numbers_are_not_shared(forge: Forge) -> None:
    forge.write(
        "import random\nimport numpy as np\n"
        "print(random.random(), np.random.rand(), np.random.default_rng().random())"
    )
    texts = [forge.run()[1].split() for _ in range(3)]
    assert len({number for text in texts for number in text}) == 9
    forge.write(
        "import random\nimport numpy as np\n"
        "random.seed(1)\nnp.random.seed(1)\nprint(random.random(), np.random.rand())"
    )
    assert forge.run() == forge.run()


def test_imports_are_done_once_and_preload_is_called_for_each_run_ahead_of_the_next(forge: Forge) -> None:
    forge.write("import os\nLOADED = os.getpid()\nSEEN = []\n", "shelf.py")
    forge.write(
        "import os, shelf, sys\ndef preload(): shelf.SEEN.append(sys.argv[1])\n"
        "if __name__ == '__main__': print(shelf.LOADED == os.getpid(), shelf.SEEN)"
    )
    seen = ["False ['a']\n", "False ['a']\n", "False ['a', 'b']\n"]
    assert [forge.run(word)[1] for word in "abc"] == seen


def standing_by(
    forge: Forge, wait_until: WaitUntil, other_than: psutil.Process | None = None
) -> psutil.Process:
    """Return the process that the server has made ahead."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        forge.launcher.attend()
        ahead = forge.launcher.pids - {server, other_than and other_than.pid}
        found[:] = [child for child in psutil.Process().children() if child.pid in ahead]
        return bool(found)

    server = forge.server_pid
    wait_until(is_there, "a process to stand by")
    return found[0]


def test_a_process_is_made_ahead_and_dies_with_the_server(forge: Forge, wait_until: WaitUntil) -> None:
    forge.write("import os\nprint(os.getpid())")
    assert forge.run()[0] == 0
    ahead = standing_by(forge, wait_until)
    assert forge.run() == (0, f"{ahead.pid}\n")
    ahead = standing_by(forge, wait_until, other_than=ahead)
    os.kill(forge.server_pid, signal.SIGKILL)
    wait_until(lambda: not ahead.is_running() or ahead.status() == psutil.STATUS_ZOMBIE, "it to end")
    assert forge.run()[0] == 0
    assert not is_alive(ahead.pid)


def test_a_server_gets_ready_before_the_first_run_is_known(forge: Forge, wait_until: WaitUntil) -> None:
    forge.write("SEEN = []\n", "shelf.py")
    forge.write(
        "import os, shelf, sys\ndef preload(): shelf.SEEN.append(sys.argv[1])\n"
        "if __name__ == '__main__': print(os.getpid(), shelf.SEEN)"
    )
    forge.launcher.prepare(ProgramSpec([sys.executable, "train.py", "ahead"], forge.folder, {}))
    ahead = standing_by(forge, wait_until)
    assert forge.run("a") == (0, f"{ahead.pid} ['ahead']\n")
    assert forge.run("b")[1].endswith(" ['ahead', 'a']\n")


def test_an_agent_prepares_with_the_constants_of_its_sweep(shop: Workshop) -> None:
    parameters = {"x": {"values": [3]}, "data": {"value": "gold"}, "y": {"min": 0.0, "max": 1.0}}
    program = (
        "import sys\nSEEN = []\ndef preload(): SEEN.append(sys.argv[1:])\n"
        "if __name__ == '__main__':\n    print(sys.modules['__preload__'].SEEN)\n"
    )
    (shop.folder / "train.py").write_text(program)
    more: dict[str, Any] = {"parameters": parameters, "method": "random", "run_cap": 1}
    sweep_id = shop.sweep("${interpreter}", "train.py", "${args}", **more)
    shop.work(sweep_id)
    assert shop.reader.console(f"{sweep_id}-1") == "[['--data=gold']]\n"


def test_what_cannot_be_prepared_is_left_to_the_run(shop: Workshop) -> None:
    sweep_id = shop.sweep("${interpreter}", "train.py", "${envvar:SHARPEN_TEST_UNSET}", values=(1,))
    shop.work(sweep_id)
    (run,) = shop.runs(sweep_id)
    assert (run.state, run.exit_code) == ("failed", 127)
    assert "SHARPEN_TEST_UNSET" in run.reason


def test_a_run_starts_though_the_process_made_ahead_was_killed(forge: Forge, wait_until: WaitUntil) -> None:
    forge.write("print('ran')")
    assert forge.run() == (0, "ran\n")
    server = forge.server_pid
    ahead = standing_by(forge, wait_until)
    ahead.kill()
    wait_until(lambda: ahead.status() == psutil.STATUS_ZOMBIE, "it to end")
    assert forge.run() == (0, "ran\n")
    assert (forge.server_pid, forge.said) == (server, [])


def test_a_process_made_ahead_that_was_killed_is_no_zombie(forge: Forge, wait_until: WaitUntil) -> None:
    forge.write("print('ran')")
    assert forge.run() == (0, "ran\n")
    ahead = standing_by(forge, wait_until)
    ahead.kill()

    def is_gone() -> bool:
        forge.launcher.attend()
        return not ahead.is_running()

    wait_until(is_gone, "it to be reaped")
    assert ahead.pid not in forge.launcher.pids  # another may be made ahead by now


def test_a_process_made_ahead_that_was_stopped_does_not_hold_up_the_end(
    forge: Forge, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DRAIN_S", 0.1)
    forge.write("print('ran')")
    assert forge.run() == (0, "ran\n")
    ahead = standing_by(forge, wait_until)
    ahead.suspend()
    forge.launcher.end()
    assert not ahead.is_running()


@pytest.mark.parametrize(
    "body",
    [
        "import os, sys, time\nif os.fork() == 0: sys.exit(7)\nos.wait()\nprint('after')\nsys.exit(3)",
        "import os, sys\nprint('after', flush=True)\nos.closerange(3, 4096)\nsys.exit(3)",
        "import os, sys\nos.closerange(3, 4096)\nfiles = [open('kept', 'ab', 0) for _ in range(300)]\n"
        "print('after')\nsys.exit(3 + os.path.getsize('kept'))",
        "import sys\nclass Proxy:\n    @property\n    def __class__(self):\n        print('spoke')\n"
        "        return object\nsys.kept = Proxy()\nprint('after')\nsys.exit(3)",
    ],
    ids=["it forks", "it closes everything", "it opens other files in its place", "an object of its speaks"],
)
def test_the_last_word_is_the_program_s_own(forge: Forge, body: str) -> None:
    forge.write(body)
    assert forge.run() == (3, "after\n")
    kept = forge.folder / "kept"
    assert not kept.exists() or kept.read_bytes() == b""


def test_a_run_with_a_gpu_has_ended_when_its_process_is_gone(forge: Forge) -> None:
    forge.write("x = bytearray(1 << 26)")
    program = forge.launcher.start(ProgramSpec([sys.executable, "train.py"], forge.folder), is_early=False)
    while program.exit_code is None:
        forge.launcher.attend()
    assert program.session is not None
    assert not Path(f"/proc/{program.session}").exists()
    program.close()


def test_a_change_of_a_file_that_was_read_makes_a_new_server(forge: Forge) -> None:
    forge.write("VALUE = 1\n", "shelf.py")
    forge.write("import shelf\ndef preload(): pass\nif __name__ == '__main__': print(shelf.VALUE)")
    assert forge.run() == (0, "1\n")
    first = forge.server_pid
    assert forge.run() == (0, "1\n")
    assert forge.server_pid == first
    forge.write("VALUE = 22\n", "shelf.py")
    assert forge.run() == (0, "22\n")
    assert forge.server_pid != first
    assert not is_alive(first)


def test_a_program_changed_while_its_server_gets_ready_is_not_run_as_it_was(
    forge: Forge, wait_until: WaitUntil
) -> None:
    forge.write("print('old')")
    n_before = len(psutil.Process().children())  # other tests' servers
    forge.launcher.prepare(ProgramSpec([sys.executable, "train.py"], forge.folder, {}))
    wait_until(lambda: len(psutil.Process().children()) == n_before + 2, "a process to stand by, unheard")
    forge.write("print('new')")
    assert forge.run() == (0, "new\n")


@pytest.mark.parametrize("name", ["preload", "module"])
def test_where_threads_are_alive_programs_start_cold_and_that_is_said_once(forge: Forge, name: str) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    text = "def preload(): pass\n" + thread if name == "module" else f"def preload(): exec({thread!r})\n"
    forge.write(text + "if __name__ == '__main__': print('ran')")
    assert [forge.run() for _ in range(3)] == [(0, "ran\n")] * 3
    (said,) = forge.said
    assert said.startswith("programs start cold: ")
    assert "leaves threads alive" in said
    assert forge.launcher.server is None


def test_polars_is_left_to_each_run_where_it_works(forge: Forge) -> None:
    forge.write(
        "import os\nimport numpy\nimport polars as pl\nfrom polars import col\nimport pyarrow.parquet as pq\n"
        "found = pl.DataFrame({'a': [1, 2, 3] * 1000}).lazy().filter(col('a') > 1).collect()\n"
        "found.write_parquet('p.parquet')\n"
        "print(pq.read_table('p.parquet').num_rows)"
    )
    assert forge.run() == (0, "2000\n")
    assert forge.run() == (0, "2000\n")
    assert forge.said == []


def test_a_command_of_another_kind_starts_cold_and_that_is_said_once(forge: Forge) -> None:
    forge.write("print(1)")
    for _ in range(2):
        command = ProgramSpec([sys.executable, "-O", "train.py"], forge.folder)
        assert forge.end(forge.launcher.start(command)) == (0, "1\n")
    assert len(forge.said) == 1
    assert forge.launcher.server is None


def test_the_environment_variable_turns_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARPEN_COLD", "1")
    forge = Forge(tmp_path)
    forge.write("print(1)")
    assert forge.run() == (0, "1\n")
    assert forge.launcher.server is None


def test_a_preload_that_fails_or_exits_leaves_it_to_the_run(forge: Forge) -> None:
    forge.write("def preload(): raise ValueError('no data')\nif __name__ == '__main__': print('ran')")
    assert forge.run() == (0, "ran\n")
    forge.server_pid  # noqa: B018 - there is one


def test_a_server_that_dies_again_and_again_is_given_up(forge: Forge) -> None:
    forge.write("import os\ndef preload(): os.kill(os.getpid(), 9)\nif __name__ == '__main__': print('ran')")
    assert [forge.run() for _ in range(3)] == [(0, "ran\n")] * 3
    assert forge.launcher.server is None
    assert any("has died" in words for words in forge.said)


def test_what_a_program_does_is_not_seen_by_the_next(forge: Forge) -> None:
    forge.write(
        "import json, os, sys\n"
        "print(hasattr(json, 'mark'), os.environ.get('MARK'), len(sys.argv), os.getcwd())\n"
        "json.mark = 1\nos.environ['MARK'] = '1'\nos.chdir('/')\n"
    )
    assert forge.run() == forge.run()
    assert forge.run()[1] == f"False None 1 {forge.folder}\n"


def test_the_process_list_shows_the_command(forge: Forge) -> None:
    forge.write("import time\nprint('up', flush=True)\ntime.sleep(60)")
    program = forge.start("--x=1")
    deadline = time.monotonic() + 30
    while program.session is None and time.monotonic() < deadline:
        forge.launcher.attend()
    words = Path(f"/proc/{program.session}/cmdline").read_text().split("\0")
    assert words[1:3] == ["train.py", "--x=1"]
    program.close()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a_missing_module, json", ["json"]),
        ("import json as j\nfrom os import path, sep\n", ["json", "os:path", "os:sep"]),
        (
            "'doc'\nfrom __future__ import annotations\nX = 1\n"
            "def f(): pass\nclass C:\n    y = 2\nimport csv",
            ["csv"],
        ),
        ("import json\nimport os\nos.environ['A'] = '1'\nimport csv", ["json", "os"]),
        ("import json\nprint()\nimport csv", ["json"]),
        ("try:\n    import json\nexcept ImportError:\n    json = None\nimport csv", ["json", "csv"]),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import csv\nimport json",
            ["typing:TYPE_CHECKING", "json"],
        ),
        ("@decorated\ndef f(): pass\nimport json", []),
        ("def f(x=print()): pass\nimport json", []),
        ("def f():\n    import json\n", []),
    ],
)
def test_leading_imports(source: str, names: list[str]) -> None:
    assert leading_imports(source.encode())[0] == names


def test_modules_of_the_program_s_own_are_looked_into_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_warm_module.py").write_text("import csv\nimport json\nprint('effect')\nimport heapq\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    names, files = leading_imports(b"import bisect, own_warm_module, wave")
    assert names == ["bisect", "csv", "json"]
    assert files == {str(tmp_path / "own_warm_module.py")}
    assert "own_warm_module" not in sys.modules


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def preload(): pass\n{guard}", True),
        ("def f():\n    def preload(): pass\n{guard}", False),
        ("def preload(path): pass\n{guard}", False),
        ("def preload(): pass\ntrain()", False),
    ],
)
def test_preload_has_to_be_a_function_at_the_top_of_a_program_that_can_be_imported(
    source: str, expected: bool
) -> None:
    guard = 'if __name__ == "__main__":\n    train()'
    assert declares_preload(source.format(guard=guard).encode()) is expected


# -- with agents


def test_a_forked_run_that_has_ended_is_no_stray_though_its_server_was_not_heard(
    shop: Workshop, wait_until: WaitUntil
) -> None:
    sweep_id = shop.program("run.log({'score': 1.0})", values=(1,))
    agent = LocalAgent(shop.client, shop.row(sweep_id), n_slots=1)
    agent._join()
    with socket.socket() as unheard:
        agent._watcher = Watcher(shop.client.channel.address, sweep_id, unheard)
        agent._fill()
        agent._watcher.close()
    states = lambda: [child.status() for child in psutil.Process().children()]  # noqa: E731
    wait_until(lambda: psutil.STATUS_ZOMBIE in states(), "the run to end")
    agent._end_orphans()  # as at the end of another slot's run
    assert agent.work() == TRIED
    assert [(run.state, run.token) for run in shop.runs(sweep_id)] == [("finished", 1)]


def test_an_agent_at_work_goes_on_with_a_sweep_that_was_extended_meanwhile(
    shop: Workshop, wait_until: WaitUntil
) -> None:
    body = """import pathlib, time
while run.config['x'] == 1 and not pathlib.Path('go').exists():
    time.sleep(0.01)
run.log({'score': 1.0})"""
    sweep_id = shop.program(body, values=(1, 2, 3), run_cap=2)
    agent = LocalAgent(shop.client, shop.row(sweep_id), n_slots=2)
    seen: list[str] = []

    def extend(op: str, args: dict[str, Any], answer: Any) -> Any:
        if op == "lease" and "run" not in answer and not seen:
            seen.append(op)
            shop.client.call("edit", sweep_id=sweep_id, changes={"run_cap": 3})
        if len(shop.runs(sweep_id)) == 3:
            (shop.folder / "go").touch()
        return answer

    shop.overhear(extend)
    assert agent.work() == "finished"
    assert [run.state for run in shop.runs(sweep_id)] == ["finished"] * 3


def test_killing_the_server_amid_a_run_does_not_harm_the_run_and_another_takes_over(
    shop: Workshop, wait_until: WaitUntil
) -> None:
    body = """import pathlib, time
run.log({'score': run.config['x']}, step=1)
pathlib.Path(f"at{run.config['x']}").touch()
while run.config['x'] == 1 and not pathlib.Path('go').exists():
    time.sleep(0.01)
run.log({'score': run.config['x']}, step=2)"""
    sweep_id = shop.program(body)
    agent = LocalAgent(shop.client, shop.row(sweep_id))
    pids: list[int] = []

    def kill() -> None:
        wait_until((shop.folder / "at1").exists, "the first run")
        server = agent._launcher.server
        assert server is not None
        pids.append(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        (shop.folder / "go").touch()

    thread = threading.Thread(target=kill)
    thread.start()
    assert agent.work() == TRIED
    thread.join()
    assert [(r.state, r.token, r.score) for r in shop.runs(sweep_id)] == [
        ("finished", 1, 1.0),
        ("finished", 1, 2.0),
        ("finished", 1, 3.0),
    ]
    assert pids
    assert not is_alive(pids[0])


def test_an_agent_stopped_past_its_lease_loses_the_run_and_goes_on(
    shop: Workshop, start_agent: Callable[..., object], monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    from sharpen.coordinator import agent_ops

    rules_for = agent_ops.rules_for

    def short(*arguments: object) -> object:
        from dataclasses import replace

        return replace(rules_for(*arguments), lease_s=2.5)  # type: ignore[arg-type]

    monkeypatch.setattr(agent_ops, "rules_for", short)
    body = """import os, pathlib, time
first = not pathlib.Path('pid').exists()
if first:
    pathlib.Path('pid').write_text(str(os.getpid()))
    time.sleep(600)
run.log({'score': 1})"""
    sweep_id = shop.program(body, values=(1,))
    agent = start_agent(shop.home, sweep_id)
    wait_until(lambda: (shop.folder / "pid").exists() and (shop.folder / "pid").read_text(), "the program")
    pid = int((shop.folder / "pid").read_text())
    agent.send_signal(signal.SIGSTOP)
    wait_until(lambda: shop.runs(sweep_id)[0].lost == 1, "the lease to lapse")
    assert is_alive(pid)
    agent.send_signal(signal.SIGCONT)
    assert agent.communicate(timeout=60)[0] == f"{TRIED}\n"
    (run,) = shop.runs(sweep_id)
    assert (run.state, run.token, run.score) == ("finished", 2, 1.0)
    assert not is_alive(pid)


def test_what_leaves_the_session_of_a_program_is_ended_with_it(shop: Workshop) -> None:
    body = """import os, pathlib, subprocess, time
daemon = subprocess.Popen(['sleep', '1000'], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        pathlib.Path('forked').write_text(str(os.getpid()))
        time.sleep(1000)
    os._exit(0)
os.wait()
while not pathlib.Path('forked').exists() or not pathlib.Path('forked').read_text():
    time.sleep(0.01)
pathlib.Path('daemon').write_text(str(daemon.pid))
run.log({'score': 1})"""
    sweep_id = shop.program(body, values=(1,))
    shop.work(sweep_id)
    assert shop.runs(sweep_id)[0].state == "finished"
    for name in ("daemon", "forked"):
        pid = int((shop.folder / name).read_text())
        assert not is_alive(pid), name
        with contextlib.suppress(ChildProcessError):
            assert os.waitpid(pid, os.WNOHANG) == (0, 0), "nor is it a zombie of ours"


def test_a_hundred_megabytes_do_not_hold_it_up(shop: Workshop) -> None:
    body = """import sys
for i in range(1000):
    sys.stdout.write(('x' * 99 + '\\n') * 1000)
run.log({'score': 1})"""
    sweep_id = shop.program(body, values=(1,))
    shop.work(sweep_id)
    assert shop.runs(sweep_id)[0].state == "finished"
    assert len(shop.reader.console(f"{sweep_id}-1")) < 6 << 20


def test_a_missing_module_is_each_run_s_own_clear_failure(shop: Workshop) -> None:
    (shop.folder / "train.py").write_text("import json\nimport no_such_module\n")
    sweep_id = shop.sweep("${env}", "${interpreter}", "train.py", "${args}")
    shop.work(sweep_id)
    reasons = [(r.state, r.exit_code, r.reason) for r in shop.runs(sweep_id)]
    assert reasons == [("failed", 1, "ModuleNotFoundError: No module named 'no_such_module'")] * 3


@pytest.mark.usefixtures("_hasty")
def test_a_cancelled_run_gets_sigterm_at_once_and_sigkill_later(shop: Workshop) -> None:
    body = """import pathlib, signal, time
signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))
pathlib.Path('up').touch()
while True:
    time.sleep(0.01)"""
    sweep_id = shop.program(body, values=(1,))
    codes: list[int] = []

    def cancelling(op: str, args: dict[str, Any], answer: Any) -> Any:
        if op == "beat" and (shop.folder / "up").exists():
            answer["cancel"] = {f"{sweep_id}-1": "by a person"}
        if op == "exit":
            codes.append(args["exit_code"])
        return answer

    shop.overhear(cancelling)
    shop.work(sweep_id, n_runs=1)
    assert codes == [-9]
    assert shop.reader.console(f"{sweep_id}-1") == "asked\n"


def test_an_agent_leaves_when_there_is_no_work_for_long(shop: Workshop) -> None:
    sweep_id = shop.sweep("true")
    shop.overhear(lambda op, _, answer: {"wait": True} if op == "lease" else answer)
    agent = LocalAgent(shop.client, shop.row(sweep_id), idle_timeout_s=0.3)
    assert agent.work() == "no work for 0.3 s"


def test_a_checkpoint_comes_back(shop: Workshop) -> None:
    body = """import pathlib
if run.checkpoint is None:
    pathlib.Path('weights').write_text('some')
    run.log({'other': 1}, step=3)
    run.save_checkpoint('weights')
print(run.checkpoint and (run.checkpoint.path.read_text(), run.checkpoint.step))
run.log({'score': 1}, step=4)"""
    sweep_id = shop.program(body, values=(1, 2))

    def resuming(op: str, _: dict[str, Any], answer: Any) -> Any:
        if op == "lease" and answer.get("run", {}).get("run_id") == f"{sweep_id}-2":
            (kept,) = shop.reader.artifacts(run_id=f"{sweep_id}-1")
            answer["run"]["checkpoint"] = {"digest": kept.digest, "step": kept.metadata["step"]}
        return answer

    shop.overhear(resuming)
    shop.work(sweep_id)
    assert [r.state for r in shop.runs(sweep_id)] == ["finished"] * 2
    assert shop.reader.console(f"{sweep_id}-1") == "None\n"
    assert shop.reader.console(f"{sweep_id}-2") == "('some', 3)\n"


def story(shop: Workshop, sweep_id: str) -> list[object]:
    """Return everything of a sweep's runs but what the clock says."""
    return [
        (
            run.config,
            run.state,
            run.score,
            run.exit_code,
            run.reason,
            {name: value for name, value in run.summary.items() if not name.startswith("seconds/")},
            [(report.step, repr(report.metrics)) for report in shop.reader.reports(run_id=run.id)],
            [(file.name, file.digest, file.metadata) for file in shop.reader.artifacts(run_id=run.id)],
            shop.reader.console(run.id),
        )
        for run in shop.runs(sweep_id)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
def test_the_classifier_finds_the_same_warm_and_cold(shop: Workshop, model: str) -> None:
    said: list[str] = []
    stories = []
    for warm in (True, False):
        sweep_id = shop.sweep(
            "${env}",
            "${interpreter}",
            str(TRAINER),
            "${args}",
            parameters={
                "max_depth": {"values": [2, 4]},
                "tp_atr_mult": {"values": [1.5, 2.0]},
                "model": {"value": model},
                "n_estimators": {"value": 20},
                "n_folds": {"value": 4},
                "subsample": {"value": 0.7},
            },
            metric={"name": "val/sharpe", "goal": "maximize"},
            early_terminate={"type": "hyperband", "min_iter": 2, "eta": 2},
            seed=3,
        )
        agent = LocalAgent(shop.client, shop.row(sweep_id), warm=warm, say=said.append)
        assert agent.work() == TRIED
        stories.append(story(shop, sweep_id))
    assert stories[0] == stories[1]
    assert said == []
    assert {run[1] for run in stories[0]} >= {"finished"}
