"""The report: one HTML file that needs no network, on a desk, on a phone, on paper."""

from __future__ import annotations

import os
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from sharpen.errors import UsageError
from sharpen.jsonable import null_for_nan
from sharpen.regular_file import open_file
from sharpen.report import formatting
from sharpen.report.blocks import SHOWN_RUNS, board, commands, ruler, settings, strips
from sharpen.report.cautions import varying
from sharpen.report.figures import figures
from sharpen.report.model import Analysis
from sharpen.report.thinning import MAX_DOTS
from sharpen.report.tradeoff import front_table

if TYPE_CHECKING:
    from sharpen.views.importances import Importances

GENERATOR = b'<meta name="generator" content="sharpen">'


def write_html(analysis: Analysis, path: Path, mattered: Importances | None = None) -> None:
    """Write the report of a sweep; a file appears, or is replaced, only when all of it is on the disk.

    The same analysis gives the same bytes. The page names no address outside itself and forbids its own
    scripts to reach for one.

    Args:
        analysis: What to show.
        path: The file; a device, such as ``/dev/stdout``, is written to as it is.
        mattered: Which parameters mattered; None to name the command that says it.

    Raises:
        UsageError: It cannot be written.
    """
    write_page(render(analysis, mattered), path)


def write_page(text: str, path: Path) -> None:
    """Write a page; a file appears, or is replaced, only when all of it is on the disk.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
        else:
            _put(text, path.resolve())
    except OSError as problem:
        raise UsageError(f"cannot write {path}: {problem.strerror}") from problem


def is_replaceable(path: Path) -> bool:
    """Return whether a report may be written there: nothing is, or an earlier report, or a device.

    >>> is_replaceable(Path("no such file"))
    True
    """
    if not path.is_file():
        return True
    with open_file(path) as file:
        beginning = file.read(1000)
    return not beginning or GENERATOR in beginning


def _put(text: str, path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def render(analysis: Analysis, mattered: Importances | None = None) -> str:
    """Return the page."""
    drawn = figures(analysis, mattered)
    return template().render(
        a=analysis,
        j=analysis.judgement,
        label=formatting.label(analysis.judgement.kind, bool(analysis.doubts)),
        mattered=mattered,
        ruler=ruler(analysis),
        strips=strips(analysis),
        board=board(analysis),
        front=front_table(analysis),
        shown=SHOWN_RUNS,
        max_dots=MAX_DOTS,
        decimals=formatting.decimals_for(e.run.score for e in analysis.ranked[:SHOWN_RUNS]),
        broken_decimals=_decimals_of_broken(analysis),
        settings=settings(analysis),
        varying=varying(analysis.spec.space),
        excluded=(*analysis.unranked, *analysis.infeasible, *analysis.failed, *analysis.canceled),
        commands=commands(analysis),
        figures=null_for_nan(drawn),
        plotly=_plotly() if drawn else "",
    )


@cache
def template() -> jinja2.Template:
    """Return the page without its contents; to compile it takes a fifth of a second, once."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sharpen.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=formatting.visible,
    )
    for name in ("fixed", "chance", "percent", "span", "setting", "when", "duration", "of_seeds"):
        environment.filters[name] = getattr(formatting, name)
    return environment.get_template("report.html")


def _decimals_of_broken(analysis: Analysis) -> list[int | None]:
    """Return the decimals of each metric of the runs that broke a constraint."""
    rows = [e.run.scores or (e.run.score,) for e in analysis.broken[:SHOWN_RUNS]]
    return [formatting.decimals_for(column) for column in zip_longest(*rows)]


def _plotly() -> Markup:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - the terminal's tables do without it

    script = str(get_plotlyjs())
    return Markup(script.replace("</script", "<\\/script"))  # noqa: S704 - a library, not a user's text
