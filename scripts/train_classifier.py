"""Train a boosted classifier of price moves, fold by fold, and report to the sweep, if there is one.

Alone, ``python scripts/train_classifier.py --max_depth 5`` prints each fold and a closing line. In a sweep
the same command reports the running means that the sweep judges; the step is the fold.
"""

import sys

from sharpen import walk_forward
from sharpen.objectives.boosted.objective import BoostedClassifier


def main(argv: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return walk_forward.run_program(BoostedClassifier(), argv, __doc__)


def preload() -> None:
    """Load what the coming runs share: the agent's fork server calls it before it forks them."""
    walk_forward.preload(BoostedClassifier())


if __name__ == "__main__":
    sys.exit(main())
