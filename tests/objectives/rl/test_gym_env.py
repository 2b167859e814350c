"""The gymnasium face: its own checks, and stable-baselines3 that trains on it."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sharpen.errors import UsageError
from sharpen.objectives.rl.gym_env import PortfolioEnv, PortfolioVectorEnv
from sharpen.objectives.rl.market import MarketSettings
from sharpen.objectives.rl.market_data import market_data

from .worked import ACTIONS, CLOSE, OPEN, data_of

SETTINGS = MarketSettings(stop_bar=5, initial_cash=500.25, max_trade=10)


@pytest.fixture(scope="module")
def market(world):
    data = market_data(world(seed=3, n_bars=400), scaling="relative")
    rules = MarketSettings(
        first_bar=data.warmup_bars,
        stop_bar=380,
        max_trade=0.1,
        trade_unit="value",
        random_start=True,
        random_reset=True,
        episode_bars=40,
    )
    return data, rules


@pytest.mark.filterwarnings("ignore:.*spec.*:UserWarning")
def test_gymnasium_finds_nothing(market):
    check_env(PortfolioEnv(*market, "relative"), skip_render_check=True)


def test_stable_baselines3_finds_nothing(market):
    from stable_baselines3.common.env_checker import check_env as check

    check(PortfolioEnv(*market, "relative"), skip_render_check=True)


def test_one_portfolio_walks_as_the_market_does():
    env = PortfolioEnv(data_of(OPEN, CLOSE), SETTINGS)
    _, info = env.reset(seed=0)
    assert info == {"cash": 500.25, "assets": 500.25}
    told = [env.step(action.astype(np.float32)) for action in ACTIONS]
    assert [x[3] for x in told] == [False, False, False, True]
    gained = told[-1][4]["assets"] - 500.25
    assert sum(x[1] for x in told) == pytest.approx(gained * 2**-12, rel=1e-5)


def test_many_portfolios_begin_anew_in_the_step_that_ends_them():
    env = PortfolioVectorEnv(data_of(OPEN, CLOSE), replace(SETTINGS, random_reset=True), num_envs=3)
    seen, _ = env.reset(seed=1)
    assert seen.shape == env.observation_space.shape == (3, 5)
    for step in range(8):
        seen, reward, terminated, truncated, info = env.step(np.tile(ACTIONS[step % 4], (3, 1)))
        assert seen in env.observation_space
        assert reward.shape == (3,)
        assert not terminated.any()
        assert truncated.all() == ("final_obs" in info) == (step % 4 == 3)
    assert env.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP


def test_portfolios_without_a_seed_begin_each_in_its_own_way(market):
    begun = [PortfolioEnv(*market, "relative").reset()[1]["cash"] for _ in range(3)]
    assert len(set(begun)) == 3
    env = PortfolioEnv(*market, "relative")
    assert env.reset(seed=4)[1] == PortfolioEnv(*market, "relative").reset(seed=4)[1]


def test_each_of_many_portfolios_may_have_a_seed(market):
    def begun(seed):
        return PortfolioVectorEnv(*market, 3, "relative").reset(seed=seed)[0]

    one, other = begun([1, 2, 3]), begun([1, 7, 3])
    assert [bool((a == b).all()) for a, b in zip(one, other, strict=True)] == [True, False, True]
    assert (begun(5) == begun(5)).all()
    assert not (begun([None, 2, 3])[0] == begun([None, 2, 3])[0]).all()
    with pytest.raises(UsageError, match="2 seeds for 3 portfolios"):
        begun([1, 2])


def test_what_does_not_fit_the_market_is_refused(market):
    env = PortfolioEnv(*market, "relative")
    env.reset(seed=0)
    with pytest.raises(UsageError, match=r"shape \(5,\): 1 x 3 numbers"):
        env.step(np.zeros(5, dtype=np.float32))
    with pytest.raises(UsageError, match="scaling is elegantrl, and the data was made with relative"):
        PortfolioEnv(*market)


def test_stable_baselines3_trains_on_it(market):
    from stable_baselines3 import PPO

    env = PortfolioEnv(*market, "relative")
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=1, seed=0, device="cpu")
    before = model.policy.state_dict()["action_net.weight"].clone()
    model.learn(128)
    assert not (model.policy.state_dict()["action_net.weight"] == before).all()


def test_bars_beyond_the_window_are_not_traded():
    env = PortfolioEnv(data_of(OPEN, CLOSE), replace(SETTINGS, stop_bar=3))
    env.reset(seed=0)
    assert [env.step(ACTIONS[0].astype(np.float32))[3] for _ in range(2)] == [False, True]
    with pytest.raises(UsageError, match="call reset"):
        env.step(ACTIONS[0].astype(np.float32))
    env.reset()
    assert not env.step(ACTIONS[0].astype(np.float32))[3]
