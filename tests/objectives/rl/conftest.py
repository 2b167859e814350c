import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Train with one thread, as a run does: the tests share the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
