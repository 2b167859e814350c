"""Libraries that only some of sharpen needs, and the extra that brings each."""

from __future__ import annotations

from importlib.util import find_spec

from sharpen.errors import MissingExtra

REPORT = ("pyarrow", "jinja2", "markupsafe", "plotly", "numba", "scipy")
"""What a report and a verdict need."""

EXTRAS = {
    **dict.fromkeys(REPORT, "report"),
    **dict.fromkeys(("polars", "talib", "bokeh_sampledata", "arch"), "data"),
    **dict.fromkeys(("optuna", "cmaes"), "samplers"),
    **dict.fromkeys(("xgboost", "lightgbm"), "boosted"),
    **dict.fromkeys(("torch", "gymnasium", "safetensors", "skfolio"), "rl"),
    **dict.fromkeys(("hydra", "omegaconf"), "hydra"),
    "sklearn": "importance",
    **dict.fromkeys(("smac", "ConfigSpace"), "smac"),
    "psycopg": "postgres",
    "ray": "ray",
    "submitit": "slurm",
    **dict.fromkeys(("graphql", "starlette", "uvicorn", "httptools", "regex"), "server"),
    "nacl": "discord",
    "httpx": "notify",
    **dict.fromkeys(("alpaca", "exchange_calendars", "requests"), "alpaca"),
}
"""The extra that brings a library, by the name that it is imported by."""


def missing_extra(problem: ModuleNotFoundError) -> MissingExtra | None:
    """Return what to install after an import failed; None for a library that no extra brings.

    >>> missing_extra(ModuleNotFoundError("No module named 'plotly'", name="plotly.graph_objects"))
    MissingExtra("plotly is not installed: pip install 'sharpen[report]'")
    """
    package = (problem.name or "").partition(".")[0]
    return MissingExtra(package, EXTRAS[package]) if package in EXTRAS else None


def require_report() -> None:
    """Refuse what ends with a report where one cannot be made, before any work is done.

    Raises:
        MissingExtra: A library is not installed.
    """
    for package in REPORT:
        require(package, "report")


def require(package: str, extra: str) -> None:
    """Refuse to go on without a library, which is not imported yet.

    Raises:
        MissingExtra: It is not installed.
    """
    if not _is_installed(package):
        raise MissingExtra(package, extra)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
