"""What a request about a run may say: ids, labels, tags, rows, files. What it may not is refused unread."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sharpen.coordinator.session import Session
from sharpen.errors import UsageError
from sharpen.hints import describe
from sharpen.jsonable import refuse_deep
from sharpen.names import (
    MOST_NAMES_A_RUN,
    check_label,
    check_n_names,
    check_name,
    check_path_name,
    check_tags,
)
from sharpen.store.schema import LARGEST

ID = re.compile(r"[^\s/\\#?%:\x00-\x1f.][^\s/\\#?%:\x00-\x1f]{0,127}")
RESERVED = ("last", "best")
NOTE = "note"  # of several lines
LABELS = ("group_name", "job_type", "display_name", NOTE)
RESUME = ("never", "allow", "must")


def check_request(
    run_id: Any, resume: Any, labels: Mapping[str, Any], config: Mapping[str, Any], tags: Any
) -> None:
    """Refuse a run that is asked for by what no run may have.

    Raises:
        UsageError: The id, how to resume it, a label or a tag is none, or the configuration nests too deep.
    """
    if not isinstance(run_id, str) or not ID.fullmatch(run_id) or run_id in RESERVED:
        raise UsageError(
            f"{run_id!r:.60} is no id of a run: it has 1 to 128 letters, no space, none of / \\ # ? % :, "
            "does not begin with a dot, and is neither 'last' nor 'best'"
        )
    if resume not in RESUME:
        raise UsageError(f"resume={resume!r}: it is one of {', '.join(RESUME)}")
    check_labels(labels, LABELS)
    check_tags("tags", tags)
    refuse_deep("config", config)


def check_labels(labels: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Refuse what is said of a run under a name that is none, or in no text.

    Raises:
        UsageError: A value is refused.
    """
    odd = sorted(labels.keys() - {*allowed})
    if odd:
        raise UsageError(f"a run has no {odd[0]!r}; it has: {', '.join(allowed)}")
    for name, value in labels.items():
        if not isinstance(value, str):
            raise UsageError(f"{name} of a run is text, not {describe(value)}")
        if name == "project":
            check_path_name(name, "a project", value)
        elif name != NOTE:
            check_label(name, f"a {name.removesuffix('_name')}", value)


def check_rows(session: Session, run_id: str, rows: Sequence[Any]) -> None:
    """Refuse logged rows that cannot be stored, or that no reader can show.

    Raises:
        UsageError: One is not a step and a mapping of at most 10,000 names, or nests too deep; or the run
            would have more than 100,000 names.
    """
    names: set[str] = set()
    for row in rows:
        match row:
            case [int(step), metrics] if not isinstance(step, bool) and 0 <= step <= LARGEST:
                _check_row(run_id, metrics)
                names.update(metrics)
            case [_, _]:
                raise UsageError(f"{run_id}: a step is a whole number from 0 to {LARGEST}")
            case _:
                raise UsageError(f"{run_id}: a row is a step and metrics, not {describe(row)}")
    n = session.writer.n_names(run_id) + len(names)
    if n > MOST_NAMES_A_RUN:
        n -= session.writer.n_names_logged(run_id, names)
    if n > MOST_NAMES_A_RUN:
        raise UsageError(
            f"{run_id}: {n:,} names of metrics, and the limit is {MOST_NAMES_A_RUN:,}: log what is numbered "
            "under one name, at one step after the other"
        )


def check_machine_metrics(run_id: str, rows: Sequence[Any]) -> None:
    """Refuse what is no mapping of at most 10,000 names to values, or nests too deep.

    Raises:
        UsageError: A value is refused.
    """
    for row in rows:
        _check_row(run_id, row)


def _check_row(run_id: str, row: Any) -> None:
    if not isinstance(row, dict):
        raise UsageError(f"{run_id}: metrics are a mapping of names to values, not {describe(row)}")
    check_n_names(run_id, cast("dict[str, Any]", row))
    refuse_deep(f"{run_id}: metrics", cast("dict[str, Any]", row))


def check_line(run_id: str, line: Any) -> None:
    """Refuse what is no number of a line.

    Raises:
        UsageError: A value is refused.
    """
    if isinstance(line, bool) or not isinstance(line, int) or not 0 <= line <= LARGEST:
        raise UsageError(f"{run_id}: a line is a whole number from 0 to {LARGEST}")


def check_artifact(name: Any, about: Mapping[str, Any]) -> None:
    """Refuse a file whose name or type no reader can show, or whose metadata nest too deep.

    Raises:
        UsageError: A value is refused.
    """
    check_path_name("artifact", "an artifact", name)
    check_name("artifact", "a type of artifacts", about["type"])
    refuse_deep("artifact: metadata", about["metadata"])
