"""What programs and the report share comes back as it was written, whoever wrote it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.facts import BarsFacts, DataNote, LockboxFacts, RunFacts

words = st.text(min_size=1, max_size=8)
notes = st.builds(DataNote, st.sampled_from(["", "stale opens", "gaps"]), words, st.booleans())
bars = st.builds(
    BarsFacts, words, words, st.lists(notes, max_size=3).map(tuple), words, words, st.lists(words).map(tuple)
)
runs = st.builds(
    RunFacts, bars, st.builds(LockboxFacts, words, words), st.none() | words, st.dictionaries(words, words)
)


@given(runs)
def test_facts_survive_a_summary_as_json(facts):
    assert RunFacts.of_summary(json.loads(json.dumps(facts.to_summary()))) == facts


@pytest.mark.parametrize(
    ("said", "kind", "is_grave"),
    [
        ("STALE OPENS: 66 % repeat the close before", "stale opens", True),
        ("GAPS: 3 weeks in 2001", "gaps", False),
        ("XYZ: ends in 2013", "", False),
        ({"kind": "price spikes", "text": "one"}, "price spikes", True),
        ({"kind": "new kind", "text": "one", "is_grave": True}, "new kind", True),
    ],
)
def test_a_note_has_a_kind_whoever_wrote_it(said, kind, is_grave):
    note = DataNote.of(said)
    assert (note.kind, note.is_grave) == (kind, is_grave)


@pytest.mark.parametrize("odd", [None, 3, "word", [1], {"a": 1}])
def test_odd_values_are_read_without_an_error(odd):
    keys = ("data/name", "data/hash", "data/notes", "data/symbols", "versions", "infeasible", "lockbox/hash")
    facts = RunFacts.of_summary(dict.fromkeys(keys, odd))
    assert facts.bars.name == ("" if odd is None else str(odd))
