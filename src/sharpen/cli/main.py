"""The root command, and what every verb shares: the store's folder and the exit codes."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import sys
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from sharpen import __version__
from sharpen.cli import exit_codes
from sharpen.cli.options import tie, untie
from sharpen.cli.same_store import is_from_environment
from sharpen.cli.terminal import echo
from sharpen.cli.wandb_verbs import in_own_verbs
from sharpen.errors import SharpenError, StoreHeld, UsageError
from sharpen.extras import missing_extra
from sharpen.http import folder_of

# each verb's module, in the order of a day's work; it is imported when the verb is called for
VERBS = {
    "run": "sweep",
    "resume": "sweep",
    "sweep": "sweep",
    "agent": "agent",
    "ls": "listing",
    "info": "info",
    "best": "listing",
    "runs": "listing",
    "logs": "listing",
    "export": "export",
    "pause": "control",
    "stop": "control",
    "cancel": "control",
    "edit": "control",
    "queue": "queue",
    "rerun": "queue",
    "note": "annotate",
    "tag": "annotate",
    "delete": "control",
    "report": "conclude",
    "importance": "importance",
    "aggregate": "aggregate",
    "compare": "aggregate",
    "permute": "permute",
    "finalists": "finalists",
    "validate": "validate",
    "register": "promote",
    "models": "models",
    "artifact": "artifact",
    "promote": "promote",
    "rollback": "promote",
    "discord": "discord",
    "notify": "notify",
    "paper": "paper",
    "data": "data",
    "serve": "serve",
    "key": "key",
    "store": "store_copy",
    "project": "project",
    "doctor": "doctor",
    "backup": "maintenance",
    "gc": "maintenance",
}
NO_MEMORY = (
    "the memory is used up: read less at once, or raise its limit (of 'ulimit -v', a container, a job)"
)
LONGEST_PATH = 80  # letters of one in a message
HOME_HELP = "The store's folder. [default: .sharpen under the current folder]"
SERVER_HELP = "The URL of a 'sharpen serve', whose store is meant in place of a folder."
NO_SERVER = {
    "serve": "serve answers for a store on this machine",
    "key": "key changes the keys of a store on this machine: the file of keys never leaves the server",
    "backup": "backup copies a store on this machine",
    "gc": "gc clears a store on this machine",
    "store": "store copies stores that this machine reaches",
    "discord": "discord reads the settings of a store on this machine",
    "notify": "notify reads the settings of a store on this machine",
    "paper": "paper trades from a store on this machine: a broker's orders must not wait for a network",
}
"""Verbs that know nothing of servers, and why."""

STORE_HELP = (
    "A database for the store, as in postgresql://USER@HOST/DATABASE. [default: a file in its folder]"
)

HINTS = {
    "sweep": "Give an id of 'sharpen ls', or 'last'.",
    "run": "Give an id of 'sharpen runs SWEEP', or 'last-best'.",
    "sweep_or_run": "Give an id of 'sharpen ls' or 'sharpen runs SWEEP', or 'last'.",
}
"""What to give where an argument is missing, by its name."""


class Root(click.Group):
    """Has the verbs of :data:`VERBS`, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb of a name; None when there is none."""
        if cmd_name not in VERBS:
            return None
        with _collecting_nothing():
            command: click.Command = getattr(import_module(f"sharpen.cli.{VERBS[cmd_name]}"), cmd_name)
        if cmd_name not in NO_SERVER and all(param.name != "server" for param in command.params):
            command.params.append(_server_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that is meant, also by the words of the ``wandb`` client's users."""
        return super().resolve_command(ctx, in_own_verbs(args))

    def main(self, *args: Any, **more: Any) -> Any:
        """Run the command; words that cannot be written, those of ``--help`` too, end as a sentence."""
        if not (args or more):
            _begin_in_utf8()
            _open_streams()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")  # a locale without the letters of a name
        try:
            try:
                return super().main(*args, **more)
            finally:
                sys.stdout.flush()  # what waits in it is written at the end, where nobody would be told
        except BrokenPipeError:
            _leave_quietly()
        except MemoryError:
            echo(f"sharpen: {NO_MEMORY}", err=True, fg="red")
            sys.exit(exit_codes.FAILED)
        except OSError as problem:
            _write_no_more()
            with contextlib.suppress(OSError):
                echo(f"sharpen: {_sentence(problem)}", err=True, fg="red")
            sys.exit(exit_codes.FAILED)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; an error of ours ends as a sentence on stderr."""
        try:
            return super().invoke(ctx)
        except click.MissingParameter as problem:
            hint = HINTS.get(problem.param.name or "") if problem.param is not None else None
            if hint is None:
                raise
            raise click.MissingParameter(hint, problem.ctx, problem.param) from None
        except SharpenError as problem:
            sys.exit(_refuse(ctx, problem))
        except ModuleNotFoundError as problem:
            missing = missing_extra(problem)
            if missing is None:
                raise
            echo(f"sharpen: {missing.message}", err=True, fg="red")
            sys.exit(exit_codes.USAGE)
        except KeyboardInterrupt:
            echo("sharpen: interrupted", err=True)
            sys.exit(exit_codes.INTERRUPTED)
        except BrokenPipeError:  # here, for click would end it with another code
            _leave_quietly()


def _refuse(ctx: click.Context, problem: SharpenError) -> int:
    """Say what is wrong, and return the exit code."""
    echo(f"sharpen: {problem.message}", err=True, fg="red")
    if isinstance(problem, StoreHeld):
        untie(ctx)
    is_call = isinstance(problem, UsageError) or problem.facts.get("is_lasting", False)
    return exit_codes.USAGE if is_call else exit_codes.FAILED


def _open_streams() -> None:
    """Open the null device for streams that are closed: the store's files would take their numbers."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: the stream's
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", encoding="utf-8"))


def _begin_in_utf8() -> None:
    """Begin anew in Python's UTF-8 mode under a locale of fewer letters: files are read as UTF-8 here."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        argv = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, argv, {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606 - no shell is wanted


@contextlib.contextmanager
def _collecting_nothing() -> Generator[None]:
    """Let no garbage be looked for among what imports make: all of it is there to stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _server_option() -> click.Option:
    """Return the option that names a server behind a verb; the same before it is the group's own."""
    return click.Option(
        ["--server"], metavar="URL", help=SERVER_HELP, expose_value=False, callback=_use_server
    )


def _use_server(ctx: click.Context, _option: click.Parameter, url: str | None) -> None:
    if url is None:
        return
    if ctx.find_root().params.get("home") is not None and not is_from_environment(ctx.find_root(), "home"):
        raise UsageError("--home and --server: a verb works on one store, so give one of them")
    ctx.obj = folder_of(url)


def _write_no_more() -> None:
    """Let what is still to be written to stdout go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave_quietly() -> NoReturn:
    """End where whoever read our output has left, as ``sharpen runs SWEEP | head`` does."""
    _write_no_more()
    sys.exit(exit_codes.BROKEN_PIPE)


def _sentence(problem: OSError) -> str:
    if problem.filename is None:
        return f"the output cannot be written: {problem.strerror}"
    return f"{_short(problem.filename)}: {problem.strerror}"


def _short(path: Any) -> str:
    text = str(path)
    return repr(text if len(text) <= LONGEST_PATH else f"{text[:LONGEST_PATH]}…")


def _folder(home: Path) -> Path:
    """Return the store's folder, whether it is there or not.

    Raises:
        UsageError: It is no name of a folder.
    """
    try:
        (home / "store.db").stat()
    except ValueError as problem:  # with a NUL
        raise UsageError(f"--home {_short(home)}: {problem}") from problem
    except OSError as problem:
        if problem.errno == errno.ENAMETOOLONG:  # whatever else is wrong, the verb will say
            raise UsageError(f"--home {_short(home)}: {problem.strerror}") from problem
    return home.absolute()


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--home", envvar="SHARPEN_HOME", type=click.Path(path_type=Path), help=HOME_HELP)
@click.option("--server", envvar="SHARPEN_SERVER", metavar="URL", help=SERVER_HELP)
@click.option("--store", envvar="SHARPEN_STORE", metavar="URL", help=STORE_HELP)
@click.version_option(__version__, prog_name="sharpen")
@click.pass_context
def main(ctx: click.Context, home: Path | None, server: str | None, store: str | None) -> None:
    """Tune trading models honestly.

    Describe a search in one YAML file; sharpen runs it on every core, validates each configuration
    walk-forward, and says whether the winner is real or merely the luckiest of N.

    \b
      sharpen run sweeps/xgboost_sweep.yaml --agents 2     run a sweep and judge it
      sharpen ls                                           what there is
      sharpen best last                                    the winner of the newest sweep
      sharpen permute RUN                                  does its score need the order of the bars?
      sharpen validate RUN                                 open the lockbox for it, once

    SWEEP is a sweep's id, the start of one, or the word "last"; RUN is a sweep and a
    number, such as k3v9x2aq-7 or "last-7", and "last-best" the best. Everything lives in one folder,
    .sharpen, which --home or SHARPEN_HOME can move; --server or SHARPEN_SERVER name a store that another
    machine serves.
    """
    ctx.obj = _folder(home or Path(".sharpen"))
    if server and not (
        home is not None and not is_from_environment(ctx, "home") and is_from_environment(ctx, "server")
    ):  # a folder that was given wins over a server that was set for every command
        verb = ctx.invoked_subcommand or ""
        if verb in NO_SERVER:
            how = "unset SHARPEN_SERVER" if is_from_environment(ctx, "server") else "leave --server out"
            raise UsageError(f"{NO_SERVER[verb]}; {how}")
        if store:
            raise UsageError(
                "--server and --store name two stores: leave one of them out, SHARPEN_* included"
            )
        _use_server(ctx, ctx.command.params[0], server)
    elif store and not ctx.resilient_parsing:
        tie(ctx, store)
