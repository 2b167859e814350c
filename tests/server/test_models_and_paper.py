"""Pages of models, of paper trading, and of runs side by side."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paper.worlds import Momentum, World, panel_of
from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.paper.ledger import Ledger
from sharpen.paper.report import report
from sharpen.paper.signal_comparison import Mismatch
from sharpen.server.auth import KeyFile
from sharpen.server.lineage import USED
from sharpen.server.pages import models_and_paper
from sharpen.server.pages.account_file import write_account
from sharpen.server.pages.analysis import ResultCache
from sharpen.store.blobs import put_file

from .test_pages import Site


@pytest.fixture
def site(tmp_path):
    with connect(tmp_path / "store") as client:
        site = Site(tmp_path / "store", client)
        site.log_in(KeyFile(site.home).add())
        yield site


def test_a_model_its_aliases_files_and_audit_log(site, tmp_path):
    assert "sharpen register" in site.ask("/models").text
    (tmp_path / "model.json").write_text("{}")
    digest, n_bytes = put_file(site.home, tmp_path / "model.json")
    files = [{"name": "model.json", "digest": digest, "n_bytes": n_bytes}]
    content = {"files": files, "record": {"seed": 1}, "run_id": None}
    about = {"content": content, "figures": {"dsr": 0.41}, "who": "<i>ann"}
    site.client.call("register", collection="desk/xgb", type="model", **about)
    move = {"collection": "desk/xgb", "alias": "mine", "version": 0, "expected": None, "who": "ann"}
    site.client.call("alias", move=move)
    listed = site.ask("/models").text
    assert "desk/xgb" in listed
    assert "mine → v0" in listed
    page = site.ask("/models/desk/xgb")
    assert page.status_code == 200
    assert "<i>ann" not in page.text
    assert "0.41" in page.text
    assert "the log is whole" in page.text
    assert site.ask("/models/none").status_code == 404
    assert site.ask("/models/..%2F..%2Fkeys.json").status_code == 404


def test_who_made_and_who_used_a_version_and_where_the_clients_links_lead(site):
    for name in ("maker", "user"):
        made = site.client.call(
            "create_run", run_id=name, key=name, project="q/a", display_name=f"the {name}"
        )
        assert made["run_id"] == name
    content = {"files": [], "record": {"n": 0}, "run_id": "maker"}
    for n in range(2):
        about = {"content": content | {"record": {"n": n}}, "figures": {}, "who": "ann"}
        site.client.call("register", collection="q/a/bars", type="dataset", **about)
    linked = {"content": content | {"record": {"source": "q/a/bars:v1"}}, "figures": {}, "who": "ann"}
    site.client.call("register", collection="wandb-registry-data/best-bars", type="dataset", **linked)
    changes = {"summary": {USED: ["q/a/bars:v0"]}}
    site.client.call("edit_run", run_id="user", changes=changes)
    page = site.ask("/models/q/a/bars").text
    newest, older = page.partition('id="v1"')[2].split('id="v0"')
    assert "the user" in older
    assert "the user" not in newest
    assert 'href="/local/q%2Fa/runs/user"' in older
    assert 'href="/models/q/a/bars#v0"' in site.ask("/local/q%2Fa/runs/user").text
    assert 'href="/models/q/a/bars#v1"' in site.ask("/local/q%2Fa/runs/maker").text
    registry = "/models/wandb-registry-data/best-bars"
    assert 'href="/models/q/a/bars#v1"' in site.ask(registry).text
    links = {
        "/local/q/a/artifacts/dataset/bars/v1": "/models/q/a/bars#v1",
        "/local/q/a/artifacts/dataset/bars": "/models/q/a/bars",
        "/local/q/a/artifacts": "/models?project=q%2Fa",
        "/orgs/local/registry/data?selectionPath=local%2Fwandb-registry-data%2Fbest-bars"
        "&view=membership&version=v0": f"{registry}#v0",
    }
    for link, page in links.items():
        answer = site.ask(link)
        assert (answer.status_code, answer.headers["location"]) == (303, page)
        assert site.ask(page.partition("#")[0]).status_code == 200
    assert site.ask("/local/registry/model").status_code == 404
    listed = site.ask("/models?project=q/a").text
    assert "q/a/bars" in listed
    assert "registry" not in listed
    assert "1 artifact collection<" in site.ask("/local/q%2Fa").text


def test_a_paper_account(site):
    assert "sharpen paper run" in site.ask("/paper").text
    with Ledger(site.home / "paper" / "default.ledger") as ledger:
        ledger.deposit(Decimal(1000), 0.0)
        ledger.worth_at_start("2012-01-03", Decimal(1000), 1.0)
        ledger.worth_at_start("2012-01-04", Decimal(1100), 2.0)
        ledger.note("started", "<script>", 3.0)
    assert "10.0 %" in site.ask("/paper").text
    page = site.ask("/paper/default").text
    assert 'id="worth"' in page
    assert "<script>" not in page
    for name in ("none", "..%2Fkeys", "%00"):
        assert site.ask(f"/paper/{name}").status_code == 404


def test_an_account_beside_its_backtest(site, monkeypatch):
    panel = panel_of(40)
    account = World(site.home, panel).open()
    account.play()
    found = report(account.ledger, panel, Momentum(panel.symbols), 2.0, seed=0)
    account.close()
    assert "has not traded" in site.ask("/paper/test").text, "its bars have no name"
    monkeypatch.setattr(models_and_paper, "account_report", lambda *_: found)
    monkeypatch.setattr(models_and_paper, "_REPORTS", ResultCache())
    page = site.ask("/paper/test").text
    for said in ("90 % of its resampled bars between", "the backtest takes 2.0", "0 differ", "±4"):
        assert said in page
    assert 'class="band"' in page
    assert 'class="line beside"' in page
    assert (
        f"{100 * found.growth.paper[-1]:.2f} %, the backtest {100 * found.growth.backtest[-1]:.2f} %" in page
    )
    write_account(site.home, "test", site.home / "paper.html")
    file = (site.home / "paper.html").read_text()
    assert 'class="band"' in file
    assert "<script" not in file
    assert 'href="/' not in file
    (site.home / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="was not written by sharpen"):
        write_account(site.home, "test", site.home / "mine.txt")
    wrong = replace(found.replay, mismatches=(Mismatch("20240105T0000", "AAA", "signal", "0.5", "-0.5"),))
    monkeypatch.setattr(models_and_paper, "account_report", lambda *_: replace(found, replay=wrong))
    monkeypatch.setattr(models_and_paper, "_REPORTS", ResultCache())
    assert "1 signals or bars differ" in site.ask("/paper/test").text


def test_runs_side_by_side(site):
    sweep = site.fill(3)
    page = site.ask(f"/local/quantbot/compare?run={sweep}-1&run={sweep}-3")
    assert page.status_code == 200
    assert page.text.count('class="line run-') == 2
    assert "0.5" in page.text
    assert "2.5" in page.text
    assert site.ask(f"/local/quantbot/compare?run={sweep}-1").status_code == 409
    assert site.ask(f"/local/quantbot/compare?run={sweep}-1&run=none").status_code == 404
