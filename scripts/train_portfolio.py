"""Train portfolio agents, fold by fold, and report to the sweep, if there is one.

Alone, ``python scripts/train_portfolio.py --agent ppo`` prints each fold and a closing line. In a sweep the
same command reports the running means that the sweep judges; the step is the fold.
"""

import sys

from sharpen.objectives.rl.portfolio_objective import PortfolioAgents
from sharpen.population_program import run_population_program


def main(argv: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return run_population_program(PortfolioAgents(), argv, __doc__)


if __name__ == "__main__":
    sys.exit(main())
