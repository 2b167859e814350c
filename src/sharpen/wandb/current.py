"""The run that ``init`` returned last: what ``wandb.log`` and the other words without a run mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sharpen.errors import UsageError

if TYPE_CHECKING:
    from sharpen.wandb.run import Run

OF_RUN = (
    "log",
    "finish",
    "define_metric",
    "log_artifact",
    "use_artifact",
    "log_model",
    "use_model",
    "link_artifact",
    "save",
    "alert",
    "watch",
    "unwatch",
    "mark_preempting",
)
open_runs: list[Run] = []
"""Those that are not finished, the newest last."""


def newest(name: str) -> Run:
    """Return the newest run.

    Raises:
        UsageError: There is none.
    """
    if not open_runs:
        raise UsageError(f"call wandb.init() before wandb.{name}")
    return open_runs[-1]


def __getattr__(name: str) -> Any:
    if name == "run":
        return open_runs[-1] if open_runs else None
    if name in ("config", "summary"):
        return getattr(newest(name), name)
    if name == "finish" and not open_runs:
        return _nothing
    if name in OF_RUN:
        return getattr(newest(name), name)
    raise AttributeError(f"module 'sharpen.wandb.current' has no attribute {name!r}")


def _nothing(*_args: Any, **_more: Any) -> None:
    """Do nothing: ``finish`` without a run."""
