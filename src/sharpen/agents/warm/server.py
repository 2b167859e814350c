"""The fork server's loop: get ready once, then fork off a process for each request.

It is started as ``python -c … SETTINGS`` by :mod:`sharpen.agents.warm.client` and ends with the agent. On its
socket come requests, ``{"id", "argv", "environment"}`` with a descriptor to print to. What goes back is
``{"id", "pid"}``, said by the new process itself when it is the agent's child, or ``{"id", "failed"}``;
``{"files": …}``, what the program was read from; or ``{"cold": reason}`` when nothing can be forked.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from sharpen.agents.warm.child import die_with, rename_thread, reseed, run_main, set_title
from sharpen.agents.warm.imports import declares_preload, is_installed, leading_imports, stamp_of
from sharpen.agents.warm.sibling import fork_sibling

MAX_REQUEST_BYTES = 1 << 20
MOST_RESTARTS = 6
TASKS = Path("/proc/self/task")


class Cold(Exception):
    """Nothing can be forked; says why."""


@dataclass
class Server:
    """What a fork server knows.

    Attributes:
        settings: What the agent said: ``control`` (the socket's descriptor), ``program`` as given, ``agent``
            (its process id), ``lent`` (environment variables for the server alone), ``skip`` (modules that
            are for the runs to import).
    """

    settings: dict[str, Any]
    control: socket.socket
    workdir: str
    file: str
    code: CodeType
    preload: Any = None
    files: dict[str, list[int]] = field(default_factory=dict[str, list[int]])


def main() -> None:
    """Serve until the agent has gone; in a forked process, run the program."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    control.set_inheritable(False)
    set_title([sys.executable, f"sharpen-fork-server({settings['program']})"])
    try:
        server = _ready(settings, control)
        _tell_files(server)
    except Cold as reason:
        _say(control, {"cold": str(reason)})
        control.recv(1)  # the end of the agent, or of its interest
        return
    while _answer_next(server):
        pass


def _ready(settings: dict[str, Any], control: socket.socket) -> Server:
    """Do the program's imports, or what its ``preload`` does."""
    given = settings["program"]
    file = os.path.abspath(given)  # noqa: PTH100 - as Python names its main module: no links followed
    stamp = stamp_of(file)
    try:
        source = Path(file).read_bytes()
        code = compile(source, file, "exec", dont_inherit=True)
        declares = declares_preload(source)
    except (OSError, SyntaxError, ValueError) as problem:
        raise Cold(f"{given} cannot be read: {problem}") from problem
    server = Server(settings, control, os.getcwd(), file, code)  # noqa: PTH109 - a string is wanted
    sys.argv = [given]
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
        raise Cold(f"importing it to call its preload() failed: {_words(problem)}") from problem
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
                raise Cold(f"importing {', '.join(skip)} starts threads")
            culprit = name.partition(":")[0].partition(".")[0]
            settings = settings | {"skip": [*skip, culprit]}
            os.set_inheritable(settings["control"], True)
            words = [*sys.orig_argv[:-1], json.dumps(settings)]
            os.execv(sys.executable, words)  # noqa: S606 - no shell is wanted


def _import(name: str) -> None:
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
        if attribute and not hasattr(found, attribute):
            importlib.import_module(f"{module}.{attribute}")
    except BaseException:  # noqa: S110 - the run will fail in the same way, and say so
        pass


def _answer_next(server: Server) -> bool:
    """Answer a request; return whether there may be more."""
    data, descriptors, _, _ = socket.recv_fds(server.control, MAX_REQUEST_BYTES, 1)
    if not data:
        return False
    request: dict[str, Any] = json.loads(data)
    try:
        _preload(server, request)
        _refuse_threads("preloading")
        _fork(server, request, descriptors[0])
    except Cold as reason:
        _say(server.control, {"cold": str(reason)})
    finally:
        os.close(descriptors[0])
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
            f"preload() failed: {_words(problem)}", file=sys.stderr
        )  # the run will fail alike, or not need it
    if len(sys.modules) != n_before:
        _tell_files(server)


def _fork(server: Server, request: dict[str, Any], output: int) -> None:
    """Make a new process, which is a child of the agent."""
    gc.freeze()  # a collection in a child must not touch, and so copy, what all of them share
    try:
        pid = fork_sibling()
    except OSError as problem:
        raise Cold(f"cannot fork: {problem}") from problem
    if pid == 0:
        _become(server, request, output)


def _become(server: Server, request: dict[str, Any], output: int) -> None:
    argv: list[str] = request["argv"]
    try:
        os.setsid()
        if not die_with(server.settings["agent"]):
            os._exit(1)  # the agent has died
        os.chdir(server.workdir)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        os.close(output)
        os.environ.update(request["environment"])
        for name in server.settings["lent"]:
            os.environ.pop(name, None)
        set_title([sys.executable, *argv])
        rename_thread()
        reseed()
        _say(server.control, {"id": request["id"], "pid": os.getpid()})
        server.control.close()
    except OSError as problem:  # the folder has gone, say
        with contextlib.suppress(OSError):
            _say(server.control, {"id": request["id"], "failed": str(problem)})
        os._exit(1)
    run_main(server.code, server.file, argv)


def _tell_files(server: Server) -> None:
    """Tell the agent what was read that may change: the program and modules that are not installed."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file not in server.files and not is_installed(file):
            stamp = stamp_of(file)
            if stamp is not None:
                server.files[file] = stamp
    _say(server.control, {"files": server.files})


def _refuse_threads(when: str) -> None:
    if _n_threads() > 1:
        names = sorted({(task / "comm").read_text().strip() for task in TASKS.iterdir()})
        raise Cold(f"{when} leaves threads alive, which a fork would break ({', '.join(names)})")


def _n_threads() -> int:
    return sum(1 for _ in TASKS.iterdir())


def _say(control: socket.socket, words: dict[str, Any]) -> None:
    control.send(json.dumps(words).encode())


def _words(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"
