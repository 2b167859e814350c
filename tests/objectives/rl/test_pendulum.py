"""The tensor pendulum against gymnasium's."""

import gymnasium
import numpy as np
import torch

from sharpen.objectives.rl.pendulum import Pendulum


def test_it_moves_as_gymnasiums_does():
    rng = np.random.default_rng(5)
    env = Pendulum(2, 2)
    theirs = [gymnasium.make("Pendulum-v1") for _ in range(4)]
    for number, one in enumerate(theirs):
        one.reset(seed=number)
    begun = torch.as_tensor(np.array([one.unwrapped.state for one in theirs])).reshape(2, 2, 2)
    state = {"angle": begun[..., 0], "speed": begun[..., 1], "age": torch.zeros(2, 2)}
    for t in range(200):
        action = rng.uniform(-1.2, 1.2, 4)
        told = [one.step(np.array([a * 2])) for one, a in zip(theirs, action, strict=True)]
        step = env.step(state, torch.as_tensor(action).reshape(2, 2, 1))
        state = step.state
        np.testing.assert_allclose(env.own(state).reshape(4, 3), [x[0] for x in told], atol=1e-6)
        np.testing.assert_allclose(step.reward.flatten(), [x[1] for x in told], atol=2e-6)
        assert step.truncated.flatten().tolist() == [x[3] for x in told] == [t == 199] * 4
