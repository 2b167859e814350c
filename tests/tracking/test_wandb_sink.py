"""A program that the stock agent started, with a stand-in for that client."""

import sys
from types import SimpleNamespace

import pytest

from sharpen.tracking.wandb_sink import WandbSink


@pytest.fixture
def client(monkeypatch):
    """Give a client whose sweep has a best run, or none."""
    run = SimpleNamespace(config={}, path="me/quant/r1", sweep_id="s1", log=lambda row, step: None)
    sweep = SimpleNamespace(
        config={"metric": {"name": "loss", "goal": "minimize"}}, _attrs={"bestLoss": None}
    )
    asked = []
    api = SimpleNamespace(sweep=lambda path: asked.append(path) or sweep)
    fake = SimpleNamespace(init=lambda config: run, Api=lambda: api, sweep=sweep, asked=asked)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_a_run_leads_until_a_better_one_has_ended(client):
    sink = WandbSink({})
    assert sink.leads()
    sink.report(1, {"loss": 2.0})
    assert sink.leads()
    client.sweep._attrs["bestLoss"] = 1.0
    assert not sink.leads()
    sink.report(2, {"loss": 0.5, "other": 9})
    assert sink.leads()
    client.sweep.config["metric"]["goal"] = "maximize"
    assert not sink.leads()
    assert set(client.asked) == {"me/quant/s1"}


def test_a_run_that_logged_nothing_does_not_lead_over_one_that_did(client):
    client.sweep._attrs["bestLoss"] = 1.0
    assert not WandbSink({}).leads()


def test_a_server_that_cannot_tell_lets_it_lead(client):
    client.Api = None
    assert WandbSink({}).leads()
