"""The programs of these tests, in a folder of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

APPS = Path(__file__).parent / "apps"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return a folder with the programs and their configurations."""
    shutil.copytree(APPS, tmp_path / "apps")
    return tmp_path / "apps"
