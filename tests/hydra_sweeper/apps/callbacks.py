"""A callback of Hydra's that writes down what it hears."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback


class Tell(Callback):
    """Adds a line to ``told.txt`` for each event."""

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Hear that a sweep begins."""
        tell("sweep begins")

    def on_job_start(self, config: Any, **kwargs: Any) -> None:
        """Hear that a job begins."""
        tell("job begins")

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Hear that a sweep ends."""
        tell("sweep ends")


def tell(what: str) -> None:
    """Add a line."""
    with Path("told.txt").open("a") as file:
        file.write(what + "\n")
