"""Values that describe a run as a whole, and what is raised when a run is over."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sharpen.errors import Refused, UsageError
from sharpen.jsonable import refuse_deep
from sharpen.names import check_name, check_text
from sharpen.tracking.sinks import Sink


class Stopped(SystemExit):
    """The sweep ended this run early. It unwinds the program like ``sys.exit(0)``; do not swallow it."""

    def __init__(self, reason: str) -> None:
        super().__init__(0)
        self.reason = reason


class Summary:
    """Values that describe the run as a whole; each is stored the moment it is set."""

    def __init__(self, sink: Sink, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._sink = sink
        self._guard = guard  # what becomes of a coordinator's refusal
        self._values: dict[str, Any] = {}
        self._is_closed = False

    def close(self) -> None:
        """Take no more values."""
        self._is_closed = True

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several values at once.

        Raises:
            UsageError: The run is finished, or a name or a text is none that can be shown, or a value
                nests too deep.
        """
        if self._is_closed:
            raise finished("summary")
        for name, value in values.items():
            check_name("summary", "a value", name)
            check_text(f"summary: {name}", value)
            refuse_deep(f"summary: {name}", value)
        with self._guard():
            self._sink.summarize(values)
        self._values.update(values)

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)


@contextmanager
def stopped_when_refused() -> Generator[None]:
    """Turn the coordinator's refusal, for it gave the run to another agent, into the end of this one."""
    try:
        yield
    except Refused as refusal:
        raise Stopped(refusal.message) from refusal


def finished(method: str) -> UsageError:
    """Return what is raised when a run that is finished is still used."""
    return UsageError(
        f"{method}: the run is finished, by run.finish() or the end of its 'with': move it before that"
    )
