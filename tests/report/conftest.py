import pytest

from .stores import Lab


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path / "store")
    yield made
    made.coordinator.close()
