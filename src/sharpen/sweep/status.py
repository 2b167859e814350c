"""Where a sweep is in its life."""

from enum import StrEnum


class SweepStatus(StrEnum):
    """Where a sweep is in its life; runs begin only while it is running."""

    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_open(self) -> bool:
        """Whether agents stay.

        >>> SweepStatus.PAUSED.is_open, SweepStatus.STOPPED.is_open
        (True, False)
        """
        return self in (SweepStatus.RUNNING, SweepStatus.PAUSED)
