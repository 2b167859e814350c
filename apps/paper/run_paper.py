"""Trade a model on a paper account: the same as ``sharpen paper run``, with the same words.

python -m apps.paper.run_paper --model last-best
"""

from __future__ import annotations

import sys

from sharpen.cli import main

if __name__ == "__main__":
    main(["paper", "run", *sys.argv[1:]])
