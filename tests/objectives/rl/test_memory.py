"""More members than the memory holds at once train in parts, and earn the same."""

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.folds import Fold
from sharpen.objectives.fold_jobs import FoldJob
from sharpen.objectives.rl import memory, portfolio
from sharpen.objectives.rl.market_data import market_data

QUICK = {"net_dims_0": 8, "net_dims_1": 0, "horizon_len": 16, "n_envs": 8, "batch_size": 64, "n_checks": 1}


def test_more_than_the_memory_holds_train_one_part_after_another(world, monkeypatch):
    data = market_data(world(seed=3, n_bars=420), scaling="relative")
    settings = portfolio.PortfolioSettings.of({**QUICK, "break_step": 256})
    jobs = [FoldJob(settings, Fold(1, 260, 360, 360, 400), seed) for seed in range(5)]
    n_stocks = len(data.symbols)
    need = memory.member_bytes(settings.agent, 1 + n_stocks + data.table.shape[1], n_stocks)
    begin, sizes = portfolio._Training.begin, []

    def watched(data, part, device):
        sizes.append(len(part))
        return begin(data, part, device)

    monkeypatch.setattr(portfolio._Training, "begin", watched)
    found = {}
    for n_fit in (5, 2):
        monkeypatch.setattr(memory, "free_bytes", lambda device, n_fit=n_fit: (n_fit + 0.5) * need / 0.8)
        found[n_fit] = portfolio.train(data, jobs)
    assert sizes[0] == sum(sizes[1:]) == 5
    assert max(sizes[1:]) == 2
    for one, other in zip(found[5], found[2], strict=True):
        np.testing.assert_allclose(one.score.returns, other.score.returns, atol=1e-9)
    monkeypatch.setattr(memory, "free_bytes", lambda device: need / 2)
    with pytest.raises(UsageError, match=r"1 member needs .* would fit"):
        portfolio.train(data, jobs)
