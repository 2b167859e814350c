"""``-m``: create the sweep of a folder, or go on with it, and keep the folder's files up to date."""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.sharpen_sweeper._command_line import read_command_line
from hydra_plugins.sharpen_sweeper._overrides import SWEEP_DIR, command_of, module_of_main, overrides_of
from hydra_plugins.sharpen_sweeper._results import Results
from hydra_plugins.sharpen_sweeper._settings import ANALYSES, Settings, read_settings
from hydra_plugins.sharpen_sweeper._translation import run_cap, sweep_text
from hydra_plugins.sharpen_sweeper._trial import base_of, groups_of
from sharpen import spec
from sharpen.agents.agent_process import AgentProcess
from sharpen.agents.interrupts import interrupts
from sharpen.coordinator import connect
from sharpen.coordinator.restore import rules_for
from sharpen.errors import UsageError
from sharpen.store.queries import Reader
from sharpen.sweep import SweepStatus
from sharpen.wire import Client

log = logging.getLogger("sharpen.hydra")

POLL_S = 0.05
LOOK_EVERY_S = 0.5
INTERRUPTED = 130
ABOUT = "sharpen.json"
LATEST = "latest"


def search(
    context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str]
) -> float | None:
    """Carry out the sweep of a configuration; return the best performance, None when there is none.

    Raises:
        SharpenError: The configuration has problems, or the store or the agent cannot work.
    """
    command_line = read_command_line(arguments, config.hydra.sweeper.get("params"))
    base = base_of(context, config, command_line)
    settings = read_settings(config, base, command_line)
    for path, sentence in settings.notes:
        log.warning("%s: %s", path, sentence)
    if settings.method in ANALYSES:
        from hydra_plugins.sharpen_sweeper._analysis import analyse  # noqa: PLC0415 - it imports a lot

        return analyse(settings)
    settings = _with_cap(settings)
    folder = _named(Path(config.hydra.sweep.dir))
    program, command = command_of(sys.argv, folder, module_of_main())
    text = sweep_text(settings, str(config.hydra.job.name), program, command)
    parsed = spec.parse(text, where="hydra.sweeper, as a sweep file")
    rules_for(parsed, 0, settings.n_trials)  # a setting that the method does not have is told before all else
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")
    _link(folder)
    home = Path(os.environ.get("SHARPEN_HOME", ".sharpen")).absolute()

    def compose(chosen: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        groups = groups_of(context, chosen, command_line)
        overrides = overrides_of({name: chosen[name] for name in groups}, groups)
        left = {name: value for name, value in chosen.items() if name not in groups}
        return base_of(
            context, config, replace(command_line, overrides=(*command_line.overrides, *overrides))
        ), left

    with connect(home) as client, interrupts() as seen:
        sweep_id = _sweep_of(client, home, folder, settings, (text, parsed))
        results = Results(Reader(home), sweep_id, folder, settings, compose)
        _drive(home, sweep_id, settings, results, seen)
    if seen:
        log.warning("interrupted: the same command with hydra.sweep.dir=%s goes on", folder)
        sys.exit(INTERRUPTED)
    _conclude(results, sweep_id, folder)
    return results.best


def _named(folder: Path) -> Path:
    """Return a folder by its own name, where it is given as ``latest``, which is to be another one soon."""
    return folder.parent / folder.readlink() if folder.is_symlink() else folder


def _with_cap(settings: Settings) -> Settings:
    """Return the settings with the number of runs that is meant, and say it where another is written."""
    cap = run_cap(settings)
    if cap != settings.n_trials:
        warning = "hydra.sweeper.n_trials: %s is read as the members of the population: n_trials: %s counts"
        log.warning(f"{warning} their intervals", settings.n_trials, cap)
    return replace(settings, n_trials=cap)


def _sweep_of(
    client: Client, home: Path, folder: Path, settings: Settings, file: tuple[str, spec.Sweep]
) -> str:
    """Return the id of the folder's sweep: the one that it has, reopened, or a new one of a sweep file."""
    text, parsed = file
    about = folder / ABOUT
    if about.exists():
        sweep_id = json.loads(about.read_text())["sweep"]
        reader = Reader(home)
        _check_same(reader, sweep_id, parsed, folder)
        n_runs, n_trials = reader.sweep(sweep_id).n_created, settings.n_trials
        cap = None if n_trials is None else max(n_trials, n_runs)
        answer = client.call("reopen", sweep_id=sweep_id, run_cap=cap)
        log.info("going on with sweep %s, which is %s", sweep_id, answer["status"])
        if n_trials is not None and n_runs >= n_trials and not SweepStatus(answer["status"]).is_open:
            log.info("it has %d runs already, and n_trials is %d: nothing more to run", n_runs, n_trials)
        return sweep_id
    origin = {"source": str(folder / "multirun.yaml"), "workdir": str(Path.cwd())}
    request: dict[str, Any] = {
        "text": text,
        "place": origin,
        "run_cap": settings.n_trials,
        "seed": settings.seed,
    }
    sweep_id = client.call("create_sweep", key=secrets.token_hex(16), **request)["sweep_id"]
    about.write_text(json.dumps({"sweep": sweep_id, "store": str(home)}) + "\n")
    log.info("sweep %s (%s) in %s: sharpen runs %s lists its runs", sweep_id, parsed.name, folder, sweep_id)
    return sweep_id


def _check_same(reader: Reader, sweep_id: str, new: spec.Sweep, folder: Path) -> None:
    """Refuse to go on with a sweep by another search.

    Raises:
        UsageError: The space, the method or the command is not the stored one.
    """
    row = reader.sweep(sweep_id)
    if _search_of(spec.parse(row.spec, where=row.source)) != _search_of(new):
        raise UsageError(
            f"{folder} holds sweep {sweep_id}, whose search space, method or command differs: give the same "
            "words to go on with it, or another hydra.sweep.dir"
        )


def _search_of(sweep: spec.Sweep) -> spec.Sweep:
    """Return what a sweep searches, however its folder is spelled."""
    command = tuple(word for word in sweep.command if not word.startswith(SWEEP_DIR))
    return replace(sweep, source_text="", prior=(), command=command)


def _drive(home: Path, sweep_id: str, settings: Settings, results: Results, seen: Sequence[int]) -> None:
    reader = Reader(home)
    results.update()
    if not SweepStatus(reader.sweep(sweep_id).status).is_open:
        return
    n_slots = settings.n_workers or _n_cores()
    agent = AgentProcess(home, sweep_id, n_slots)
    try:
        look_at = 0.0
        while not seen and agent.supervise(lambda: SweepStatus(reader.sweep(sweep_id).status).is_open):
            time.sleep(POLL_S)
            if time.monotonic() >= look_at:
                results.update()
                look_at = time.monotonic() + LOOK_EVERY_S
    finally:
        agent.end()
    results.update()


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _link(folder: Path) -> None:
    """Let ``latest`` beside the folder name it; something else of that name stays."""
    link = folder.parent / LATEST
    if link.exists() and not link.is_symlink():
        return
    draft = folder.parent / f".{LATEST}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(folder.name, target_is_directory=True)
    draft.replace(link)


def _conclude(results: Results, sweep_id: str, folder: Path) -> None:
    if results.best is None:
        log.error("no run of sweep %s has a performance; see %s", sweep_id, f"sharpen runs {sweep_id}")
        sys.exit(1)
    log.info(
        "best performance %.6g, run %s; %s", results.best, results.best_run, folder / "final_config.yaml"
    )
    log.info("is it real? sharpen report %s", sweep_id)
