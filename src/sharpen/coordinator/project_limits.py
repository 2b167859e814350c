"""Limits of a project: how many runs are at work, how many there ever are, and what its files may weigh.

They are looked at by the one writer, in the transaction that would go beyond them, so they are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sharpen.errors import Refused
from sharpen.store.port import Row, Writer

FULL = "limit"
"""``facts["why"]`` of what is refused."""
NAMES = ("runs_at_once", "runs", "n_bytes")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each that a project may have; None for no limit.

    Attributes:
        runs_at_once: Runs at work, of its sweeps and of programs alone.
        runs: Runs that were ever made, deleted ones too.
        n_bytes: Bytes of the files that its runs have kept.
    """

    runs_at_once: int | None = None
    runs: int | None = None
    n_bytes: int | None = None


NONE = Limits()


@dataclass
class ProjectLimits:
    """The limits in force, and how many runs have been made where that matters.

    Attributes:
        limits: By project.
        made: Runs ever made, by project; of those that have a limit, once it has been asked.
    """

    limits: dict[str, Limits] = field(default_factory=dict[str, Limits])
    made: dict[str, int] = field(default_factory=dict[str, int])

    def of(self, project: str) -> Limits:
        """Return the limits of a project."""
        return self.limits.get(project, NONE)

    def copy(self) -> ProjectLimits:
        """Return the same, to come back to when a transaction fails."""
        return ProjectLimits(dict(self.limits), dict(self.made))

    def count(self, project: str, n_new: int, writer: Writer) -> None:
        """Take note that runs are about to be made.

        Raises:
            Refused: The project has its limit of them; nothing has changed.
        """
        most = self.of(project).runs
        if most is None:
            return
        if project not in self.made:
            self.made[project] = writer.n_runs_of(project)
        if self.made[project] + n_new > most:
            message = f"project {project!r} has made {self.made[project]} runs, and its limit is {most}"
            raise _full(project, message, f"--runs {self.made[project] + n_new}")
        self.made[project] += n_new

    def refuse_bytes(self, project: str, row: Row, writer: Writer) -> None:
        """Refuse a file, given as a row of the artifacts, that would go beyond the limit.

        Raises:
            Refused: The file would go beyond the limit.
        """
        most = self.of(project).n_bytes
        if most is None:
            return
        n_other_bytes = writer.n_bytes_of(project, row["run_id"], row["name"])
        if n_other_bytes + row["n_bytes"] > most:
            message = f"the file {row['name']!r} of {row['n_bytes']:,} bytes is not kept: "
            message += f"project {project!r} has {n_other_bytes:,} bytes beside it, and its limit is {most:,}"
            raise _full(project, message, f"--bytes {n_other_bytes + row['n_bytes']}")

    def refuse_at_work(self, project: str, n_at_work: int) -> None:
        """Refuse one more run at work.

        Raises:
            Refused: The project has reached its limit of runs at work.
        """
        most = self.of(project).runs_at_once
        if most is not None and n_at_work >= most:
            message = (
                f"project {project!r} has {n_at_work} runs at work, and its limit is {most}: wait for one"
            )
            raise _full(project, message, f"--runs-at-once {n_at_work + 1}")

    def change(self, project: str, changes: Mapping[str, Any], writer: Writer) -> Limits:
        """Change those limits of a project that are given, and return all of them."""
        before = self.of(project)
        after = Limits(*(changes.get(name, getattr(before, name)) for name in NAMES))
        writer.set_limits(project, {name: getattr(after, name) for name in NAMES})
        self.limits[project] = after
        self.made.pop(project, None)
        return after


def _full(project: str, message: str, option: str) -> Refused:
    return Refused(f"{message}; 'sharpen project limit {project} {option}' raises it", why=FULL)
