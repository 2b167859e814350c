"""An harness for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import CoordinatorHarness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[CoordinatorHarness]:
    found = CoordinatorHarness(tmp_path / "home")
    yield found
    found.close()
