"""The store of a test in each place that it can be."""

import pytest


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request):
    """Give the address of a new database; None for a store in its folder."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()
