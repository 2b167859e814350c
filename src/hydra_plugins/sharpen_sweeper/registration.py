"""What Hydra has to know: the names under ``hydra/sweeper``, and where Hypersweeper's forms are spoken.

The configurations are plain mappings, so that a key that is none is told by the sweeper, with its place and
the nearest one, and not by Hydra. Each known key is there, for only such keys can be set from the command
line without a ``+``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from hydra._internal.callbacks import Callbacks
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin

from hydra_plugins.sharpen_sweeper.sweeper import SharpenSweeper

TARGET = "hydra_plugins.sharpen_sweeper.sweeper.SharpenSweeper"
OPTIMIZER_KEYS = (
    *("smac_facade", "scenario", "initial_design", "intensifier", "min_fidelity", "max_fidelity", "eta"),
    *("population_size", "config_interval", "perturbation_interval", "quantiles", "quantile_fraction"),
    *("data_path", "prior_weight"),
)
OWN_KEYS = (
    *("n_workers", "method", "folds", "fold_keyword", "seeds", "seed_keyword", "maximize", "on_oom"),
    *("warmstart", "warmstart_file", "early_terminate", "seed"),
)
HYPERSWEEPER_KEYS = (
    *("search_space", "resume", "budget", "n_trials", "budget_variable", "loading_variable"),
    *("saving_variable",),
)
KWARGS_KEYS = (
    *("seeds", "seed_keyword", "maximize", "deterministic", "max_parallelization", "job_array_size_limit"),
    *("min_budget", "max_budget", "slurm", "slurm_timeout", "wandb_project", "wandb_entity", "wandb_tags"),
    *("checkpoint_tf", "load_tf", "checkpoint_path_typing", "warmstart_file"),
)
NAMES = {
    "sharpen": None,
    "HyperSMAC": "hydra_plugins.hyper_smac.hyper_smac.make_smac",
    "HyperDEHB": "hydra_plugins.hyper_dehb.hyper_dehb.make_dehb",
    "HyperPBT": "hydra_plugins.hyper_pbt.hyper_pbt.make_pbt",
    "HyperPB2": "hydra_plugins.hyper_pbt.hyper_pb2.make_pb2",
    "HyperHEBO": "hydra_plugins.hyper_hebo.hyper_hebo.make_hebo",
    "HyperRS": "hydra_plugins.hyper_rs.hyper_rs.make_rs",
    "HyperLPI": "hydra_plugins.hyper_analysis.hyper_analysis.make_lpi",
    "HyperAblation": "hydra_plugins.hyper_analysis.hyper_analysis.make_ablation",
}
OF_A_RUN = ("SHARPEN_RUN", "SHARPEN_AHEAD")
"""Set where an agent has started the program."""
MARK = b"hydra_plugins."
MOST_FILES = 200
MOST_BYTES = 1 << 16


def node(constructor: str | None) -> dict[str, Any]:
    """Return the configuration of a name under ``hydra/sweeper``: every key, most of them without a value."""
    within = dict.fromkeys((*KWARGS_KEYS, *OPTIMIZER_KEYS))
    kwargs: dict[str, Any] = {**within, "optimizer_kwargs": dict.fromkeys(OPTIMIZER_KEYS)}
    keys: dict[str, Any] = dict.fromkeys((*HYPERSWEEPER_KEYS, *OWN_KEYS, "max_batch_size", "params"))
    return {"_target_": TARGET, "opt_constructor": constructor, **keys, "sweeper_kwargs": kwargs}


def configuration_of(name: str) -> Callable[[str], dict[str, Any]]:
    """Return what a module under Hypersweeper's name answers with: a configuration, and a line that says so.

    Args:
        name: As ``override hydra/sweeper`` has it.
    """

    def answer(attribute: str) -> dict[str, Any]:
        if attribute != f"{name}Config":
            raise AttributeError(attribute)
        print(
            f"sharpen: {attribute} is its own: choose it by 'override hydra/sweeper: {name}'", file=sys.stderr
        )
        return node(NAMES[name])

    return answer


def register() -> None:
    """Put the names into Hydra's store; Hypersweeper's own names only where it is not installed itself.

    Hydra copies its whole store each time that it reads a configuration: so the keys are there once, and
    Hypersweeper's names begin with them.
    """
    store = ConfigStore.instance()
    for name, constructor in NAMES.items():
        if constructor is None:
            store.store(group="hydra/sweeper", name=name, node=node(None), provider="sharpen")
        elif not _has_hypersweeper():
            short = {"defaults": ["sharpen", "_self_"], "opt_constructor": constructor}
            store.store(group="hydra/sweeper", name=name, node=short, provider="sharpen")


def _has_hypersweeper() -> bool:
    return importlib.util.find_spec("hydra_plugins.hypersweeper") is not None


class SharpenSearchPath(SearchPathPlugin):
    """Lets a program whose configurations speak of Hypersweeper set its keys without an override.

    Hydra's own default sweeper takes two keys and refuses all others before any sweeper is made. Only for a
    program with a configuration that names a sweeper of Hypersweeper's or ours is it replaced; where then
    nothing asks for a search, the default sweeper does the work after all.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Look at the program's configurations; the search path stays as it is."""
        if any(_names_a_sweeper(element.path) for element in search_path.get_path()):
            default = ConfigStore.instance()
            default.store(group="hydra/sweeper", name="basic", node=node(None), provider="sharpen")


def _names_a_sweeper(path: str) -> bool:
    if "://" in path and not path.startswith("file://"):
        return False
    folder = Path(unquote(path.removeprefix("file://")))
    if not folder.is_dir():
        return False
    files = sorted(folder.rglob("*.yaml"))[:MOST_FILES]
    return any(MARK in file.read_bytes()[:MOST_BYTES] for file in files if file.is_file())


def _under_the_name(module: str) -> type[SharpenSweeper]:
    """Return the sweeper under the name that a configuration's ``_target_`` may have."""
    return type("Hypersweeper", (SharpenSweeper,), {"__module__": module, "__doc__": SharpenSweeper.__doc__})


def leave_callbacks_to_the_sweep() -> None:
    """Let Hydra call back that a sweep begins and ends in the process that was typed, once.

    Each run starts the same command, so that Hydra would say it of every run.
    """
    for event in ("on_multirun_start", "on_multirun_end"):
        setattr(Callbacks, event, _unheard)


def _unheard(*_args: Any, **_kwargs: Any) -> None:
    """Do nothing."""


register()
if any(os.environ.get(name) for name in OF_A_RUN):
    leave_callbacks_to_the_sweep()
if not _has_hypersweeper():
    Short = _under_the_name("hydra_plugins.hypersweeper")
    Long = _under_the_name("hydra_plugins.hypersweeper.hypersweeper")
