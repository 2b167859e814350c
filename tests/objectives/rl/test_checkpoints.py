"""Checkpoints are whole, and a torn one is said to be torn."""

import pytest
import torch

from sharpen.errors import DataError
from sharpen.objectives.rl import checkpoints

from .test_population import COMMON, STEPS, member, population, weights


@pytest.mark.parametrize("agent", COMMON)
def test_a_resumed_run_equals_one_without_a_break(agent, tmp_path):
    half, path = STEPS[agent] // 2, tmp_path / "members.safetensors"
    one = population([member(agent, 3), member(agent, 4, gamma=0.9)])
    one.train(half)
    checkpoints.save(one, path)
    n_done = one.n_steps(0)
    one.train(STEPS[agent])
    found = checkpoints.load(path)
    assert [about for about, _ in found.values()] == list(one.members.values())
    other = population([about for about, _ in found.values()])
    for number, (_, kept) in found.items():
        other.load(number, kept)
    assert other.n_steps(0) == n_done
    other.train(STEPS[agent])
    for number in (0, 1):
        assert torch.equal(weights(one, number), weights(other, number))


def test_a_torn_file_is_refused(tmp_path):
    path = tmp_path / "members.safetensors"
    checkpoints.save(population([member("ppo")]), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is no checkpoint of members"):
        checkpoints.load(path)
