"""Markets agree with their closed forms, keep their books, and show nobody the future."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from objectives.rl.execution.books import PANEL, make_book, quiet_panel
from sharpen.errors import NotFound, UsageError
from sharpen.objectives.rl.agent import observe
from sharpen.objectives.rl.execution.bar_replay import BarRules
from sharpen.objectives.rl.execution.book_replay import BookRules
from sharpen.objectives.rl.execution.data_split import walk_forward
from sharpen.objectives.rl.execution.evaluation import Outcomes, has_a_cost, play, table
from sharpen.objectives.rl.execution.markets import MARKETS, episodes, execution, market_of, unit_bps
from sharpen.objectives.rl.execution.policies import (
    SliceDecision,
    baselines,
    optimal,
    random_participation,
    twap,
)
from sharpen.objectives.rl.execution.propagator import PropagatorRules
from sharpen.objectives.rl.execution.schedules import (
    LinearCosts,
    almgren_chriss,
    kappa,
    square_root_cost,
    square_root_schedule,
    with_drift,
)
from sharpen.objectives.rl.execution.settings import TAKEN, ExecutionSettings
from sharpen.objectives.rl.execution.training import ExecutionJob, Training, metrics
from sharpen.seeds import rng_for

CALM = {"volatility": 0.0}
EVERY = [*MARKETS, "bars", "book"]


def env_of(name, n_members=1, n_envs=50):
    data = {"bars": quiet_panel(), "book": make_book()}.get(name)
    return execution(market_of(name, None, data), n_members, n_envs)


def costs_in_money(name, policy, settings=CALM):
    """Return what an order costs in a market without chance, and its worth at arrival."""
    env = execution(market_of(name, settings), 1, 2)
    state = episodes(env, 0)
    found = play(env, state, policy)
    return found.shortfall_bps / 1e4 * float(state["order"][0, 0] * state["mid"][0, 0, 0])


def schedule(shares):
    """Return the policy that trades these shares."""
    plan = torch.as_tensor(np.asarray(shares))
    return lambda env, state: SliceDecision(plan[state["k"]])


def test_almgren_chriss_costs_what_the_paper_says():
    costs = LinearCosts(2.5e-7, 2.5e-6, 0.0625, 1.0, 0.95)
    best = almgren_chriss(1e6, 5, kappa(costs, 1e-6))
    for shares, known in ((best, 911_227), (np.full(5, 2e5), 662_500), (np.eye(5)[0] * 1e6, 2_562_500)):
        assert round(costs.expected_cost(shares)) == known
        assert costs_in_money("ac", schedule(shares))[0] == pytest.approx(
            costs.expected_cost(shares), rel=1e-9
        )
    assert math.sqrt(costs.variance(best)) == pytest.approx(603_431, abs=1)
    assert math.sqrt(costs.variance(np.full(5, 2e5))) == pytest.approx(1_040_673, abs=1)


def test_the_almgren_chriss_schedule_is_the_best_for_its_risk_aversion():
    costs, aversion = LinearCosts(2.5e-7, 2.5e-6, 0.0625, 1.0, 0.95), 1e-6

    def utility(first):
        shares = np.append(first, 1.0 - first.sum()) * 1e6
        return (costs.expected_cost(shares) + aversion * costs.variance(shares)) / 1e6

    found = minimize(utility, np.full(4, 0.2), tol=1e-12).x
    assert found == pytest.approx(almgren_chriss(1.0, 5, kappa(costs, aversion))[:4], abs=1e-5)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_without_risk_aversion_equal_slices_are_best(n):
    assert almgren_chriss(1.0, n, 0.0) == pytest.approx(np.full(n, 1 / n), abs=1e-12)
    assert almgren_chriss(1.0, n, 1e-6) == pytest.approx(np.full(n, 1 / n), abs=1e-9)
    assert almgren_chriss(1.0, n, 50.0) == pytest.approx(np.eye(n)[0], abs=1e-12)


def test_obizhaeva_and_wang_cost_what_the_closed_form_says():
    a, times = math.exp(-2.2 / 10), np.arange(11)
    kernel = 1e-4 * a ** np.abs(times[:, None] - times)
    best = np.full(11, 1 - a)
    best[[0, -1]] = 1.0
    best *= 1e5 / (9 * (1 - a) + 2)
    even = np.full(11, 1e5 / 11)
    for policy, shares, known in (
        (optimal, best, 238_597),
        (twap, even, 259_945),
        (baselines_of("ow")["immediate"], np.eye(11)[0] * 1e5, 500_000),
    ):
        cost = 0.5 * shares @ kernel @ shares
        assert round(cost) == known
        assert costs_in_money("ow", policy)[0] == pytest.approx(cost, rel=1e-9)


def test_the_propagator_costs_what_its_formula_says():
    """Without a memory: one and a half powers; with one, the sum over pairs; and no grid point costs less."""
    settings = {"decay_slices": 0.0, "order_share": 0.02, "impact": 0.5, "volatility": 0.02}
    env = execution(market_of("propagator", settings), 1, 4, 1.0)
    state = {**episodes(env, 0), "mid": torch.full((1, 4, 6), 100.0, dtype=torch.float64)}
    found = {name: play(env, state, p).shortfall_bps[0] for name, p in baselines(env).items()}
    assert found["twap"] == pytest.approx(1e4 * 0.01 * math.sqrt(0.02), abs=1e-6)
    assert found["immediate"] == pytest.approx(1e4 * 0.01 * math.sqrt(0.1), abs=1e-6)
    assert "optimum" not in found  # equal slices are
    settings |= {"decay_slices": 2.0, "n_slices": 3}
    env = execution(market_of("propagator", settings), 1, 4, 1.0)
    state = {**episodes(env, 0), "mid": torch.full((1, 4, 4), 100.0, dtype=torch.float64)}

    def cost(*parts):
        return play(
            env, state, schedule([part * float(state["order"][0, 0]) for part in parts])
        ).shortfall_bps[0]

    pairs = [math.exp(-(k - j) / 2.0) * math.sqrt(0.02) / 3 for k in range(3) for j in range(k + 1)]
    assert cost(1 / 3, 1 / 3, 1 / 3) == pytest.approx(1e4 * 0.01 * sum(pairs), abs=1e-6)
    best = play(env, state, optimal).shortfall_bps[0]
    grid = np.linspace(0.0, 1.0, 21)
    assert best <= min(cost(a, b, 1 - a - b) for a in grid for b in grid if a + b <= 1) + 1e-9
    assert cost(1 / 3, 1 / 3, 1 / 3) - best == pytest.approx(env.market.gain_bps, abs=1e-6)
    with pytest.raises(UsageError, match=r"decay_slices is -1.0, give 0 or more"):
        market_of("propagator", {"decay_slices": -1.0})


def test_the_propagator_is_fitted_to_bars_before_the_lockbox():
    fitted = market_of("propagator", None, PANEL).rules.volatility
    moves = np.diff(np.log(PANEL.close[:240]), axis=0)
    assert fitted == pytest.approx(moves.std(axis=0).mean())
    later = replace(PANEL, close=np.where(np.arange(300)[:, None] < 240, PANEL.close, 7.0))
    assert market_of("propagator", None, later).rules.volatility == fitted


def test_no_schedule_saves_more_than_an_eighth_without_a_signal():
    saved = [
        market_of("ow", {"resilience": r, **CALM}).gain_bps / float(costs_bps("ow", twap, {"resilience": r}))
        for r in (0.1, 1.0, 2.2, 5.0, 20.0)
    ]
    assert max(saved) < 0.0834


def costs_bps(name, policy, settings):
    env = execution(market_of(name, {**CALM, **settings}), 1, 1)
    return play(env, episodes(env, 0), policy).shortfall_bps[0]


def baselines_of(name):
    return baselines(execution(market_of(name), 1, 1))


def test_the_optimum_with_a_signal_costs_30_percent_less():
    market = market_of("signal", CALM)
    env = execution(market, 1, 4000)
    state = episodes(env, 3)
    helps = (-state["side"] * state["trend"])[0].numpy()
    both = {
        name: play(env, state, policy).shortfall_bps for name, policy in (("twap", twap), ("best", optimal))
    }
    for sign in (-1.0, 1.0):
        assert both["twap"][helps == sign][0] == pytest.approx(
            10.0 - sign * 2 * market.rules.drift * 100, abs=1e-6
        )
    mean = {name: np.mean([found[helps == sign][0] for sign in (-1.0, 1.0)]) for name, found in both.items()}
    assert mean["best"] / mean["twap"] == pytest.approx(0.7, abs=1e-9)
    shares = play(env, state, optimal).traded[helps == 1.0][0]
    assert np.diff(shares, prepend=0.0) == pytest.approx(
        with_drift(1.0, 5, market.rules.drift, market.rules.costs), abs=1e-12
    )
    assert np.diff(shares, prepend=0.0) == pytest.approx([0.0451, 0.1225, 0.2, 0.2775, 0.3549], abs=1e-4)


def test_the_reward_is_0_for_the_baseline_and_1_for_the_optimum():
    for name in MARKETS:
        env = execution(market_of(name), 1, 20_000)
        state = episodes(env, 4)
        policies = baselines(env)
        zero, one = (play(env, state, policies[n]).reward for n in (env.market.baseline, "optimum"))
        assert zero.mean() == pytest.approx(0.0, abs=1e-9 + 4 * zero.std() / math.sqrt(len(zero)))
        assert one.mean() == pytest.approx(1.0, abs=4 * one.std() / math.sqrt(len(one)))


@pytest.mark.parametrize("name", EVERY)
@given(data=st.data())
def test_quantity_and_cash_are_conserved_whatever_is_done(name, data):
    env = env_of(name, 2, 3)
    state = episodes(env, data.draw(st.integers(0, 1000)))
    order, paid = state["order"], torch.zeros_like(state["order"])
    total = torch.zeros_like(paid)
    bought = torch.zeros_like(paid)
    for k in range(env.market.n_slices):
        action = torch.tensor(data.draw(st.lists(st.floats(-1, 1), min_size=12, max_size=12)))
        step = env.step(state, action.reshape(2, 3, 2)[..., : env.action_dim])
        after = step.state
        traded, spent = state["left"] - after["left"], state["cash"] - after["cash"]
        assert (traded >= 0).all()
        assert (after["left"] >= 0).all()
        assert (spent * state["side"] >= -1e-9).all()
        bought, paid, total, state = bought + traded, paid + spent, total + step.reward, after
        assert bool(step.terminated.all()) == (k == env.market.n_slices - 1)
    assert torch.allclose(bought, order)
    assert bool((state["left"] == 0).all())
    worth = order * state["mid"][..., 0]
    assert torch.allclose(env.cost(state), paid - state["side"] * worth, rtol=1e-9, atol=1e-6)
    saved = (state["twap"].sum(-1) - env.cost(state)) / worth * 1e4 / env.unit_bps + env.market.twap_reward
    assert torch.allclose(total.double(), saved, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", [*MARKETS, "bars"])  # the book has a test of its own
def test_nothing_is_known_before_it_happens(name):
    """Other prices and volumes after a decision change neither what is seen nor what any policy does."""
    env = env_of(name)
    state = episodes(env, 5)
    for k in range(env.market.n_slices):
        other = dict(state)
        for path in [
            key for key, value in state.items() if value.dim() == 3 and key not in ("impact", "twap", "past")
        ]:
            values = state[path].clone()
            first = (
                k + 1 if path in ("mid", "open") else k
            )  # the price at a decision is known, its volume is not
            values[..., first:] = values[..., first:] * 1.7 + 0.3
            other[path] = values
        assert torch.equal(env.own(state), env.own(other))
        for label, policy in baselines(env).items():
            if label == "optimum":
                continue
            again = baselines(env)[label]
            assert torch.equal(policy(env, state).wanted, again(env, other).wanted), label
        state = env.trade(state, state["left"] * 0.3)


@pytest.mark.parametrize("name", [*MARKETS, "bars"])  # the book has a test of its own
def test_buying_and_selling_are_mirror_images(name):
    """The other side in prices that are mirrored at arrival: all is seen alike and costs the same."""
    env = env_of(name, n_envs=200)
    state = episodes(env, 6)
    arrival = state["mid"][..., :1]
    mirrored = {**state, "side": -state["side"], "mid": 2 * arrival - state["mid"]}
    if "price" in state:
        mirrored["price"] = 2 * arrival - state["price"]
    mirrored |= {key: -state[key] for key in ("trend", "past") if key in state}
    for action in (None, -0.5, 0.3):  # at the start, and after slices that were traded
        if action is not None:
            state, mirrored = (env.step(s, torch.full((1, 200, 1), action)).state for s in (state, mirrored))
        assert torch.allclose(observe(env, state).own, observe(env, mirrored).own, atol=1e-5)
    start = [{**s, **env.begin(s)} for s in (state, mirrored)]
    rows = [play(env, s, random_participation(1)).shortfall_bps for s in start]
    assert rows[0] == pytest.approx(rows[1], abs=1e-6)


def test_an_action_is_a_smooth_share_of_what_is_left():
    """-1 nothing, 0 an equal part, 1 everything; noise of both signs trades about as much as no noise."""
    env = execution(market_of("signal"), 1, 1)
    state = episodes(env, 0)

    def shares(*actions, k=0):
        now = {**state, "k": torch.full((1, 1), k)}
        return [float(env.share(now, torch.full((1, 1), a, dtype=torch.float64))) for a in actions]

    assert shares(-1.0, 0.0, 1.0) == pytest.approx([0.0, 0.2, 1.0])
    assert shares(-1.0, 0.0, 1.0, k=4) == [1.0, 1.0, 1.0]
    low, zero, high = shares(-0.01, 0.0, 0.01)
    assert high - zero == pytest.approx(zero - low, rel=0.02)
    odds = [share / (1 - share) for share in shares(math.tanh(0.5), 0.0)]
    assert odds[0] == pytest.approx(odds[1] * math.e)


def test_metrics_of_a_known_order():
    """Sell 300 at 99.95, 400 at 99.90, 300 at 99.80; arrival 100; mean mid 99.92."""
    market = market_of(
        "ac", {**CALM, "n_slices": 3, "permanent": 0.0, "temporary": 1e-12, "half_spread": 0.0}
    )
    env = execution(market, 1, 1)
    state = episodes(env, 0)
    order = torch.tensor([[1000.0]], dtype=torch.float64)
    mid = torch.tensor([[[99.95, 99.90, 99.80, 99.80]]], dtype=torch.float64)
    state = {**state, "side": -order / 1000, "order": order, "left": order, "mid": mid}
    found = play(env, state, schedule([300.0, 400.0, 300.0]))
    average = (300 * 99.95 + 400 * 99.90 + 300 * 99.80) / 1000
    assert found.shortfall_bps[0] == pytest.approx((99.95 - average) / 99.95 * 1e4, abs=1e-6)
    mean_mid = (99.95 + 99.90 + 99.80) / 3
    assert found.advantage_bps[0] == pytest.approx((average / mean_mid - 1) * 1e4, abs=1e-6)


def test_random_participation_splits_evenly_on_average_and_repeats_by_its_seed():
    env = execution(market_of("signal"), 1, 20_000)
    state = episodes(env, 0)
    found = [play(env, state, random_participation(seed)).traded for seed in (1, 1, 2)]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    assert np.diff(found[0], prepend=0.0, axis=1).mean(0) == pytest.approx(np.full(5, 0.2), abs=0.005)


def test_the_table_is_paired_with_twap():
    env = execution(market_of("signal"), 1, 500)
    state = episodes(env, 0)
    rows = {row.policy: row for row in table({n: play(env, state, p) for n, p in baselines(env).items()})}
    assert rows["twap"].saved == rows["twap"].saved_error == 0.0
    assert rows["optimum"].saved_error < rows["optimum"].error
    assert rows["immediate"].completion == 1.0


def test_what_is_no_market_is_refused():
    with pytest.raises(NotFound, match="no market 'casino': there are signal, ac, ow, propagator"):
        market_of("casino")
    with pytest.raises(UsageError, match="2 slices or more"):
        market_of("signal", {"n_slices": 1})
    with pytest.raises(UsageError, match="temporary must be more than"):
        market_of("ac", {"permanent": 1.0})
    with pytest.raises(UsageError, match="n_slices of 3 or more"):
        market_of("ow", {"n_slices": 2})
    with pytest.raises(UsageError, match=r"drift is -0\.1 and risk_aversion 20\.0: give 0 or more"):
        market_of("signal", {"drift": -0.1})
    with pytest.raises(UsageError, match=r"risk_aversion -1\.0: give 0 or more"):
        market_of("ac", {"risk_aversion": -1.0})
    with pytest.raises(UsageError, match="urgency of 0 or more"):
        market_of("ow", {"urgency": -1.0})
    with pytest.raises(UsageError, match="n_slices of 2 slices or more, not 0"):
        market_of("signal", {"n_slices": 0})
    with pytest.raises(UsageError, match="in the market bars equal slices cost nothing that could be saved"):
        execution(market_of("bars", {"impact": 0.0, "half_spread_bps": 0.0}, PANEL), 1, 1)
    with pytest.raises(UsageError, match="n_slices is 61, give 2 to 60"):
        market_of("propagator", {"n_slices": 61})


def test_settings_that_no_market_can_have_are_refused_and_those_of_another_are_named():
    with pytest.raises(UsageError, match="drift is inf, give a finite number; n_slices is 10001, give 10000"):
        ExecutionSettings.of({"drift": math.inf, "n_slices": 10_001})
    with pytest.raises(UsageError, match=r"100000000 held-out orders of 5 slices need .* give a smaller"):
        Training([ExecutionJob(ExecutionSettings.of({"n_episodes": 100_000_000}), 0)])
    with pytest.raises(UsageError, match="the market bars does not have slice_rows, which is of book"):
        ExecutionSettings.of({"market": "bars", "slice_rows": 5, "impact": 1.0})
    rules = {"bars": BarRules, "book": BookRules, "propagator": PropagatorRules}
    for name, own in rules.items():
        assert set(TAKEN[name]) == set(own.__slots__), name


def test_the_best_of_many_slices_is_that_of_all_choices():
    """Ten slices: the pauses of a search over all 1,023 choices, at a cost of 0.591714."""
    best = square_root_schedule(10, math.exp(-0.5))
    assert np.flatnonzero(best).tolist() in ([0, 2, 5, 7, 9], [0, 2, 4, 7, 9])
    assert square_root_cost(best, 1.0, math.exp(-0.5)) == pytest.approx(0.591714, abs=1e-6)
    twelve = square_root_schedule(12, math.exp(-0.5))
    assert square_root_cost(twelve, 1.0, math.exp(-0.5)) < 0.55455


@pytest.mark.parametrize("name", ["ow", "propagator", "bars"])
def test_an_urgency_without_bounds_is_trading_at_once(name):
    data = PANEL if name == "bars" else None
    env = execution(market_of(name, {"urgency": 1e3}, data), 1, 20)
    state = episodes(env, 0)
    rows = [play(env, state, baselines(env)[policy]) for policy in ("almgren_chriss", "immediate")]
    np.testing.assert_allclose(*(row.shortfall_bps for row in rows))


def test_a_market_in_which_nothing_can_be_gained_has_no_optimum_beyond_equal_slices():
    """Impact that is gone at once, and a drift of next to nothing."""
    gone = market_of("ow", {"resilience": 1e6})
    assert gone.gain_bps is None
    assert unit_bps(gone) == pytest.approx(0.5 * 1e-4 * 1e5 / 11 / 100 * 1e4, rel=1e-6)
    still = market_of("signal", {"drift": 1e-7})
    assert (still.baseline, still.twap_reward) == ("immediate", 1.0)


def test_a_percentage_is_left_out_where_a_baseline_costs_nothing():
    """Costs of equal slices that buys and sells cancel are near 0, and so is their error: no percentage."""
    n = 40
    noise = rng_for(0, "costs").normal(0.0, 1.0, n)
    zero, window = np.zeros(n), np.arange(n)

    def outcomes(cost):
        return Outcomes(cost, zero, zero, zero, zero, zero[:, None], window)

    cheap = {"ppo": outcomes(noise), "twap": outcomes(zero + 0.01), "random": outcomes(noise[::-1])}
    assert not has_a_cost("twap", cheap)
    assert not [name for name in metrics(cheap) if name.endswith("_pct")]
    dear = {name: replace(found, shortfall_bps=found.shortfall_bps + 9) for name, found in cheap.items()}
    assert metrics(dear)["val/slippage_vs_twap_pct"] == pytest.approx(100 * (noise.mean() - 0.01) / 9.01)


@pytest.mark.parametrize("name", ["bars", "book"])
def test_members_with_parts_of_their_own_see_what_each_alone_would(name):
    data = {"bars": PANEL, "book": make_book()}[name]
    parts = [training for training, _ in walk_forward(2)]
    both = market_of(name, None, data, parts[0]).within(*parts)
    together = episodes(execution(both, 2, 30, 1.0), 4)
    for k, part in enumerate(parts):
        env = execution(market_of(name, None, data, part), 1, 30, 1.0)
        alone = episodes(env, 4)
        for key, value in alone.items():
            assert torch.equal(value[0], together[key][k]), key
        seen = both.seen(together, together["k"])[k]
        assert torch.equal(env.market.seen(alone, alone["k"])[0], seen)
