"""Advantages against sums written out, and PPO's clip against its four cases."""

import pytest
import torch

from sharpen.objectives.rl.advantages import gae, vtrace
from sharpen.objectives.rl.ppo import clipped_gain

ONE = torch.ones(1, 1)
REWARD = torch.tensor([1.0, 0.0, 2.0])[None, :, None]
VALUE = torch.tensor([0.5, 0.4, 0.3, 0.2])[None, :, None]


def test_gae_of_a_known_episode():
    found = gae(REWARD, VALUE, torch.ones(1, 3, 1), 0.9 * ONE, 0.8 * ONE)
    assert found.flatten().tolist() == pytest.approx([1.740992, 1.2236, 1.88])


def test_nothing_crosses_the_end_of_an_episode():
    alive = torch.tensor([1.0, 0.0, 1.0])[None, :, None]
    found = gae(REWARD, VALUE, alive, 0.9 * ONE, 0.8 * ONE)
    assert found.flatten().tolist() == pytest.approx([1 + 0.36 - 0.5 + 0.72 * -0.4, -0.4, 1.88])


def test_gae_with_lambda_1_is_the_discounted_sum_of_rewards():
    found = gae(REWARD, VALUE, torch.ones(1, 3, 1), 0.9 * ONE, ONE)
    assert float(found[0, 0, 0]) == pytest.approx(1 + 0.81 * 2 + 0.729 * 0.2 - 0.5)


def test_vtrace_on_policy_is_gae_with_lambda_1():
    alive = torch.tensor([1.0, 0.0, 1.0])[None, :, None]
    expected = gae(REWARD, VALUE, alive, 0.9 * ONE, ONE)
    advantage, target = vtrace(REWARD, VALUE, alive, 0.9 * ONE, torch.ones(1, 3, 1))
    torch.testing.assert_close(target, expected + VALUE[:, :-1])
    torch.testing.assert_close(advantage, expected)


def test_vtrace_cuts_weights_at_1_and_ignores_impossible_actions():
    alive = torch.ones(1, 3, 1)
    once, _ = vtrace(REWARD, VALUE, alive, 0.9 * ONE, torch.ones(1, 3, 1))
    twice, _ = vtrace(REWARD, VALUE, alive, 0.9 * ONE, 2 * torch.ones(1, 3, 1))
    never, target = vtrace(REWARD, VALUE, alive, 0.9 * ONE, torch.zeros(1, 3, 1))
    assert torch.equal(once, twice)
    assert not never.any()
    assert torch.equal(target, VALUE[:, :-1])


def test_the_clipped_gain_in_its_four_cases():
    ratio, advantage = torch.tensor([1.5, 1.5, 0.5, 0.5]), torch.tensor([2.0, -2.0, 2.0, -2.0])
    assert clipped_gain(ratio, advantage, 0.2).tolist() == pytest.approx([2.4, -3.0, 1.0, -1.6])
