"""The gymnasium face keeps gymnasium's contract, and shows what our own agents see."""

import warnings

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from objectives.rl.execution.books import make_book
from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.gym_env import ExecutionEnv
from sharpen.objectives.rl.execution.markets import MARKETS, execution, market_of
from sharpen.objectives.rl.streams import Streams
from worlds import make_world

DATA = {"bars": make_world(11, n_bars=300), "book": make_book()}


@pytest.mark.parametrize("name", [*MARKETS, "bars", "book"])
def test_the_face_keeps_the_contract(name):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(render|spec|pass environment checker).*")
        check_env(ExecutionEnv(market_of(name, None, DATA.get(name))), skip_render_check=True)


def test_orders_without_a_seed_differ_and_an_action_that_is_no_number_is_refused():
    envs = [ExecutionEnv(market_of("signal")) for _ in range(2)]
    for env in envs:
        env.reset()
    rewards = [[env.step(np.zeros(1, np.float32))[0][3] for _ in range(4)] for env in envs]
    assert rewards[0] != rewards[1]
    with pytest.raises(UsageError, match="what is no number"):
        envs[0].step(np.array([np.nan], np.float32))


def test_an_order_is_that_of_our_own_agents():
    market = market_of("signal")
    face, env = ExecutionEnv(market), execution(market, 1, 1)
    state = env.reset(Streams.of([5]))
    seen, info = face.reset(seed=5)
    for action in (0.3, -0.2, 0.0, 1.0, -1.0):
        np.testing.assert_array_equal(seen, env.own(state)[0, 0].numpy())
        step = env.step(state, torch.full((1, 1, 1), action))
        seen, reward, terminated, truncated, info = face.step(np.array([action], np.float32))
        assert (reward, terminated, truncated) == (float(step.reward), bool(step.terminated), False)
        state = step.state
    assert terminated
    assert info["left"] == 0.0
