"""What a program that runs alone prints of its run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpen.facts import FOR_THE_REPORT, NOTES, DataNote
from sharpen.jsonable import number
from sharpen.tracking.sinks import Grant

LONGEST_TEXT = 100  # characters


class TerminalSink:
    """Prints what is logged; for a program that runs alone."""

    grant: Grant | None = None

    def send(self, op: str, **args: Any) -> Mapping[str, Any]:
        """Do nothing: there is no coordinator."""
        return {}

    def report(self, step: int, metrics: Mapping[str, Any]) -> str:
        """Print one line a step."""
        parts = (f"{name}={_shown(value)}" for name, value in metrics.items())
        print(f"step {step}  {'  '.join(parts)}", flush=True)
        return ""

    def flush(self) -> None:
        """Do nothing: each line is printed at once."""

    def leads(self) -> bool:
        """Return True: there is nobody to compare with."""
        return True

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Print one line a value, and a line for each note on the data; not what only a report can use."""
        for name, value in values.items():
            if name == NOTES:
                for note in value:
                    print(f"note  {DataNote.of(note).text}", flush=True)
            elif value is not None and name not in FOR_THE_REPORT:
                print(f"summary  {name}={_shown(value)}", flush=True)

    def artifact(self, path: Path, name: str, type: str, metadata: Mapping[str, Any]) -> None:
        """Print nothing: the file stays where the program wrote it."""

    def end(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _shown(value: Any) -> str:
    as_number = number(value)
    if as_number is not None:
        return f"{as_number:.6g}"
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
