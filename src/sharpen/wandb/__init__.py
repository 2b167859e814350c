"""The words of the W&B client, for scripts that say ``import sharpen as wandb``.

``init_run`` has ``init``, ``run`` the run that it returns, ``sweeps`` has ``sweep`` and ``agent``, ``api``
the questions of ``Api()``, ``artifacts`` and ``media`` what is logged beside numbers. Each is imported when
one of its words is used. Runs go to the store: SHARPEN_SERVER, else SHARPEN_HOME, else ``.sharpen``; in a
sweep to whoever started the program. When the stock ``wandb agent`` did, every word is that client's own.

>>> import sharpen as wandb
>>> with wandb.init(mode="disabled", config={"lr": 0.1}) as run:
...     wandb.log({"loss": 10 * wandb.config.lr})
...     wandb.summary["loss"]
1.0
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from sharpen.hints import nearest

MODULES: Mapping[str, str] = {
    "init": "init_run",
    "login": "init_run",
    "setup": "init_run",
    "teardown": "init_run",
    "Settings": "init_run",
    "termlog": "init_run",
    "termwarn": "init_run",
    "termerror": "init_run",
    "run": "current",
    "config": "current",
    "summary": "current",
    "log": "current",
    "finish": "current",
    "define_metric": "current",
    "log_artifact": "current",
    "use_artifact": "current",
    "log_model": "current",
    "use_model": "current",
    "link_artifact": "current",
    "save": "current",
    "alert": "current",
    "watch": "current",
    "unwatch": "current",
    "mark_preempting": "current",
    "Run": "run",
    "AlertLevel": "run",
    "Config": "config",
    "Artifact": "artifacts",
    "Table": "media",
    "Image": "media",
    "Html": "media",
    "Histogram": "media",
    "sweep": "sweeps",
    "agent": "sweeps",
    "Api": "api",
}
"""The words, and the module that has each."""

STOCK = "with the stock client against 'sharpen serve' it works: docs/server.md"


def word(name: str) -> Any:
    """Return what a word of the client means here.

    Raises:
        AttributeError: The module has no such name.
        UsageError: It is ``config`` or ``summary``, and there is no run.
    """
    if _is_stock():
        return getattr(import_module("wandb"), name)
    if name not in MODULES:
        meant = nearest(name, MODULES)
        hint = f"; {meant}" if meant else ""
        raise AttributeError(f"sharpen has no wandb.{name}{hint}; {STOCK}")
    return getattr(import_module(f"sharpen.wandb.{MODULES[name]}"), name)


def _is_stock() -> bool:
    """Return whether the stock agent started this program, and no agent of ours."""
    environment = os.environ
    return (
        bool(environment.get("WANDB_SWEEP_ID") and environment.get("WANDB_RUN_ID"))
        and "SHARPEN_RUN" not in environment
    )


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'sharpen.wandb' has no attribute {name!r}")
    return word(name)
