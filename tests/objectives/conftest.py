import pytest

from worlds import make_world, with_other_future


@pytest.fixture(scope="session")
def planted():
    return make_world(seed=1, edge=0.012)


@pytest.fixture(scope="session")
def noise():
    return make_world(seed=1)


@pytest.fixture(scope="session")
def world():
    return make_world


@pytest.fixture(scope="session")
def other_future():
    return with_other_future
