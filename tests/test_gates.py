from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.errors import UsageError
from sharpen.gates import DEFAULT_GATES, EVIDENCE, GateRule, decide, parse_gates

GOOD = {
    "verdict": "real",
    "deflated_sharpe": 0.97,
    "search_p": 0.02,
    "pbo": 0.1,
    "folds_positive": 0.8,
    "digest_matches": True,
    "lockbox_openings": 1,
    "lockbox_sharpe_low": 0.2,
    "capacity_adv_share": 0.002,
    "paper_sessions": 45,
    "paper_fills": 130,
    "signal_mismatches": 0,
    "shortfall_share_of_edge": 0.3,
    "paper_return_percentile": 0.4,
    "paper_drawdown_percentile": 0.6,
    "paper_correlation": 0.97,
    "second_person": True,
}


@pytest.mark.parametrize("alias", list(DEFAULT_GATES))
def test_good_evidence_passes_every_gate(alias):
    decision = decide(alias, GOOD)
    assert decision.passed
    assert decision.reasons == ()


@pytest.mark.parametrize("alias", list(DEFAULT_GATES))
def test_no_gate_passes_on_any_piece_of_missing_evidence(alias):
    for name in DEFAULT_GATES[alias]:
        for missing in (None, math.nan):
            decision = decide(alias, GOOD | {name: missing})
            assert not decision.passed
            assert decision.reasons[0].startswith(f"missing: {name} has no evidence")
        assert not decide(alias, {k: v for k, v in GOOD.items() if k != name}).passed


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("verdict", "beta"),
        ("deflated_sharpe", 0.9499),
        ("search_p", 0.0501),
        ("pbo", 0.2),
        ("folds_positive", 0.5),
        ("digest_matches", False),
        ("lockbox_openings", 2),
        ("lockbox_openings", 0),
        ("lockbox_sharpe_low", 0.0),
        ("capacity_adv_share", 0.011),
        ("paper_sessions", 39),
        ("paper_fills", 99),
        ("signal_mismatches", 1),
        ("shortfall_share_of_edge", 0.51),
        ("paper_return_percentile", 0.04),
        ("paper_drawdown_percentile", 0.96),
        ("paper_correlation", 0.94),
        ("second_person", False),
    ],
)
def test_each_rule_of_prod_refuses_what_is_just_beyond_it(name, bad):
    decision = decide("prod", GOOD | {name: bad})
    assert [check.name for check in decision.checks if check.outcome == "failed"] == [name]


def test_prod_asks_for_all_that_paper_asks_for_and_paper_for_all_of_candidate():
    candidate, paper, prod = (set(DEFAULT_GATES[alias]) for alias in ("candidate", "paper", "prod"))
    assert candidate < paper < prod
    assert prod == set(EVIDENCE)


@pytest.mark.parametrize("odd", [True, "0.99", math.inf, -math.inf])
def test_a_value_of_another_kind_is_not_taken_for_a_number(odd):
    passed = decide("candidate", GOOD | {"deflated_sharpe": odd}).passed
    assert passed == (odd == math.inf)


def test_one_is_not_yes():
    assert not decide("prod", GOOD | {"second_person": 1}).passed
    assert not decide("prod", GOOD | {"signal_mismatches": False}).passed


def test_a_file_changes_bounds_and_takes_rules_out():
    gates = parse_gates("candidate:\n  pbo: {below: 0.5}\n  search_p: null\n")
    assert decide("candidate", GOOD | {"pbo": 0.4, "search_p": None}, gates).passed
    assert not decide("candidate", GOOD | {"pbo": 0.4}).passed


def test_a_file_may_name_a_gate_of_its_own():
    gates = parse_gates("shadow: {verdict: {equals: real}}")
    assert decide("shadow", {"verdict": "real", "digest_matches": True}, gates).passed


@pytest.mark.parametrize("text", ["shadow: {}", "shadow: {verdict: null}"])
def test_a_gate_that_asks_for_nothing_asks_for_the_digest(text):
    assert not decide("shadow", {}, parse_gates(text)).passed


@pytest.mark.parametrize("rule", ["null", "{equals: false}"])
def test_no_file_takes_the_digest_out(rule):
    with pytest.raises(UsageError, match="every gate asks for digest_matches"):
        parse_gates(f"prod: {{digest_matches: {rule}}}")


@given(
    st.sampled_from(["at_least", "at_most", "above", "below"]),
    st.sampled_from([-1.0, 0.0, 0.5, 1.0]),
    st.sampled_from(["at_least", "at_most", "above", "below", "equals"]),
    st.sampled_from([-1.0, 0.0, 0.5, 1.0]),
    st.floats(-2, 2),
)
def test_what_keeps_a_stricter_rule_keeps_the_other(one, low, other, high, value):
    strict, loose = GateRule(one, low), GateRule(other, high)
    if strict.is_as_strict_as(loose) and strict.accepts(value):
        assert loose.accepts(value)


def test_every_problem_of_a_file_is_named_at_once():
    text = "candidate: {pob: {below: 1}, pbo: {under: 1}, search_p: {below: x}}\nprod: 3\n"
    with pytest.raises(UsageError) as refused:
        parse_gates(text, where="desk.yaml")
    message = str(refused.value)
    assert message.startswith("desk.yaml:")
    for place in ("$.candidate.pob", "$.candidate.pbo must", "$.candidate.search_p.below", "$.prod must"):
        assert place in message


def test_text_that_is_no_yaml_is_refused():
    with pytest.raises(UsageError, match="is not YAML"):
        parse_gates("a: [")


def test_an_unknown_alias_names_the_known_ones():
    with pytest.raises(UsageError, match="candidate, paper, prod"):
        decide("production", GOOD)


@given(st.dictionaries(st.sampled_from(list(EVIDENCE)), st.none() | st.booleans() | st.floats() | st.text()))
def test_any_evidence_gets_a_decision_with_one_check_for_each_rule(evidence):
    decision = decide("prod", evidence)
    assert len(decision.checks) == len(DEFAULT_GATES["prod"])
    assert decision.passed == (decision.reasons == ())
    assert all(check.sentence for check in decision.checks)
