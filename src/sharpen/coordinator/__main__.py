"""``python -m sharpen.coordinator HOME``: host a store for as long as somebody needs it.

A program that tracks a run of no sweep starts it where nobody hosts, so that the store outlives the program.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from sharpen.coordinator.host import try_host
from sharpen.errors import StoreError

LOOK_S = 0.5


def main(home: Path) -> int:
    """Host a store until nobody needs it; return at once where another process does."""
    try:
        host = try_host(home)
    except StoreError as problem:
        print(f"sharpen: {problem.message}", file=sys.stderr)
        return 1
    if host is None:
        return 0
    try:
        while host.is_needed:
            time.sleep(LOOK_S)
    finally:
        host.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
