"""The winners of a search on permuted histories: kept one by one, read back, and compared."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sharpen.spec import Metric
from sharpen.views.permuted_search import (
    PermutedSearch,
    PermutedWinner,
    folder_of,
    keep,
    permuted_search,
    winners,
)

METRIC = Metric("score", "maximize")
SWEEP = SimpleNamespace(id="s", n_created=6)


def winner(history, score, root_seed=3, n_runs=6):
    return PermutedWinner(history, 100 + history, root_seed, n_runs, score)


def kept(home, *found):
    folder_of(home, "s").mkdir(parents=True, exist_ok=True)
    for each in found:
        keep(home, "s", each)


def test_winners_come_back_by_history_and_each_once(tmp_path):
    kept(tmp_path, winner(2, 0.5), winner(1, None), winner(2, 0.5))
    assert winners(tmp_path, SWEEP) == (winner(1, None), winner(2, 0.5))


def test_a_line_that_a_crash_cut_off_is_none(tmp_path):
    kept(tmp_path, winner(1, 0.1))
    with (folder_of(tmp_path, "s") / "winners.jsonl").open("a") as file:
        file.write('{"history": 2, "seed"')
    assert [each.history for each in winners(tmp_path, SWEEP)] == [1]


def test_neither_another_seed_nor_a_run_more_makes_histories_forgotten(tmp_path):
    kept(tmp_path, winner(1, 0.1), winner(1, 0.2, n_runs=5), winner(1, 0.3, root_seed=9))
    assert winners(tmp_path, SWEEP) == (winner(1, 0.1), winner(1, 0.3, root_seed=9))
    assert winners(tmp_path, SWEEP, root_seed=3) == (winner(1, 0.1),)
    grown = SimpleNamespace(id="s", n_created=7)
    assert winners(tmp_path, grown) == winners(tmp_path, SWEEP)
    assert winners(tmp_path, grown, root_seed=3) == (), "these are still to be searched"


@pytest.mark.parametrize(("scores", "decides"), [(19 * [2.0], True), (19 * [0.0], False)])
def test_histories_searched_before_a_sweep_grew_speak_against_it_but_not_for_it(scores, decides):
    each = tuple(winner(number, score) for number, score in enumerate(scores, 1))
    assert PermutedSearch(1.0, METRIC, each, 6).decides
    found = PermutedSearch(1.0, METRIC, each, 7)
    assert found.decides == decides
    assert "the sweep had 6 runs then and has 7 now, so do it again" in found.summary


@pytest.mark.parametrize(("goal", "n_as_good"), [("maximize", 2), ("minimize", 3)])
def test_the_p_value_counts_the_real_search_and_takes_no_winner_as_worse(goal, n_as_good):
    scores = (0.5, 1.0, 2.0, 0.1, None)
    found = PermutedSearch(1.0, replace(METRIC, goal=goal), tuple(winner(k, s) for k, s in enumerate(scores)))
    assert found.null is not None
    assert found.null.n_as_good == n_as_good
    assert found.null.p_value == (1 + n_as_good) / 6
    assert found.figures()["p"] == found.null.p_value
    assert "use 19 or more" in found.summary


def test_without_a_history_or_a_winner_there_is_nothing(tmp_path):
    assert permuted_search(tmp_path, SWEEP, METRIC, 1.0) is None
    kept(tmp_path, winner(1, 0.1))
    assert permuted_search(tmp_path, SWEEP, METRIC, None) is None
    assert permuted_search(tmp_path, SWEEP, METRIC, 1.0).null.n_histories == 1
