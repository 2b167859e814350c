"""The gate before a promotion: evidence in, a decision with its reasons out.

A gate has a rule for each piece of evidence that it needs. Evidence that is missing fails its rule: nothing
passes because nobody looked. The thresholds are a table that a YAML file may change.

>>> decision = decide("candidate", {"verdict": "luck", "deflated_sharpe": 0.41})
>>> decision.passed
False
>>> print(decision.checks[0].sentence)
failed: verdict is luck, must be real
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, cast

from sharpen.errors import UsageError
from sharpen.space.dimensions import is_number
from sharpen.spec import document

Value = float | int | str | bool | None
Comparator = Literal["at_least", "at_most", "above", "below", "equals"]
COMPARATORS: Mapping[Comparator, str] = MappingProxyType(
    {
        "at_least": "must be {} or more",
        "at_most": "must be {} or less",
        "above": "must be above {}",
        "below": "must be below {}",
        "equals": "must be {}",
    }
)

EVIDENCE: Mapping[str, str] = MappingProxyType(
    {
        "verdict": "the sweep's verdict on the winner",
        "deflated_sharpe": "deflated Sharpe ratio over everything that was tried on these bars",
        "search_p": "p-value of the whole search on permuted bars",
        "pbo": "probability of backtest overfitting",
        "folds_positive": "share of the folds with a score above 0",
        "lockbox_openings": "how often the lockbox has been opened",
        "lockbox_sharpe_low": "lower end of the 95 % interval of the Sharpe ratio on the lockbox",
        "capacity_adv_share": "largest order as a share of the average daily volume",
        "paper_sessions": "sessions of paper trading",
        "paper_fills": "fills in paper trading",
        "signal_mismatches": "paper signals that differ from the backtest's, unexplained",
        "shortfall_share_of_edge": "upper 95 % of the shortfall beyond the modelled cost, by the net edge",
        "paper_return_percentile": "where the paper return lies in the backtest's bootstrap",
        "paper_drawdown_percentile": "where the paper drawdown lies in the backtest's bootstrap",
        "paper_correlation": "correlation of paper returns with the backtest's",
        "second_person": "whether somebody other than the author approved this digest",
        "digest_matches": "whether the stored file still has the digest that the evidence is about",
    }
)
"""What a gate may ask for, by name."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """What one piece of evidence must be.

    >>> GateRule("at_least", 0.95).accepts(0.96), GateRule("at_least", 0.95).accepts(None)
    (True, False)
    """

    comparison: Comparator
    bound: float | str | bool

    def accepts(self, value: Value) -> bool:
        """Return whether a value keeps the rule; a missing one, NaN or one of another kind does not."""
        if self.comparison == "equals":
            return type(value) is type(self.bound) and value == self.bound
        if not is_number(value) or math.isnan(cast("float", value)):
            return False
        number, bound = float(cast("float", value)), float(self.bound)
        return {
            "at_least": number >= bound,
            "at_most": number <= bound,
            "above": number > bound,
            "below": number < bound,
        }[self.comparison]

    def is_as_strict_as(self, other: GateRule) -> bool:
        """Return whether whatever keeps this rule keeps another one, too.

        >>> GateRule("below", 0.1).is_as_strict_as(GateRule("at_most", 0.1))
        True
        >>> GateRule("at_most", 0.1).is_as_strict_as(GateRule("below", 0.1))
        False
        """
        if self.comparison == "equals":
            return self == other or other.accepts(self.bound)
        upper = ("at_most", "below")
        if other.comparison == "equals" or (self.comparison in upper) != (other.comparison in upper):
            return False
        own, its = float(self.bound), float(other.bound)
        if own == its:
            return self.comparison == other.comparison or self.comparison in ("above", "below")
        return own < its if self.comparison in upper else own > its

    @property
    def wanted(self) -> str:
        """The rule in words."""
        return COMPARATORS[self.comparison].format(shown(self.bound))


Gates = Mapping[str, Mapping[str, GateRule]]
DIGEST = "digest_matches"

_SEARCH: Mapping[str, GateRule] = {
    "verdict": GateRule("equals", "real"),
    "deflated_sharpe": GateRule("at_least", 0.95),
    "search_p": GateRule("at_most", 0.05),
    "pbo": GateRule("below", 0.2),
    "folds_positive": GateRule("at_least", 0.6),
    "digest_matches": GateRule("equals", True),
}
_LOCKBOX: Mapping[str, GateRule] = {
    "lockbox_openings": GateRule("equals", 1),
    "lockbox_sharpe_low": GateRule("above", 0.0),
    "capacity_adv_share": GateRule("at_most", 0.01),
}
_PAPER: Mapping[str, GateRule] = {
    "paper_sessions": GateRule("at_least", 40),
    "paper_fills": GateRule("at_least", 100),
    "signal_mismatches": GateRule("equals", 0),
    "shortfall_share_of_edge": GateRule("at_most", 0.5),
    "paper_return_percentile": GateRule("at_least", 0.05),
    "paper_drawdown_percentile": GateRule("at_most", 0.95),
    "paper_correlation": GateRule("at_least", 0.95),
    "second_person": GateRule("equals", True),
}
DEFAULT_GATES: Gates = MappingProxyType(
    {
        "candidate": _SEARCH,
        "paper": {**_SEARCH, **_LOCKBOX},
        "prod": {**_SEARCH, **_LOCKBOX, **_PAPER},
    }
)
"""The rules of each alias. Source of the bounds: docs/promotion.md."""


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One rule and what it met.

    Attributes:
        name: Of the evidence.
        value: What was found; None when nothing was.
        wanted: The rule in words.
        outcome: ``missing`` fails as ``failed`` does.
    """

    name: str
    value: Value
    wanted: str
    outcome: Literal["passed", "failed", "missing"]

    @property
    def sentence(self) -> str:
        """The check as a line."""
        met = "has no evidence" if self.outcome == "missing" else f"is {shown(self.value)}"
        return f"{self.outcome}: {self.name} {met}, {self.wanted}"


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Whether a version may have an alias.

    Attributes:
        alias: What was asked for.
        checks: One for each rule, in the gate's order.
    """

    alias: str
    checks: tuple[GateCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule was kept."""
        return all(check.outcome == "passed" for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not: one line for each rule that was not kept; empty when it passed."""
        return tuple(check.sentence for check in self.checks if check.outcome != "passed")


def decide(alias: str, evidence: Mapping[str, Value], gates: Gates = DEFAULT_GATES) -> GateDecision:
    """Return whether a version with this evidence may have an alias, and why.

    Args:
        alias: ``candidate``, ``paper`` or ``prod``, or another that the gates name.
        evidence: By the names of :data:`EVIDENCE`; what is None or left out is missing.
        gates: The rules of each alias.

    Raises:
        UsageError: No gate stands before this alias.
    """
    if alias not in gates:
        raise UsageError(f"no gate is called {alias!r}. Known: {', '.join(gates)}")
    return GateDecision(alias, tuple(_check(n, rule, evidence.get(n)) for n, rule in gates[alias].items()))


def _check(name: str, rule: GateRule, value: Value) -> GateCheck:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return GateCheck(name, None, rule.wanted, "missing")
    return GateCheck(name, value, rule.wanted, "passed" if rule.accepts(value) else "failed")


def departures(alias: str, gates: Gates, base: Gates = DEFAULT_GATES) -> tuple[str, ...]:
    """Return in words where a gate is easier than another: rules that are taken out, bounds that are looser.

    Args:
        alias: Which gate.
        gates: The rules to look at.
        base: What they are compared with; an alias that it does not know has no rules there.

    >>> departures("candidate", parse_gates("candidate: {pbo: {below: 0.5}, search_p: null}"))
    ('search_p is not asked for', 'pbo must be below 0.5, not below 0.2')
    """
    easier: list[str] = []
    for name, rule in base.get(alias, {}).items():
        own = gates.get(alias, {}).get(name)
        if own is None:
            easier.append(f"{name} is not asked for")
        elif not own.is_as_strict_as(rule):
            easier.append(f"{name} {own.wanted}, not {rule.wanted.removeprefix('must be ')}")
    return tuple(easier)


def parse_gates(text: str, where: str = "gates.yaml", base: Gates = DEFAULT_GATES) -> Gates:
    """Return the gates that a YAML text describes, laid over others.

    A rule that is ``null`` is taken out, and :func:`departures` says so. Every gate asks for
    ``digest_matches``: evidence about another file is none.

    Args:
        text: ``{alias: {evidence: {comparison: bound}}}``.
        where: What to call the text in messages.
        base: What holds where the text says nothing.

    Raises:
        UsageError: Something in it is no gate, no evidence or no rule; every such place is named.

    >>> gates = parse_gates("candidate: {pbo: {below: 0.5}, search_p: null}")
    >>> gates["candidate"]["pbo"].wanted, "search_p" in gates["candidate"]
    ('must be below 0.5', False)
    """
    tree = document.read(text, where).value
    problems: list[str] = []
    merged = {alias: dict(rules) for alias, rules in base.items()}
    for alias, rules in _entries(tree, "$", problems).items():
        gate = merged.setdefault(alias, {DIGEST: _SEARCH[DIGEST]})
        for name, rule in _entries(rules, f"$.{alias}", problems).items():
            _lay_over(gate, name, rule, f"$.{alias}.{name}", problems)
    if problems:
        raise UsageError("\n".join([f"{where}:", *problems]), problems=problems)
    return MappingProxyType(merged)


def rules_of(alias: str, own: str | None, stricter: str | None) -> Gates:
    """Return the gates that hold: a store's own, and what somebody asks for beyond them.

    Args:
        alias: Which gate is asked.
        own: YAML of the store, in place of the defaults.
        stricter: YAML of whoever asks.

    Raises:
        UsageError: A text is wrong, or the stricter one is easier somewhere.

    >>> rules_of("candidate", None, "candidate: {pbo: {below: 0.1}}")["candidate"]["pbo"].bound
    0.1
    >>> rules_of("candidate", None, "candidate: {pbo: null}")
    Traceback (most recent call last):
    sharpen.errors.UsageError: --gates may only be stricter than the gates of the store: pbo is not asked...
    """
    gates = DEFAULT_GATES if own is None else parse_gates(own)
    if stricter is None:
        return gates
    combined = parse_gates(stricter, "--gates", gates)
    if easier := departures(alias, combined, gates):
        raise UsageError(
            f"--gates may only be stricter than the gates of the store: {'; '.join(easier)}. Whoever keeps"
            " the store may write others to its gates.yaml, and --force --reason moves an alias past them"
        )
    return combined


def _entries(node: Any, path: str, problems: list[str]) -> dict[str, Any]:
    if isinstance(node, dict):
        return {str(name): value for name, value in cast("dict[Any, Any]", node).items()}
    problems.append(f"{path} must be a mapping, not {node!r}")
    return {}


def _lay_over(gate: dict[str, GateRule], name: str, rule: Any, path: str, problems: list[str]) -> None:
    """Put one rule of a file in a gate, or note what is wrong with it."""
    if name not in EVIDENCE:
        problems.append(f"{path}: no evidence is called {name!r}. Known: {', '.join(EVIDENCE)}")
    elif name == DIGEST and rule != {"equals": True}:
        problems.append(f"{path}: every gate asks for {DIGEST}, and nothing else than yes is right")
    elif rule is None:
        gate.pop(name, None)
    else:
        entries = _entries(rule, path, problems)
        if len(entries) != 1 or next(iter(entries)) not in COMPARATORS:
            problems.append(f"{path} must be one of {', '.join(COMPARATORS)} with a bound, not {rule!r}")
            return
        ((comparison, bound),) = entries.items()
        if comparison != "equals" and not (is_number(bound) and math.isfinite(bound)):
            problems.append(f"{path}.{comparison} must be a number, not {bound!r}")
            return
        gate[name] = GateRule(cast("Comparator", comparison), bound)


def shown(value: Value) -> str:
    """Return a value of evidence as people read it.

    >>> shown(0.123456), shown(True), shown("real")
    ('0.123', 'yes', 'real')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
