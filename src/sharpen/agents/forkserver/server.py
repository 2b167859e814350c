"""The fork server's loop: get ready once, then fork off a process for each request.

It is started as ``python -c … SETTINGS`` by :mod:`sharpen.agents.forkserver.client` and ends with the agent.
On its socket come requests, ``{"id", "argv", "environment"}`` with two descriptors: one to print to, one for
the exit code. A fork takes longer than an answer, so one process is made ahead and stands by for the next
request; a request without an id and descriptors asks only for that. What goes back is ``{"ready": pid}``,
sent by the new process itself, then ``{"id", "pid"}`` or ``{"id", "failed"}``; ``{"files": …}``, what the
program was read from; or ``{"cold": reason}`` when nothing can be forked.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from sharpen.agents.forkserver import ahead
from sharpen.agents.forkserver.child import (
    die_with,
    end_main,
    exit_code_writer,
    rename_thread,
    reseed,
    run_main,
    set_title,
    start_main,
)
from sharpen.agents.forkserver.imports import (
    declares_preload,
    is_installed,
    leading_imports,
    only_calls_hydra,
    stamp_of,
)
from sharpen.agents.forkserver.sibling import fork_sibling

MAX_REQUEST_BYTES = 1 << 20
MOST_RESTARTS = 6
HEAD_START_S = 0.05  # for a run, before another process is made beside it
TASKS = Path("/proc/self/task")
STARTED_AS = tuple(sys.orig_argv)  # before the words of a run take its place


class CannotFork(Exception):
    """Nothing can be forked; says why."""


class _HasRun(Exception):
    """This process was forked off a program that was run ahead, and has the run that it waited for."""


@dataclass
class Server:
    """What a fork server knows.

    Attributes:
        settings: What the agent said: ``control`` (the socket's descriptor), ``program`` as given, ``agent``
            (its process id), ``lent`` (environment variables for the server alone), ``skip`` (modules that
            are for the runs to import), ``ahead`` (whether a program may be run up to where it asks for its
            run).
        standing_by: Where the process that was made ahead waits for its request.
        files: What was read, as it was then.
        is_ahead: Whether the program has been run up to where it asks for its run.
        write_exit_code: In a process that was forked off there: how to tell the agent its exit code.
    """

    settings: dict[str, Any]
    control: socket.socket
    workdir: str
    file: str
    code: CodeType
    preload: Any = None
    standing_by: socket.socket | None = None
    files: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    is_ahead: bool = False
    write_exit_code: Callable[[int], None] | None = None


def main() -> None:
    """Serve until the agent has gone; in a forked process, run the program."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    control.set_inheritable(False)
    set_title([sys.executable, f"sharpen-fork-server({settings['program']})"])
    try:
        server = _ready(settings, control)
        _tell_files(server)
    except CannotFork as reason:
        _send(control, {"cold": str(reason)})
        control.recv(1)  # the end of the agent, or of its interest
        return
    while _answer_next(server):
        pass


def _ready(settings: dict[str, Any], control: socket.socket) -> Server:
    """Do the program's imports, or what its ``preload`` does."""
    program = settings["program"]
    file = os.path.abspath(program)  # noqa: PTH100 - as Python names its main module: no links followed
    stamp = stamp_of(file)
    try:
        source = Path(file).read_bytes()
        code = compile(source, file, "exec", dont_inherit=True)
        declares = declares_preload(source)
        settings = settings | {"ahead": settings["ahead"] and only_calls_hydra(source, declares)}
    except (OSError, SyntaxError, ValueError) as problem:
        raise CannotFork(f"{program} cannot be read: {problem}") from problem
    server = Server(settings, control, os.getcwd(), file, code)  # noqa: PTH109 - a string is wanted
    sys.argv = [program]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(file))  # noqa: PTH120
    if stamp is not None:
        server.files[file] = stamp
    if declares:
        server.preload = _declared_preload(code, file)
        _refuse_threads("importing the program")
    else:
        names, files = leading_imports(source)
        server.files |= {name: stamp for name in files if (stamp := stamp_of(name))}
        _import_all(settings, names)
    return server


def _declared_preload(code: CodeType, file: str) -> Any:
    """Return the program's ``preload``: its module is run under another name than ``__main__``."""
    module = ModuleType("__preload__")
    module.__file__ = file
    sys.modules["__preload__"] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - it is the user's program
    except BaseException as problem:
        raise CannotFork(f"importing it to call its preload() failed: {_shown(problem)}") from problem
    return module.__dict__["preload"]


def _import_all(settings: dict[str, Any], names: list[str]) -> None:
    """Import modules; when one starts threads, begin anew without it."""
    skip: list[str] = settings["skip"]
    for name in names:
        if name.partition(":")[0].partition(".")[0] in skip:
            continue
        _import(name)
        if _n_threads() > 1:
            if len(skip) > MOST_RESTARTS:
                raise CannotFork(f"importing {', '.join(skip)} starts threads")
            culprit = name.partition(":")[0].partition(".")[0]
            _begin_anew(settings | {"skip": [*skip, culprit]})


def _begin_anew(settings: dict[str, Any]) -> None:
    """Let another server take this one's place; never returns."""
    os.set_inheritable(settings["control"], True)
    argv = [*STARTED_AS[:-1], json.dumps(settings)]
    os.execv(sys.executable, argv)  # noqa: S606 - no shell is wanted


def _import(name: str) -> None:
    module, _, attribute = name.partition(":")
    try:
        imported = importlib.import_module(module)
        if attribute and not hasattr(imported, attribute):
            importlib.import_module(f"{module}.{attribute}")
    except BaseException:  # noqa: S110 - the run will fail in the same way, and say so
        pass


def _answer_next(server: Server) -> bool:
    """Hand a request over to the process that stands by, and make the next; return whether more may come."""
    data, descriptors, _, _ = socket.recv_fds(server.control, MAX_REQUEST_BYTES, 2)
    if not data:
        return False
    request: dict[str, Any] = json.loads(data)
    try:
        if "id" not in request:
            _get_ahead(server, request)
            return True
        is_told = _hand_over(server, data, descriptors)
        if is_told:  # the next is not needed soon, but for whoever asks in a moment
            select.select([server.control], [], [], HEAD_START_S)
        _preload(server, request)
        _make_one(server, descriptors)
        if is_told:
            return True
        if _hand_over(server, data, descriptors):
            _make_one(server, descriptors)
        else:
            _send(server.control, {"id": request["id"], "failed": "the process made for it has died"})
    except CannotFork as reason:
        _send(server.control, {"cold": str(reason)})
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return True


def _get_ahead(server: Server, request: dict[str, Any]) -> None:
    """Have a process stand by for a request to come, as far on as the program can be run for all of them."""
    _preload(server, request)
    if server.settings["ahead"] and ahead.VARIABLE in request["environment"]:
        _run_ahead(server, request)
    _make_one(server, [])


def _run_ahead(server: Server, request: dict[str, Any]) -> None:
    """Run the program once up to where it asks for its run, and fork from there; never returns.

    Where it does not ask, or has threads by then, another server takes this one's place, which runs nothing.
    """
    os.chdir(server.workdir)
    os.environ.update(request["environment"])
    ahead.set_loop(lambda: _serve_from_here(server))
    main, exit_code = start_main(server.code, server.file, request["argv"])
    if server.write_exit_code is not None:
        end_main(main, exit_code, server.write_exit_code)
    _begin_anew(server.settings | {"ahead": False})


def _serve_from_here(server: Server) -> None:
    """Serve where the program asks for its run; return in each process that has one."""
    server.is_ahead = True
    try:
        _tell_files(server)
        _make_one(server, [])
        while _answer_next(server):
            pass
    except _HasRun:
        return
    except CannotFork:
        _begin_anew(server.settings | {"ahead": False})
    os._exit(0)


def _hand_over(server: Server, data: bytes, descriptors: list[int]) -> bool:
    """Tell the process that stands by what to run; return whether there was one."""
    if server.standing_by is None:
        return False
    with server.standing_by as near:
        server.standing_by = None
        try:
            socket.send_fds(near, [data], descriptors)
        except OSError:  # somebody has killed it
            return False
    return True


def _preload(server: Server, request: dict[str, Any]) -> None:
    """Let the program load what the run to come can share with others."""
    if server.preload is None:
        return
    sys.argv = request["argv"]
    os.environ.update(request["environment"])
    n_before = len(sys.modules)
    try:
        server.preload()
    except BaseException as problem:
        print(
            f"preload() failed: {_shown(problem)}", file=sys.stderr
        )  # the run will fail alike, or not need it
    if len(sys.modules) != n_before:
        _tell_files(server)


def _make_one(server: Server, descriptors: list[int]) -> None:
    """Make a process that stands by; it is a child of the agent, and has no use for these descriptors."""
    _refuse_threads("preloading")
    gc.freeze()  # a collection in a child must not touch, and so copy, what all of them share
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        pid = fork_sibling()
    except OSError as problem:
        near.close()
        far.close()
        raise CannotFork(f"cannot fork: {problem}") from problem
    if pid == 0:
        near.close()
        for descriptor in descriptors:
            os.close(descriptor)
        descriptors.clear()
        _stand_by(server, far)
    far.close()
    server.standing_by = near


def _stand_by(server: Server, far: socket.socket) -> None:
    """Do what can be done before the request, and wait for that; never returns.

    Raises:
        _HasRun: It goes on where the program has asked for its run.
    """
    os.setsid()
    if not die_with(server.settings["agent"]):
        os._exit(1)  # the agent has died
    rename_thread()
    reseed()
    with far:
        _send(server.control, {"ready": os.getpid()})
        data, descriptors, _, _ = socket.recv_fds(far, MAX_REQUEST_BYTES, 2)
    if not data:
        os._exit(0)  # the server has gone
    _become(server, json.loads(data), *descriptors)


def _become(server: Server, request: dict[str, Any], output: int, exit_fd: int) -> None:
    """Run the program of a request; never returns."""
    argv: list[str] = request["argv"]
    try:
        os.chdir(server.workdir)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        os.close(output)
        os.environ.update(request["environment"])
        for name in server.settings["lent"]:
            os.environ.pop(name, None)
        set_title([sys.executable, *argv])
        write_exit_code = exit_code_writer(exit_fd)
        _send(server.control, {"id": request["id"], "pid": os.getpid()})
        server.control.close()
    except OSError as problem:  # the folder has gone, say
        with contextlib.suppress(OSError):
            _send(server.control, {"id": request["id"], "failed": str(problem)})
        os._exit(1)
    if server.is_ahead:
        server.write_exit_code = write_exit_code
        raise _HasRun
    run_main(server.code, server.file, argv, write_exit_code)


def _tell_files(server: Server) -> None:
    """Tell the agent what was read that may change: the program and modules that are not installed."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file not in server.files and not is_installed(file):
            stamp = stamp_of(file)
            if stamp is not None:
                server.files[file] = stamp
    _send(server.control, {"files": server.files})


def _refuse_threads(when: str) -> None:
    if _n_threads() > 1:
        names = sorted({(task / "comm").read_text().strip() for task in TASKS.iterdir()})
        raise CannotFork(f"{when} leaves threads alive, which a fork would break ({', '.join(names)})")


def _n_threads() -> int:
    return sum(1 for _ in TASKS.iterdir())


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    control.send(json.dumps(message).encode())


def _shown(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"
