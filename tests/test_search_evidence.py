"""What the gate hears of a verdict."""

from types import SimpleNamespace as Stand

import pytest

from sharpen.gates import decide
from sharpen.promotion.search_evidence import search_evidence


@pytest.mark.parametrize(
    ("kind", "doubts", "verdict"),
    [("real", (), "real"), ("real", ("Other instruments",), "in doubt"), ("luck", ("Repeats",), "luck")],
)
def test_a_doubted_winner_does_not_pass(kind, doubts, verdict):
    best = Stand(number=3, steps={1: 1.0, 2: -1.0})
    judgement = Stand(kind=kind, baselines=(), dsr=0.99, pbo=0.1)
    spec = Stand(metric=Stand(goal="maximize"))
    analysis = Stand(best=best, judgement=judgement, doubts=doubts, search=None, spec=spec)
    known = search_evidence(analysis, Stand(number=3, repeat_of=None))
    assert known == {"folds_positive": 0.5, "verdict": verdict, "deflated_sharpe": 0.99, "pbo": 0.1}
    told = [check.sentence for check in decide("candidate", known).checks]
    assert ("failed: verdict is in doubt, must be real" in told) == (verdict == "in doubt")
