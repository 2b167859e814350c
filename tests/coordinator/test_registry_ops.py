"""The registry: versions stay, aliases move past gates and one at a time, and everything is logged."""

from __future__ import annotations

from typing import Any

import pytest

from sharpen.errors import NotFound, Refused, UsageError
from sharpen.gates import DEFAULT_GATES
from sharpen.store.audit import broken_links
from sharpen.store.collection_rows import aliases, audit_rows, resolve, versions
from sharpen.store.queries import Reader

from .harness import CoordinatorHarness

FILE = {"name": "model.json", "digest": "a" * 64, "n_bytes": 3}
GOOD: dict[str, Any] = {
    name: rule.bound if rule.comparison != "above" else 1.0
    for name, rule in DEFAULT_GATES["prod"].items()
    if name != "second_person"
} | {"pbo": 0.1}


def register(harness: CoordinatorHarness, seed: int = 0, who: str = "ann", name: str = "xgb") -> Any:
    content = {"files": [FILE], "record": {"seed": seed}, "run_id": None}
    return harness.ask("register", collection=name, type="model", content=content, who=who)


def move(
    found: Any, alias: str, who: str = "ann", expected: int | None = None, **more: Any
) -> dict[str, Any]:
    facts = {"collection": "xgb", "version": found["version"], "digest": found["digest"], "alias": alias}
    return facts | {"expected": expected, "who": who} | more


def promote(harness: CoordinatorHarness, wanted: dict[str, Any], evidence: Any = GOOD, **more: Any) -> Any:
    return harness.ask("promote", move=wanted, evidence=evidence, **more)


def reader(harness: CoordinatorHarness) -> Reader:
    return Reader(harness.home)


def log(harness: CoordinatorHarness) -> list[str]:
    rows = audit_rows(reader(harness))
    assert broken_links(rows) == []
    return [row["action"] for row in rows]


def test_the_same_content_is_one_version_and_other_content_the_next(harness: CoordinatorHarness) -> None:
    first, again, other = register(harness), register(harness, who="bob"), register(harness, seed=1)
    assert (first["version"], first["is_new"]) == (0, True)
    assert (again["version"], again["is_new"], again["digest"]) == (0, False, first["digest"])
    assert other["version"] == 1
    assert [row.author for row in versions(reader(harness), "xgb")] == ["ann", "ann"]
    assert resolve(reader(harness), "xgb", "latest").version == 1
    assert log(harness) == ["registered", "registered"]


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 129, "a:b", "a/../b"])
def test_a_collection_has_a_plain_name(harness: CoordinatorHarness, name: str) -> None:
    with pytest.raises(UsageError, match="no name of a collection"):
        register(harness, name=name)


def test_a_collection_holds_one_type(harness: CoordinatorHarness) -> None:
    register(harness)
    content = {"files": [], "record": {}, "run_id": None}
    with pytest.raises(UsageError, match="type model, not dataset"):
        harness.ask("register", collection="xgb", type="dataset", content=content, who="ann")


@pytest.mark.parametrize("missing", sorted(set(DEFAULT_GATES["candidate"])))
def test_missing_evidence_is_refused_with_its_reason(harness: CoordinatorHarness, missing: str) -> None:
    found = register(harness)
    evidence = {name: value for name, value in GOOD.items() if name != missing}
    answer = promote(harness, move(found, "candidate"), evidence)
    assert answer["state"] == "refused"
    assert [c["name"] for c in answer["checks"] if c["outcome"] != "passed"] == [missing]
    assert aliases(reader(harness)) == []
    assert log(harness)[-1] == "refused"


def test_a_good_model_becomes_candidate(harness: CoordinatorHarness) -> None:
    found = register(harness)
    assert promote(harness, move(found, "candidate"))["state"] == "moved"
    assert resolve(reader(harness), "xgb", "candidate").version == 0
    assert promote(harness, move(found, "candidate", expected=0))["state"] == "unchanged"


def test_of_two_who_move_an_alias_at_once_one_is_told(harness: CoordinatorHarness) -> None:
    first, second = register(harness), register(harness, seed=1)
    requests = [
        {"op": "promote", "args": {"move": move(found, "candidate", who=who), "evidence": GOOD}}
        for found, who in ((first, "ann"), (second, "bob"))
    ]
    won, told = harness.coordinator.answer(requests)  # one transaction: the second sees the first's write
    assert won["ok"]["state"] == "moved"
    assert told["error"]["facts"]["why"] == "conflict"
    assert "xgb:candidate points at v0 by now, not at nowhere" in told["error"]["message"]


def test_another_digest_than_the_one_looked_at_is_refused(harness: CoordinatorHarness) -> None:
    found = register(harness) | {"digest": "b" * 64}
    with pytest.raises(Refused, match="another model than the one looked at"):
        promote(harness, move(found, "candidate"))


def test_prod_waits_for_a_second_person(harness: CoordinatorHarness) -> None:
    found = register(harness)
    with pytest.raises(Refused, match="nobody has asked"):
        promote(harness, move(found, "prod", who="bob"), approve=True)
    assert promote(harness, move(found, "prod"))["state"] == "requested"
    assert promote(harness, move(found, "prod"))["state"] == "requested"
    with pytest.raises(Refused, match="ann asked for it"):
        promote(harness, move(found, "prod"), approve=True)
    assert promote(harness, move(found, "prod", who="bob"), approve=True)["state"] == "moved"
    assert log(harness) == ["registered", "requested", "promoted"]


def test_the_author_is_no_second_person(harness: CoordinatorHarness) -> None:
    found = register(harness, who="ann")
    promote(harness, move(found, "prod", who="bob"))
    with pytest.raises(Refused, match="ann registered it"):
        promote(harness, move(found, "prod", who="ann"), approve=True)


def test_evidence_cannot_claim_the_second_person(harness: CoordinatorHarness) -> None:
    found = register(harness)
    assert promote(harness, move(found, "prod"), GOOD | {"second_person": True})["state"] == "requested"


def test_a_request_expires(harness: CoordinatorHarness) -> None:
    found = register(harness)
    promote(harness, move(found, "prod"))
    harness.clock.now += 8 * 86_400
    with pytest.raises(Refused, match="expired"):
        promote(harness, move(found, "prod", who="bob"), approve=True)
    assert promote(harness, move(found, "prod"))["state"] == "requested"
    assert promote(harness, move(found, "prod", who="bob"), approve=True)["state"] == "moved"


def test_a_request_is_for_one_version_in_one_state(harness: CoordinatorHarness) -> None:
    first, second = register(harness), register(harness, seed=1)
    promote(harness, move(first, "prod"))
    with pytest.raises(Refused, match="nobody has asked"):
        promote(harness, move(second, "prod", who="bob"), approve=True)
    promote(harness, move(second, "prod"), force_reason="markets are closing")
    with pytest.raises(Refused, match="nobody has asked"):  # prod has moved since
        promote(harness, move(first, "prod", who="bob", expected=1), approve=True)


def test_force_needs_a_reason_and_is_shown_for_ever(harness: CoordinatorHarness) -> None:
    found = register(harness)
    assert promote(harness, move(found, "prod"), {}, force_reason="  ")["state"] == "refused"
    assert promote(harness, move(found, "prod"), {}, force_reason="an audit asks for it")["state"] == "moved"
    assert log(harness)[-1] == "forced"
    assert "an audit asks for it" in audit_rows(reader(harness))[-1]["details"]


def test_rollback_goes_back_one_by_one(harness: CoordinatorHarness) -> None:
    found = [register(harness, seed) for seed in range(3)]
    for version, each in enumerate(found):
        promote(harness, move(each, "candidate", expected=version - 1 if version else None))
    wanted = {"collection": "xgb", "alias": "candidate", "who": "bob"}
    assert harness.ask("rollback", move=wanted | {"expected": 2}, reason="worse")["version"] == 1
    with pytest.raises(Refused, match="points at v1 by now"):
        harness.ask("rollback", move=wanted | {"expected": 2}, reason="worse")
    assert (
        harness.ask("rollback", move=wanted | {"expected": 1}, reason="worse", is_sure=True)["version"] == 0
    )
    with pytest.raises(UsageError, match="needs a reason"):
        harness.ask("rollback", move=wanted | {"expected": 0}, reason=" ")
    assert log(harness)[-2:] == ["rolled back", "rolled back"]
    found = harness.ask("rollback", move=wanted | {"expected": 0}, reason="all of them", is_sure=True)
    assert found["version"] is None
    assert aliases(reader(harness)) == []
    with pytest.raises(Refused, match="there is no xgb:candidate to roll back"):
        harness.ask("rollback", move=wanted | {"expected": None}, reason="worse")


def test_of_two_who_roll_back_at_once_one_is_told(harness: CoordinatorHarness) -> None:
    found = [register(harness, seed) for seed in range(3)]
    for version, each in enumerate(found):
        promote(harness, move(each, "candidate", expected=version - 1 if version else None))
    wanted = {"collection": "xgb", "alias": "candidate"}
    harness.ask("rollback", move=wanted | {"who": "ann", "expected": 2}, reason="slippage")
    bob = wanted | {"who": "bob", "expected": 1}
    with pytest.raises(Refused, match=r"ann rolled xgb:candidate back from v2 to v1 .* slippage"):
        harness.ask("rollback", move=bob, reason="slippage")
    assert harness.ask("rollback", move=bob, reason="that one, too", is_sure=True)["version"] == 0
    harness.clock.now += 3700
    assert harness.ask("rollback", move=wanted | {"who": "ann", "expected": 0}, reason="x")["version"] is None


def test_a_version_that_was_rolled_back_from_does_not_come_back(harness: CoordinatorHarness) -> None:
    bad, good = register(harness), register(harness, seed=1)
    for each, expected in ((bad, None), (good, 0), (bad, 1)):
        promote(harness, move(each, "candidate", expected=expected))
    wanted = {"collection": "xgb", "alias": "candidate", "who": "ann"}
    assert harness.ask("rollback", move=wanted | {"expected": 0}, reason="worse")["version"] == 1
    with pytest.raises(Refused, match="To go back further"):  # one person who types it twice, too
        harness.ask("rollback", move=wanted | {"expected": 1}, reason="worse")
    found = harness.ask("rollback", move=wanted | {"expected": 1}, reason="worse", is_sure=True)
    assert found["version"] is None


@pytest.mark.parametrize("version", ["0", 0.0, True])
def test_a_version_is_a_number_and_nothing_that_looks_like_it(
    harness: CoordinatorHarness, version: Any
) -> None:
    found = register(harness)
    promote(harness, move(found, "candidate"))
    with pytest.raises(UsageError, match="whole number"):
        harness.ask("delete_version", collection="xgb", version=version, who="ann")
    assert aliases(reader(harness))


def test_a_gate_is_not_passed_by_under_another_spelling(harness: CoordinatorHarness) -> None:
    found = register(harness)
    with pytest.raises(Refused, match="sharpen promote xgb:vN prod"):
        harness.ask("alias", move=move(found, "Prod"))


def test_a_rollback_passes_over_what_has_been_deleted(harness: CoordinatorHarness) -> None:
    found = [register(harness, seed) for seed in range(3)]
    for version, each in enumerate(found):
        promote(harness, move(each, "candidate", expected=version - 1 if version else None))
    harness.ask("delete_version", collection="xgb", version=1, who="ann")
    wanted = {"collection": "xgb", "alias": "candidate", "who": "bob", "expected": 2}
    assert harness.ask("rollback", move=wanted, reason="worse")["version"] == 0


def test_an_aliased_version_cannot_be_deleted(harness: CoordinatorHarness) -> None:
    found = register(harness)
    promote(harness, move(found, "candidate"))
    with pytest.raises(Refused, match="xgb:v0 is candidate"):
        harness.ask("delete_version", collection="xgb", version=0, who="ann")
    register(harness, seed=1)
    harness.ask("delete_version", collection="xgb", version=1, who="ann")
    with pytest.raises(NotFound, match="has been deleted"):
        resolve(reader(harness), "xgb", "v1")
    assert register(harness, seed=1)["version"] == 2


def test_a_request_whose_answer_was_lost_is_done_once(harness: CoordinatorHarness) -> None:
    first, second = register(harness), register(harness, seed=1)
    promote(harness, move(first, "candidate"))
    wanted = move(second, "candidate", expected=0, key="k")
    assert promote(harness, wanted)["state"] == promote(harness, wanted)["state"] == "moved"
    back = {"collection": "xgb", "alias": "candidate", "who": "ann", "expected": 1, "key": "k2"}
    for _ in range(2):
        assert harness.ask("rollback", move=back, reason="worse")["version"] == 0
    assert log(harness).count("rolled back") == 1


def test_aliases_without_a_gate_move_freely(harness: CoordinatorHarness) -> None:
    found = register(harness)
    wanted = move(found, "best")
    assert harness.ask("alias", move=wanted)["state"] == "moved"
    assert resolve(reader(harness), "xgb", "best").version == 0
    harness.ask("alias", move=wanted | {"expected": 0}, remove=True)
    assert aliases(reader(harness)) == []
    with pytest.raises(Refused, match="has a gate"):
        harness.ask("alias", move=move(found, "prod"))
    for reserved in ("latest", "v3"):
        with pytest.raises(UsageError, match="no alias to set"):
            harness.ask("alias", move=move(found, reserved))


def test_a_log_that_was_changed_shows_it(harness: CoordinatorHarness) -> None:
    for seed in range(3):
        register(harness, seed)
    rows = audit_rows(reader(harness))
    assert broken_links([*rows[:1], rows[1] | {"details": "{}"}, rows[2]]) == [
        "entry 2 was changed: its content does not have its hash"
    ]
    assert broken_links([rows[0], rows[2]]) == ["entry 2 is missing"]
