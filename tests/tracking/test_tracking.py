"""What a training program calls: alone, in a sweep, and at the lockbox."""

from __future__ import annotations

import copy
import json
import math
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sharpen import tracking
from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.facts import BarsFacts, DataNote, RunFacts
from sharpen.store.blobs import blob_path
from sharpen.store.queries import Reader
from sharpen.tracking import Stopped
from sharpen.wire import Client

SWEEP = """
program: train.py
method: grid
metric: {name: val/sharpe, goal: maximize}
parameters: {x: {values: [1, 2, 3]}, model: {parameters: {depth: {value: 4}}}}
early_terminate: {type: hyperband, min_iter: 1, eta: 3}
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("SHARPEN_RUN", raising=False)
    tracking.run.current.clear()
    yield
    tracking.run.current.clear()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with connect(tmp_path / "home") as found:
        yield found


@pytest.fixture
def sweep_id(client: Client) -> str:
    place = {"source": "s.yaml", "workdir": "/"}
    return client.call("create_sweep", key="k", text=SWEEP, place=place, seed=11)["sweep_id"]


class Leased:
    """A run that an agent would have given to this process."""

    def __init__(
        self, client: Client, sweep_id: str, monkeypatch: pytest.MonkeyPatch, key: str = "k"
    ) -> None:
        run = client.call("lease", sweep_id=sweep_id, agent_id="a", key=key)["run"]
        self.run_id: str = run["run_id"]
        self.lease = {"run_id": self.run_id, "token": run["token"]}
        about = {**self.lease, "channel": client.channel.address, "seed": 11, "stage": "search"}
        about["config"] = {"x": run["config"]["x"], "model": {"depth": 4}}
        monkeypatch.setenv("SHARPEN_RUN", json.dumps(about))


def test_alone_it_prints_what_is_logged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "m").touch()
    with tracking.init({"a": 1}) as run:
        run.log({"val/sharpe": 0.123456789, "n": 3, "word": "x"})
        run.log({"val/sharpe": math.nan, "array": np.array([1, 2]), "f": np.float32(0.5)}, step=7)
        run.log({"after": 1})
        run.summary.update({"best": 2.0})
        run.summary["note"] = "hi"
        run.log_artifact(tmp_path / "m")
    assert capsys.readouterr().out.splitlines() == [
        "step 1  val/sharpe=0.123457  n=3  word=x",
        "step 7  val/sharpe=nan  array=[1 2]  f=0.5",
        "step 8  after=1",
        "summary  best=2",
        "summary  note=hi",
    ]
    assert (run.config, run.seed, run.stage, run.in_sweep) == ({"a": 1}, 0, "search", False)
    assert {name: run.summary[name] for name in run.summary} == {"best": 2.0, "note": "hi"}


def test_alone_it_prints_what_a_reader_can_use_of_the_facts_for_the_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with tracking.init() as run:
        facts = RunFacts(BarsFacts("us", "ab" * 32, (DataNote("", "few bars"),), sketch="00" * 999))
        run.summary.update(facts.to_summary())
        run.summary["infeasible"] = "no trades"
        run.summary["words"] = "x" * 150
    assert capsys.readouterr().out.splitlines() == [
        "summary  data/name=us",
        "note  few bars",
        "summary  infeasible=no trades",
        f"summary  words={'x' * 99}…",
    ]


@pytest.mark.parametrize(
    ("metrics", "step", "words"),
    [
        ({"a": 1}, 4, r"log\(step=4\): the last step was 5, and steps only grow"),
        ({"a": 1}, -1, "steps only grow"),
        ({"a": 1}, 5.5, r"log\(step=5\.5\): a step is a whole number"),
        ({"a": 1}, "6", "a step is a whole number"),
        ({"": 1}, 6, "'' is no name of a metric"),
        ({3: 1}, 6, "3 is no name of a metric"),
        (["loss"], 6, r"log\(\['loss'\]\): metrics are a mapping"),
        (None, 6, r"log\(None\): metrics are a mapping"),
    ],
)
def test_what_cannot_be_logged_is_refused(
    metrics: dict[str, Any], step: Any, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracking.init() as run:
        run.log({"a": 1}, step=5)
        with pytest.raises(UsageError, match=words):
            run.log(metrics, step=step)
        run.log({"b": 2}, step=np.int64(5))
    assert capsys.readouterr().out == "step 5  a=1\nstep 5  b=2\n"


def test_a_file_that_is_not_there_cannot_be_kept(tmp_path: Path) -> None:
    with tracking.init() as run, pytest.raises(UsageError, match="there is no file"):
        run.log_artifact(tmp_path / "nothing")
    with tracking.init() as run, pytest.raises(UsageError, match="it is a folder"):
        run.log_artifact(tmp_path)


def test_module_functions_speak_to_the_run_made_last(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"call sharpen\.tracking\.init\(\) before logging"):
        tracking.log({"a": 1})
    (tmp_path / "m").touch()
    with tracking.init():
        tracking.log({"a": 1})
        tracking.log_artifact(tmp_path / "m")
    assert capsys.readouterr().out == "step 1  a=1\n"
    with pytest.raises(UsageError, match="before logging"):
        tracking.log({"a": 1})


def test_in_a_sweep_everything_is_stored_by_the_time_a_call_returns(
    client: Client,
    sweep_id: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leased = Leased(client, sweep_id, monkeypatch)
    reader = Reader(client.channel.home)
    (tmp_path / "model.json").write_text("{}")
    with tracking.init({"x": 99, "model": {"width": 1}, "extra": 5}) as run:
        assert run.config == {"x": 1, "model": {"width": 1, "depth": 4}, "extra": 5}
        assert (run.seed, run.stage, run.in_sweep) == (11, "search", True)
        run.log({"val/sharpe": np.float32(0.5), "loss": math.nan}, step=1)
        assert [(r.value, r.metrics) for r in reader.reports(run_id=leased.run_id)] == [
            (0.5, {"val/sharpe": 0.5, "loss": "NaN"})
        ]
        run.summary["data"] = {"name": "toy"}
        assert reader.run(leased.run_id).summary == {"data": {"name": "toy"}}
        run.log_artifact(tmp_path / "model.json", type="model", metadata={"n": np.int64(3)})
        (kept,) = reader.artifacts(run_id=leased.run_id)
    assert (kept.name, kept.type, kept.n_bytes, kept.metadata) == ("model.json", "model", 2, {"n": 3})
    assert kept.path.read_text() == "{}"
    assert capsys.readouterr().out == ""


def test_a_run_that_falls_behind_is_stopped_like_sys_exit_0(
    client: Client, sweep_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, key in ((0.9, "k1"), (0.8, "k2"), (0.7, "k3")):
        leased = Leased(client, sweep_id, monkeypatch, key)
        with tracking.init() as run:
            if key == "k1":
                run.log({"val/sharpe": value})
                continue
            with pytest.raises(Stopped, match="0") as stopped:
                run.log({"val/sharpe": value})
        assert isinstance(stopped.value, SystemExit)
        assert stopped.value.code == 0
        assert f"val/sharpe {value} at iteration 1 is below the top third's" in stopped.value.reason
        client.call("exit", **leased.lease, exit_code=0, last_words="")
        assert Reader(client.channel.home).run(leased.run_id).state == "stopped"


def test_a_run_knows_whether_it_leads(client: Client, sweep_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with tracking.init() as alone:
        assert alone.leads
    first = Leased(client, sweep_id, monkeypatch, "k1")
    with tracking.init() as run:
        assert not run.leads  # it has no score yet
        run.log({"val/sharpe": 0.5})
        assert run.leads
    second = Leased(client, sweep_id, monkeypatch, "k2")
    with tracking.init() as run:
        run.log({"val/sharpe": 0.6})
        client.call("exit", **first.lease, exit_code=0, last_words="")
        assert run.leads
        run.log({"val/sharpe": 0.4})
        assert not run.leads
        client.call("release", **second.lease)
        with pytest.raises(Stopped):
            _ = run.leads


@pytest.mark.parametrize("op", ["exit", "release"])
def test_a_run_that_somebody_else_has_or_that_has_ended_is_stopped(
    client: Client, sweep_id: str, monkeypatch: pytest.MonkeyPatch, op: str
) -> None:
    leased = Leased(client, sweep_id, monkeypatch)
    with tracking.init() as run:
        run.log({"val/sharpe": 0.5})
        more = {"exit_code": 0, "last_words": ""} if op == "exit" else {}
        client.call(op, **leased.lease, **more)
        with pytest.raises(Stopped) as stopped:
            run.log({"val/sharpe": 0.6})
    assert leased.run_id in stopped.value.reason


def test_on_permuted_bars_metrics_go_to_a_file_and_files_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, home = tmp_path / "results.jsonl", tmp_path / "home"
    about = {"channel": f"unix:{home}", "results": str(results), "stage": "permuted", "permutation_seed": 8}
    monkeypatch.setenv("SHARPEN_RUN", json.dumps(about))
    with tracking.init() as run:
        assert run.stage == "permuted"
        with pytest.raises(UsageError, match=r"the program never looks at run\.permutation_seed"):
            run.log({"val/sharpe": 1.0})
        assert run.permutation_seed == 8
        run.log({"val/sharpe": 1.0})
        run.log_artifact(results, name="returns", type="returns")
    assert results.read_text() == '{"step":1,"metrics":{"val/sharpe":1.0}}\n'
    assert not home.exists()


def test_there_is_no_permutation_in_a_search(capsys: pytest.CaptureFixture[str]) -> None:
    with tracking.init() as run:
        assert run.permutation_seed is None


def test_at_the_lockbox_everything_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, home = tmp_path / "results.jsonl", tmp_path / "home"
    about = {
        "channel": f"unix:{home}",
        "results": str(results),
        "config": {"x": 2},
        "seed": 3,
        "stage": "lockbox",
    }
    monkeypatch.setenv("SHARPEN_RUN", json.dumps(about))
    (tmp_path / "returns.npy").write_bytes(b"123")
    with tracking.init({"x": 1, "y": 1}) as run:
        assert (run.config, run.seed, run.stage, run.in_sweep) == ({"x": 2, "y": 1}, 3, "lockbox", False)
        run.log({"test/sharpe": math.nan})
        run.log({"test/sharpe": 1.5}, step=4)
        run.summary["n"] = 2
        run.log_artifact(tmp_path / "returns.npy", name="returns", type="returns", metadata={"bars": 3})
    digest = "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3"  # SHA-256 of "123"
    assert [json.loads(line) for line in results.read_text().splitlines()] == [
        {"step": 1, "metrics": {"test/sharpe": "NaN"}},
        {"step": 4, "metrics": {"test/sharpe": 1.5}},
        {"summary": {"n": 2}},
        {
            "artifact": {
                "name": "returns",
                "type": "returns",
                "digest": digest,
                "n_bytes": 3,
                "metadata": {"bars": 3},
            }
        },
    ]
    assert blob_path(home, digest).read_bytes() == b"123"


def test_a_configuration_is_read_by_attribute() -> None:
    with tracking.init({"lr": 0.1, "optimizer": {"name": "adam", "betas": {"first": 0.9}}}) as run:
        assert (run.config.lr, run.config.optimizer.betas.first) == (0.1, 0.9)
        assert run.config["optimizer"].name == "adam"
        assert run.config == {"lr": 0.1, "optimizer": {"name": "adam", "betas": {"first": 0.9}}}


def test_the_configuration_of_a_sweep_is_read_by_attribute(
    client: Client, sweep_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Leased(client, sweep_id, monkeypatch)
    with tracking.init({"model": {"width": 1}, "y": 2}) as run:
        assert (run.config.x, run.config.model.depth, run.config.y) == (1, 4, 2)


@pytest.mark.parametrize(
    ("values", "name", "says"),
    [
        ({"max_depth": 5}, "max_dept", "no 'max_dept'; did you mean 'max_depth'? It has: max_depth"),
        ({"a": 5}, "zzz", "no 'zzz'; it has: a"),
        ({}, "lr", "no 'lr'; it has: nothing"),
        ({f"p{n}": n for n in range(100, 200)}, "q", "p110, p111, …"),
    ],
)
def test_a_name_that_the_configuration_lacks_is_answered_with_those_it_has(
    values: dict[str, int], name: str, says: str
) -> None:
    with pytest.raises(AttributeError, match=re.escape(says)):
        getattr(tracking.Config(values), name)
    assert getattr(tracking.Config(values), name, 3) == 3
    assert not hasattr(tracking.Config(values), name)


def test_a_configuration_is_a_dictionary_to_all_who_take_one() -> None:
    plain = {"lr": 0.1, "net": {"width": 3}, "layers": [1, {"a": 2}], "model.dropout": 0.5}
    config = tracking.Config(plain)
    assert json.loads(json.dumps(config)) == plain
    for copied in (
        pickle.loads(pickle.dumps(config)),
        copy.copy(config),
        copy.deepcopy(config),
        config.copy(),
    ):
        assert copied == plain
        assert isinstance(copied, tracking.Config)
        assert copied.net.width == 3
    assert {**config} == dict(config) == config | {} == plain
    assert yaml.safe_load(yaml.safe_dump(config.as_dict())) == plain
    config.as_dict()["net"]["width"] = 4
    assert plain["net"] == config.net == {"width": 3}


def test_a_configuration_is_changed_by_attribute_or_key() -> None:
    config = tracking.Config({"values": [1]})
    config.lr = 0.1
    config.net = {"width": 3}
    config["late"] = {"a": 1}
    config.late.a = config.net.width + 1
    assert config == {"values": [1], "lr": 0.1, "net": {"width": 3}, "late": {"a": 4}}
    with pytest.raises(AttributeError, match=re.escape("write config['values'] = …")):
        config.values = [2]  # type: ignore[method-assign]
    assert callable(config.values)
    assert config["values"] == [1]
