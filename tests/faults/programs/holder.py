"""A process that hosts a store until its input ends, with leases of the length that it is told."""

import sys
from dataclasses import replace
from pathlib import Path

from sharpen.coordinator import agent_ops, connect, host, restore

RULES_FOR = restore.rules_for


def main(home, lease_s, away_s):
    def short(*arguments):
        return replace(RULES_FOR(*arguments), lease_s=lease_s)

    agent_ops.rules_for = restore.rules_for = short
    host.AWAY_S = away_s
    with connect(home):
        print("up", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
