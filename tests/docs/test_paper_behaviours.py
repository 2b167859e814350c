"""Each behaviour that docs/paper.md promises names a test, and the test is there."""

from __future__ import annotations

import re

from . import pages

PAGE = pages.ROOT / "docs" / "paper.md"


def test_every_behaviour_has_its_test() -> None:
    rows = re.findall(r"^\| (\d+) \| .+ \| `(.+?)::(\w+)` \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [int(n) for n, _, _ in rows] == list(range(1, 26))
    missing = [
        f"{file}::{test}"
        for _, file, test in rows
        if not re.search(rf"^def {test}\(", (pages.ROOT / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert missing == []
