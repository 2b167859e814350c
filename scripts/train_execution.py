"""Train a policy that executes orders, and compare it with every baseline on orders it has not seen.

Alone, ``python scripts/train_execution.py`` prints a table: what each policy costs on the same held-out
orders. In a sweep the same command reports what the policy is worth after each part of its training.
"""

import sys

from sharpen.execution_program import run_execution_program


def main(argv: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return run_execution_program(argv, __doc__)


if __name__ == "__main__":
    sys.exit(main())
