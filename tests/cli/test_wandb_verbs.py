"""Words of the wandb client's users, as they type them."""

import pytest

from sharpen.store.queries import Reader

from .test_control import bench, sweep_of  # noqa: F401 - a fixture


@pytest.mark.parametrize("words", [("sweep", "--info"), ("sweep", "--queue")])
def test_what_a_sweep_is_shown_by(sharpen, store, words):
    said = sharpen(*words, Reader(store).sweep("last").id, home=store)
    assert said.exit_code == 0, said.stderr


def test_a_sweep_is_paused_and_resumed_by_the_clients_words(sharpen, bench):  # noqa: F811
    sweep = sweep_of(bench, sharpen, 2)
    for words, status in ((("sweep", "pause"), "paused"), (("sweep", "resume"), "running")):
        assert sharpen(*words, f"local/quant/{sweep}", home=bench.home).exit_code == 0
        assert Reader(bench.home).sweep(sweep).status == status


def test_a_run_is_canceled_by_the_clients_words(sharpen, store):
    said = sharpen("run", "cancel", "last-1", home=store)
    assert "nothing to cancel" in said.stderr


def test_an_artifact_that_is_not_there(sharpen, store):
    said = sharpen("artifact", "link", "nope:v1", "good", home=store)
    assert (said.exit_code, "no artifact 'nope'" in said.stderr) == (2, True)
