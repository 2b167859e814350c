"""A model's way from a run to prod, as people type it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from coordinator.harness import CoordinatorHarness
from sharpen.gates import DEFAULT_GATES
from sharpen.store.blobs import blob_path, put_file
from sharpen.store.collection_rows import resolve
from sharpen.store.queries import Reader

FACTS = {"settings": {"model": "xgboost"}, "symbols": ["AAPL"], "feature_names": ["rsi"]}


def home_with(folder: Path, *contents: bytes, facts: Any = FACTS, summary: Any = None) -> Path:
    """Return a store whose sweep has a finished run for each model file; they say what ``summary`` holds."""
    harness = CoordinatorHarness(folder / "home")
    sweep_id = harness.create(run_cap=len(contents))
    for i, content in enumerate(contents):
        held = harness.held(sweep_id, f"k{i}")
        (folder / "model").write_bytes(content)
        digest, n_bytes = put_file(harness.home, folder / "model")
        file = {"name": "model", "type": "model", "digest": digest, "n_bytes": n_bytes, "metadata": facts}
        harness.ask("artifact", **held, **file)
        harness.report(held, 1, val_sharpe=1.0 - i)
        harness.ask("summarize", **held, values=summary or {})
        harness.ask("exit", **held, exit_code=0, last_words="")
    harness.close()
    return harness.home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return home_with(tmp_path, b"{L\x00first", b"{L\x00second")


@pytest.fixture
def lenient(home: Path) -> None:
    """The store's own gates: they ask for the digest alone, and for a second person before prod."""
    kept = {"candidate": {"digest_matches"}, "prod": {"digest_matches", "second_person"}}
    gates = {a: {n: None for n in DEFAULT_GATES[a] if n not in names} for a, names in kept.items()}
    (home / "gates.yaml").write_text(json.dumps(gates))


def stored(home: Path, digest: str) -> Path:
    return blob_path(home, digest)


def test_a_run_becomes_a_version_once(sharpen: Any, home: Path) -> None:
    first = sharpen("register", "last-1", "--as", "xgb", home=home, SHARPEN_USER="ann")
    assert (first.exit_code, first.stdout) == (0, "xgb:v0\n")
    assert sharpen("register", "last-1", "--as", "xgb", home=home).stdout == "xgb:v0\n"
    assert sharpen("register", "last-2", "--as", "xgb", home=home).stdout == "xgb:v1\n"
    listed = json.loads(sharpen("models", "--json", home=home).stdout)
    assert [(row["model"], row["author"]) for row in listed[:1]] == [("xgb:v0", "ann")]
    shown = json.loads(sharpen("models", "show", "xgb:v0", "--json", home=home).stdout)
    assert shown["record"]["decides_by"] == FACTS
    assert shown["record"]["config"] == Reader(home).run("last-1").config


@pytest.mark.parametrize("content", [b"\x80\x04pickle", b"PK\x03\x04torch", b"#!/bin/sh"])
def test_what_could_run_code_is_not_registered(sharpen: Any, tmp_path: Path, content: bytes) -> None:
    told = sharpen("register", "last-1", "--as", "xgb", home=home_with(tmp_path, content))
    assert told.exit_code == 2
    assert "no format that is safe to load" in told.stderr


def test_without_evidence_nothing_is_promoted_and_it_is_said_what_to_run(sharpen: Any, home: Path) -> None:
    sharpen("register", "last-1", "--as", "xgb", home=home)
    told = sharpen("promote", "xgb:v0", "candidate", home=home)
    assert told.exit_code == 1
    assert "missing: search_p has no evidence, must be 0.05 or less: sharpen permute" in told.stdout
    losing = sharpen("promote", "xgb_v0", "candidate", "--json", home=home)
    assert json.loads(losing.stdout)["state"] == "refused"


def test_only_the_winner_of_a_sweep_has_a_verdict(sharpen: Any, home: Path) -> None:
    sharpen("register", "last-2", "--as", "xgb", home=home)
    assert (
        "only the winner of a sweep has a verdict" in sharpen("promote", "xgb:v0", "paper", home=home).stdout
    )


@pytest.mark.usefixtures("lenient")
def test_two_people_bring_a_model_to_prod_and_one_takes_it_back(sharpen: Any, home: Path) -> None:
    for run in ("last-1", "last-2"):
        sharpen("register", run, "--as", "xgb", home=home, SHARPEN_USER="ann")
    asked = sharpen("promote", "xgb:v0", "prod", home=home, SHARPEN_USER="bob")
    assert asked.exit_code == 1
    assert "waits for a second person" in asked.stdout
    approve = ("promote", "xgb:v0", "prod", "--approve")
    for who, why in (("bob", "bob asked for it"), ("ann", "ann registered it")):
        told = sharpen(*approve, home=home, SHARPEN_USER=who)
        assert told.exit_code == 1
        assert why in told.stderr
    moved = sharpen(*approve, home=home, SHARPEN_USER="cid").stdout
    assert "xgb:v0 is prod now" in moved
    assert "by the store's own gates, which the log shows for ever:\n  verdict is not asked for" in moved
    forced = sharpen("promote", "xgb:v1", "prod", "--force", "--reason", "a drill", home=home)
    assert "FORCED" in forced.stdout
    back = sharpen("rollback", "xgb", "prod", "--reason", "slippage doubled", home=home)
    assert back.stdout == "xgb:prod is v0 again, no longer v1\n"
    log = json.loads(sharpen("models", "audit", "--json", home=home).stdout)
    assert log["problems"] == []
    assert [e["action"] for e in log["entries"]][2:] == ["requested", "promoted", "forced", "rolled back"]
    assert "verdict is not asked for" in log["entries"][3]["easier"]
    again = sharpen("rollback", "xgb", "prod", "--reason", "me, too", home=home, SHARPEN_USER="eve")
    assert again.exit_code == 1
    assert "minutes ago: slippage doubled. To go back further, say so with --expect v0" in again.stderr
    last = sharpen(
        "rollback", "xgb", "prod", "--reason", "x", "--expect", "v0", home=home, SHARPEN_USER="eve"
    )
    assert last.stdout == "xgb:prod points nowhere now, no longer at v0\n"
    assert sharpen("models", "audit", home=home).exit_code == 0
    assert sharpen("models", "delete", "xgb:v0", home=home).exit_code == 0


@pytest.mark.usefixtures("lenient")
def test_the_gates_of_a_store_hold_for_everybody(sharpen: Any, home: Path) -> None:
    sharpen("register", "last-1", "--as", "xgb", home=home)
    assert sharpen("promote", "xgb", "candidate", home=home).exit_code == 0
    told = sharpen("models", "delete", "xgb:v0", home=home)
    assert "xgb:v0 is candidate" in told.stderr


def test_a_file_of_one_s_own_may_ask_for_more_and_never_for_less(
    sharpen: Any, home: Path, tmp_path: Path
) -> None:
    sharpen("register", "last-1", "--as", "xgb", home=home)
    own = tmp_path / "own.yaml"
    for text in ("candidate: {pbo: null}", "candidate: {pbo: {below: 0.3}}"):
        own.write_text(text)
        told = sharpen("promote", "xgb:v0", "candidate", "--gates", own, home=home)
        assert told.exit_code == 2
        assert "--gates may only be stricter than the gates of the store: pbo" in told.stderr
    own.write_text("candidate: {pbo: {below: 0.1}}")
    told = sharpen("promote", "xgb:v0", "candidate", "--gates", own, home=home)
    assert told.exit_code == 1
    assert "must be below 0.1" in told.stdout


def test_an_alias_that_nobody_can_set_has_no_gate_either(sharpen: Any, home: Path, tmp_path: Path) -> None:
    sharpen("register", "last-1", "--as", "xgb", home=home)
    (tmp_path / "own.yaml").write_text("{latest: {}, v7: {}}")
    for alias in ("latest", "v7"):
        told = sharpen("promote", "xgb:v0", alias, "--gates", tmp_path / "own.yaml", home=home)
        assert told.exit_code == 2
        assert "is no alias to set" in told.stderr


def test_a_gate_of_the_store_s_own_cannot_be_passed_by(sharpen: Any, home: Path) -> None:
    sharpen("register", "last-1", "--as", "xgb", home=home)
    (home / "gates.yaml").write_text("shadow: {verdict: {equals: real}}")
    told = sharpen("artifact", "link", "xgb:v0", "shadow", home=home)
    assert told.exit_code == 1
    assert "missing: verdict has no evidence" in told.stdout


def test_a_program_that_was_changed_since_is_no_other_version(sharpen: Any, home: Path) -> None:
    reader = Reader(home)
    run = reader.run("last-1")
    program = Path(reader.sweep(run.sweep_id).workdir) / "program.py"
    assert sharpen("register", "last-1", "--as", "xgb", home=home).stdout == "xgb:v0\n"
    code = resolve(reader, "xgb", "v0").record["code"]
    (program.parent / code["program"]).write_text("# another one\n")
    assert sharpen("register", "last-1", "--as", "xgb", home=home).stdout == "xgb:v0\n"
    told = sharpen("register", "last-1", "--as", "other", home=home)
    assert "the record has no hash of it" in told.stderr
    assert resolve(Reader(home), "other", "v0").record["code"]["sha256"] == ""


@pytest.mark.usefixtures("lenient")
def test_a_changed_file_is_no_evidence(sharpen: Any, home: Path) -> None:
    sharpen("register", "last-1", "--as", "xgb", home=home)
    shown = json.loads(sharpen("models", "show", "xgb", "--json", home=home).stdout)
    stored(home, shown["files"]["model.ubj"]).write_bytes(b"{L\x00First")
    told = sharpen("promote", "xgb", "candidate", home=home)
    assert told.exit_code == 1
    assert "failed: digest_matches is no" in told.stdout


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit SET who = 'eve' WHERE seq = 1", "entry 1 was changed"),
        ("DELETE FROM audit WHERE seq = 1", "entry 1 is missing"),
        ("INSERT INTO aliases VALUES ('xgb', 'prod', 0, 'eve', 1.0)", "xgb:prod points at 0"),
        (
            "UPDATE versions SET author = 'eve' WHERE version = 1",
            "xgb:v1 has the author eve, and the log says",
        ),
        (
            "UPDATE versions SET figures = '{}' WHERE version = 1",
            "xgb:v1 has the figures {}, and the log says",
        ),
        ("UPDATE versions SET record = '{}' WHERE version = 0", "of xgb:v0 were changed"),
        ("UPDATE versions SET digest = 'ab' WHERE version = 0", "xgb:v0 has the digest ab, and the log says"),
        ("UPDATE versions SET deleted_at = 1.0 WHERE version = 0", "xgb:v0 has the deleted True"),
        ("DELETE FROM versions WHERE version = 1", "xgb:v1 was registered, and is not there"),
        ("UPDATE versions SET version = 7 WHERE version = 1", "xgb:v7 is there, and the log does not know"),
    ],
)
def test_tampering_shows(sharpen: Any, home: Path, statement: str, problem: str) -> None:
    for run in ("last-1", "last-2"):
        sharpen("register", run, "--as", "xgb", home=home)
    assert sharpen("models", "audit", home=home).exit_code == 0
    connection = sqlite3.connect(home / "store.db")
    connection.execute(statement)
    connection.commit()
    connection.close()
    told = sharpen("models", "audit", home=home)
    assert told.exit_code == 1
    assert problem in told.stderr


def test_a_log_whose_end_was_cut_off_lacks_the_hash_that_was_noted(sharpen: Any, home: Path) -> None:
    sharpen("register", "last-1", "--as", "xgb", home=home)
    newest = json.loads(sharpen("models", "audit", "--json", home=home).stdout)["newest"]
    assert sharpen("models", "audit", "--expect", newest, home=home).exit_code == 0
    assert sharpen("models", "audit", "--expect", "0" * 64, home=home).exit_code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("register", "last-1", "--as", "a/b"),
        ("promote", "nobody:v0", "candidate"),
        ("promote", "xgb:v0", "stage"),
        ("promote", "xgb:v0", "candidate", "--force"),
        ("promote", "xgb:v7", "candidate"),
        ("promote", "xgb:v0", "candidate", "--expect", "3"),
    ],
)
def test_wrong_words_exit_2(sharpen: Any, home: Path, words: tuple[str, ...]) -> None:
    sharpen("register", "last-1", "--as", "xgb", home=home)
    assert sharpen(*words, home=home).exit_code == 2
