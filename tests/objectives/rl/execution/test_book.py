"""A recorded book: read in every usual layout, walked level by level, queued in, and never ahead of time."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from objectives.rl.execution.books import make_book, write_book
from sharpen.errors import DataError, NotFound, UsageError
from sharpen.objectives.rl.execution import book_data
from sharpen.objectives.rl.execution.book_data import read_book
from sharpen.objectives.rl.execution.data_split import TRAINING, Part
from sharpen.objectives.rl.execution.evaluation import play
from sharpen.objectives.rl.execution.markets import episodes, execution, market_of
from sharpen.objectives.rl.execution.policies import SliceDecision, baselines, passive_twap, twap
from sharpen.objectives.rl.execution.queue import Flow, ahead_after, fills
from sharpen.objectives.rl.execution.settings import ExecutionSettings
from sharpen.objectives.rl.execution.training import ExecutionJob, Training
from sharpen.seeds import rng_for

EVERYTHING = Part(0.0, 1.0, in_order=True)


def env_of(book, settings=None, part=EVERYTHING, n_envs=2):
    return execution(market_of("book", settings, book, part), 1, n_envs)


def flat_book(**changes):
    """Return a book that never moves: 100.0 to 100.1, ten of each of five levels, and no trades."""
    made = make_book(n_rows=60)
    bid = np.tile(np.round(100.0 - 0.1 * np.arange(5), 1), (60, 1))
    ask = np.tile(np.round(100.1 + 0.1 * np.arange(5), 1), (60, 1))
    sizes = np.full_like(bid, 10.0)
    flat = replace(made, bid_price=bid, ask_price=ask, bid_size=sizes, ask_size=sizes, trades=None)
    return replace(flat, **changes)


def test_what_is_written_is_read_in_every_layout(tmp_path):
    book = make_book()
    found = read_book(*write_book(book, tmp_path))
    for name in ("time_s", "bid_price", "bid_size", "ask_price", "ask_size"):
        assert np.array_equal(getattr(found, name), getattr(book, name)), name
    assert np.array_equal(found.trades.price, book.trades.price)
    assert np.array_equal(found.trades.side, book.trades.side)
    other = {"timestamp": (book.time_s * 1e6).astype(np.int64)}  # microseconds, as Tardis has them
    for k in range(5):
        for side in ("ask", "bid"):
            other[f"{side}s[{k}].price"] = getattr(book, f"{side}_price")[:, k]
            other[f"{side}s[{k}].amount"] = getattr(book, f"{side}_size")[:, k]
    pl.DataFrame(other).write_csv(tmp_path / "tardis.csv")
    again = read_book(tmp_path / "tardis.csv")
    assert np.array_equal(again.ask_price, book.ask_price)
    assert again.time_s == pytest.approx(book.time_s)


def test_levels_in_any_order_and_empty_ones_are_sorted(tmp_path):
    row = {"time": [0, 1], "bid_px0": [99.0, None], "bid_qty0": [1.0, None], "bid_px1": [99.5, 99.5]}
    row |= {"bid_qty1": [2.0, 0.0], "ask_px0": [100.0, 100.0], "ask_qty0": [3.0, 3.0]}
    row |= {"ask_px1": [0.0, 101.0], "ask_qty1": [0.0, 4.0]}
    pl.DataFrame(row).write_parquet(tmp_path / "book.parquet")
    book = read_book(tmp_path / "book.parquet")
    assert book.bid_price[0].tolist() == [99.5, 99.0]
    assert book.ask_size.tolist() == [[3.0, 0.0], [3.0, 4.0]]
    assert book.is_open.tolist() == [True, False]


def test_distances_from_the_midpoint_and_money_are_taken(tmp_path):
    row = {"system_time": ["2021-04-17 17:22:00", "2021-04-17 17:23:00"], "midpoint": [100.0, 200.0]}
    row |= {"bids_distance_0": [-0.01, -0.01], "bids_notional_0": [99.0, 198.0]}
    row |= {"asks_distance_0": [0.01, 0.01], "asks_notional_0": [202.0, 404.0]}
    pl.DataFrame(row).write_csv(tmp_path / "book.csv")
    book = read_book(tmp_path / "book.csv")
    assert book.bid_price[:, 0] == pytest.approx([99.0, 198.0])
    assert book.ask_size[:, 0] == pytest.approx([2.0, 2.0])
    assert np.diff(book.time_s) == pytest.approx([60.0])


def test_what_is_no_book_is_refused(tmp_path):
    book = make_book()
    with pytest.raises(NotFound, match="there is no file"):
        read_book(tmp_path / "nowhere.parquet")
    pl.DataFrame({"time": [0], "bid_px0": [1.0]}).write_parquet(tmp_path / "half.parquet")
    with pytest.raises(UsageError, match="no columns of bid size, ask price, ask size"):
        read_book(tmp_path / "half.parquet")
    (tmp_path / "text.parquet").write_text("nothing")
    with pytest.raises(UsageError, match="no parquet or CSV file"):
        read_book(tmp_path / "text.parquet")
    with pytest.raises(UsageError, match="row 3 is not later than the row before it"):
        replace(book, time_s=np.r_[book.time_s[:2], book.time_s[1:-1]])
    with pytest.raises(UsageError, match="row 1 has a bid_size below 0"):
        replace(book, bid_size=-book.bid_size)
    with pytest.raises(UsageError, match="are bids and asks exchanged"):
        replace(book, bid_price=book.ask_price, ask_price=book.bid_price)
    path, trades = write_book(book, tmp_path)
    pl.read_parquet(trades).with_columns(side=pl.lit("up")).write_parquet(trades)
    with pytest.raises(UsageError, match="row 1 has the side 'up', give buy or sell"):
        read_book(path, trades)
    with pytest.raises(UsageError, match="give --book FILE"):
        market_of("book")
    with pytest.raises(UsageError, match="arrives after its slice of 2 rows"):
        env_of(book, {"latency_s": 5.0})
    with pytest.raises(UsageError, match="needs more rows"):
        env_of(short(book))


def test_what_is_no_trade_is_refused(tmp_path):
    path, trades = write_book(make_book(), tmp_path)
    good = pl.read_parquet(trades)
    odd = {
        "no trade in .* is of the time of .* are both of one day": good.with_columns(pl.col("time") + 86400),
        "there is none at all": good.head(0),
        "row 1 has a qty of -": good.with_columns(qty=-pl.col("qty")),
        "row 1 has a price of nan": good.with_columns(price=pl.lit(None).cast(pl.Float64)),
        "row 1 has no time": good.with_columns(time=pl.lit(None).cast(pl.Float64)),
        "has what is no number in price, qty": good.with_columns(price=pl.lit("1,234.5")),
    }
    for match, frame in odd.items():
        frame.write_parquet(trades)
        with pytest.raises(UsageError, match=match):
            read_book(path, trades)


def test_text_and_infinite_sizes_are_refused_and_an_infinite_price_is_no_level(tmp_path):
    path, _ = write_book(make_book(), tmp_path)
    good = pl.read_parquet(path)
    odd = {
        "times in time that cannot be read": good.with_columns(time=pl.lit("yesterday")),
        "has what is no number in bid_px0": good.with_columns(bid_px0=pl.lit("1,234.5")),
        "row 1 has a bid_size that is no finite number": good.with_columns(bid_qty0=pl.lit(math.inf)),
    }
    for match, frame in odd.items():
        frame.write_parquet(path)
        with pytest.raises(UsageError, match=match):
            read_book(path)
    good.with_columns(ask_px0=pl.lit(math.inf)).write_parquet(path)
    book = read_book(path)
    assert np.array_equal(book.ask_price[:, 0], make_book().ask_price[:, 1])
    assert (book.ask_size[:, -1] == 0).all()


def test_halts_and_pauses_of_a_book_are_said():
    book = make_book(n_rows=300)
    late = np.arange(300) > 150
    dark = np.where((np.arange(300) % 40 < 4)[:, None], 0.0, book.ask_size)
    paused = replace(book, ask_size=dark, time_s=book.time_s + 86400.0 * late)
    training = Training([ExecutionJob(ExecutionSettings.of({"market": "book"}), 0)], data=paused)
    said = {note.kind: note.text for note in training.remarks}
    assert said["halts"].startswith("Nobody can trade in ")
    assert "1 time, once for 86401 s" in said["pauses"]


def short(book):
    names = ("time_s", "bid_price", "bid_size", "ask_price", "ask_size")
    return replace(book, **{name: getattr(book, name)[:12] for name in names})


def test_a_market_order_walks_the_levels():
    """25 shares: 10 at 100.1, 10 at 100.2, 5 at 100.3; a seller the mirror image, and fees."""
    env = env_of(flat_book(), {"n_slices": 2, "taker_fee_bps": 1.0})
    state = {**episodes(env, 0), "order": torch.full((1, 2), 50.0).double()}
    state["left"] = state["order"].clone()
    found = env.trade(
        {**state, "volume": torch.full((1, 2, 2), 1e9).double()}, torch.full((1, 2), 25.0).double()
    )
    average = (10 * 100.1 + 10 * 100.2 + 5 * 100.3) / 25
    spent = -(found["cash"] * state["side"])[0]
    for side, paid in zip(state["side"][0].tolist(), spent.tolist(), strict=True):
        price = average if side > 0 else 200.1 - average
        assert paid == pytest.approx(25 * price * (1 + side * 1e-4), abs=1e-9)


def test_an_order_larger_than_the_book_is_filled_in_part_and_the_rest_at_the_end():
    env = env_of(flat_book(), {"n_slices": 2})
    state = {**episodes(env, 0), "order": torch.full((1, 2), 200.0).double()}
    state |= {"left": state["order"].clone(), "volume": torch.full((1, 2, 2), 1e9).double()}
    first = env.trade(state, state["left"])
    assert (state["left"] - first["left"])[0].tolist() == [50.0, 50.0]  # what the five levels hold
    last = env.trade(first, first["left"])
    assert last["left"][0].tolist() == [0.0, 0.0]
    price = (first["cash"] - last["cash"])[0] * state["side"][0] / 150
    assert price[0] > 100.5
    assert price[1] < 99.6


def test_nobody_trades_where_a_side_is_empty_but_at_the_end():
    book = flat_book()
    dark = np.where(np.arange(60)[:, None] >= 12, 0.0, book.ask_size)
    env = env_of(replace(book, ask_size=dark), {"latency_s": 0.0, "n_slices": 3, "slice_rows": 1})
    state = env.begin({**episodes(env, 0), "row": torch.tensor([[11, 20]])})
    once = env.trade(state, state["left"] / 3)
    assert (once["left"][0] < state["left"][0]).tolist() == [True, False]
    end = env.trade(env.trade(once, once["left"]), once["left"])
    assert end["left"][0].tolist() == [0.0, 0.0]
    assert torch.isfinite(end["cash"]).all()


def test_the_queue_is_that_of_hftbacktest():
    assert ahead_after(10.0, 20.0, 4.0, 14.0) == pytest.approx(5.4)  # 6 less 0.3 of the 2 that left
    assert ahead_after(10.0, 20.0, 14.0, 6.0) == -4.0  # 4 traded past it
    assert ahead_after(10.0, 20.0, 0.0, 25.0) == 10.0  # those who come stand behind
    assert ahead_after(10.0, 20.0, 0.0, 3.0) <= 3.0  # no more is ahead than there is


def queue_of(trades, asks=(101.0, 101.0, 101.0), sizes=(20.0, 14.0, 10.0)):
    """Return what fills of a bid at 100 over two rows; trades are (row, price, size) by sellers."""
    price = np.full((3, 1), 100.0)
    first = np.searchsorted([t[0] for t in trades], np.arange(4))
    at, size = (np.array([t[i] for t in trades], dtype=float) for i in (1, 2))
    flow = Flow(price, np.array(sizes)[:, None], np.array(asks), first, at, size)
    return fills(flow, np.arange(3), 2)[0]


def test_a_limit_order_fills_after_all_that_is_ahead_or_when_the_price_goes_through():
    assert queue_of([]) == 0.0
    assert queue_of([(0, 100.0, 15.0), (1, 100.0, 4.0)], sizes=(20.0, 5.0, 1.0)) == 0.0
    assert queue_of([(0, 100.0, 15.0), (1, 100.0, 9.0)], sizes=(20.0, 5.0, 1.0)) == 4.0
    assert queue_of([(0, 99.9, 1.0)]) == math.inf
    assert queue_of([], asks=(101.0, 101.0, 100.0)) == math.inf
    assert (
        queue_of([(0, 99.9, 1.0)], asks=(100.0, 101.0, 101.0)) == 0.0
    )  # it would have met an ask: taken back


def test_a_limit_order_pays_the_best_price_and_the_rest_waits():
    env = env_of(make_book(3), {"latency_s": 0.0})
    state = episodes(env, 0)
    wanted = twap(env, state).wanted
    after = env.trade(state, wanted, torch.ones_like(wanted, dtype=torch.bool))
    filled = state["left"] - after["left"]
    best = env.market._best[(state["side"] < 0).long(), state["row"]]
    assert torch.allclose(-after["cash"] * state["side"], filled * best)
    assert (filled <= wanted + 1e-12).all()
    found = play(env_of(make_book(3), n_envs=20), episodes(env_of(make_book(3), n_envs=20), 0), passive_twap)
    assert 0.0 < found.forced.mean() < 1.0 or found.traded[:, 0].mean() < 0.2


def other_future(book, time_s):
    """Return the book with everything after a moment changed."""
    rng, late = rng_for(1, "other"), book.time_s > time_s
    shift = np.where(late, np.round(rng.integers(1, 40, len(late)) * 0.1, 1), 0.0)[:, None]
    sizes = np.where(late[:, None], 7.0, 0.0)
    trades = book.trades
    more = np.where(trades.time_s > time_s, 3.0, 0.0)
    return replace(
        book,
        bid_price=np.round(book.bid_price + shift, 1),
        ask_price=np.round(book.ask_price + 2 * shift, 1),
        bid_size=book.bid_size + sizes,
        ask_size=book.ask_size + 3 * sizes,
        trades=replace(
            trades,
            size=trades.size + more,
            price=trades.price + more,
            side=-trades.side * (more > 0) + trades.side * (more == 0),
        ),
    )


@pytest.mark.parametrize("part", [Part(0.5, 0.9, in_order=True), TRAINING])
def test_nothing_is_known_of_a_book_before_it_happens(part):
    """What is seen and done up to a slice is the same whatever the book becomes after its first snapshot."""
    book = make_book(5)
    env = env_of(book, part=part, n_envs=4)
    for k in range(env.market.n_slices):
        state = episodes(env, 5)
        now = book.time_s[int(state["row"].min()) + k * env.market.rules.slice_rows]
        for _ in range(k):
            state = env.trade(state, state["left"] * 0.3, state["side"] > 0)
        is_now = state["row"] == state["row"].min()
        bent = env_of(other_future(book, now), part=part, n_envs=4)
        if not part.in_order:  # a market that is trained in knows the usual moves of its own part
            bent.market._move = env.market._move
        other = bent.begin(
            {
                **{n: episodes(bent, 5)[n] for n in ("mid", "side", "volume", "row", "window")},
                **{n: state[n] for n in ("order", "usual")},
            }
        )
        assert torch.equal(episodes(bent, 5)["usual"][is_now], episodes(env, 5)["usual"][is_now])
        other |= {name: state[name] for name in ("k", "left", "cash", "impact", "forced", "passed")}
        assert torch.equal(env.own(state)[is_now], bent.own(other)[is_now])
        for label, policy in baselines(env).items():
            mine, again = policy(env, state).wanted, baselines(bent)[label](bent, other).wanted
            assert torch.equal(mine[is_now], again[is_now]), label


def test_buying_and_selling_in_a_mirrored_book_are_the_same():
    book, trades = make_book(7), make_book(7).trades
    mirrored = replace(
        book,
        bid_price=np.round(200.0 - book.ask_price, 1),
        ask_price=np.round(200.0 - book.bid_price, 1),
        bid_size=book.ask_size,
        ask_size=book.bid_size,
        trades=replace(trades, price=np.round(200.0 - trades.price, 1), side=-trades.side),
    )
    envs = [env_of(b, n_envs=40) for b in (book, mirrored)]
    state = episodes(envs[0], 0)
    other = {**episodes(envs[1], 0), "side": -state["side"]}
    other = {**other, **{n: state[n] for n in ("order", "usual", "left")}}
    seen = [env.own(s) for env, s in zip(envs, (state, other), strict=True)]
    assert torch.allclose(*seen, atol=0.1)  # but for what is a share of the price, which is not the same
    for policy in (twap, passive_twap, lambda e, s: SliceDecision(s["left"])):
        paid = []
        for env, start in zip(envs, (state, other), strict=True):
            now = env.begin(start)
            for _ in range(env.market.n_slices):
                decision = policy(env, now)
                now = env.trade(now, decision.wanted, decision.passive)
            paid.append(env.cost(now))
        assert torch.allclose(paid[0], paid[1], atol=1e-6)


def test_a_book_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    file = tmp_path / "book.parquet"
    pl.DataFrame({"time": [1, 2], "bid_px0": [1.0, 1.0], "bid_qty0": [1.0, 1.0]}).write_parquet(file)
    monkeypatch.setattr(book_data, "MOST_VALUES", 5)
    with pytest.raises(DataError, match="2 rows of 3 columns, and the limit is 5 values"):
        read_book(file)
    pl.DataFrame({"time": [1, 2], "bids": [[1.0], [1.0, 2.0]]}).write_parquet(file)
    with pytest.raises(DataError, match="column bids holds List"):
        read_book(file)
