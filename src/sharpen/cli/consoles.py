"""Consoles on which no text can steer the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from sharpen.hints import printable


class SafeConsole(Console):
    """A console on which text cannot steer the terminal: only the console's own styles do."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Give the parts of what is to be printed, with control characters of texts written out."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(printable(part.text), part.style)


class Stdout(SafeConsole):
    """A console on stdout that leaves it to the root command what to do when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """Let the error through."""
        raise BrokenPipeError
