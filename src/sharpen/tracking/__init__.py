"""What a training program calls: ``init``; then ``config``, ``log``, ``summary`` of the run that it returns.

The same program runs in a sweep, opens the lockbox for ``sharpen validate``, sees
permuted bars for ``sharpen permute``, or runs alone; the
environment variable ``SHARPEN_RUN`` tells which, and only :mod:`~sharpen.tracking.sinks` cares.

>>> from sharpen import tracking
>>> with tracking.init(config={"max_depth": 5}) as run:
...     run.log({"val/sharpe": 0.25 * run.config.max_depth}, step=1)
step 1  val/sharpe=1.25
"""

from sharpen.tracking.assignment import Stage
from sharpen.tracking.config import Config
from sharpen.tracking.current import init, init_all, log, log_artifact
from sharpen.tracking.run import Checkpoint, Run
from sharpen.tracking.summary import Stopped

__all__ = ["Checkpoint", "Config", "Run", "Stage", "Stopped", "init", "init_all", "log", "log_artifact"]
