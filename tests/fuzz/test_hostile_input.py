"""Whatever comes in is taken or refused in a sentence: messages, requests, sweep files, bars, programs.

``pytest tests/fuzz --long`` looks for hours; as part of the suite it takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coordinator.harness import SWEEP, HandClock
from sharpen import data, spec, tracking
from sharpen.coordinator.agent_ops import OPERATIONS
from sharpen.coordinator.core import Coordinator
from sharpen.errors import UsageError
from sharpen.jsonable import dumps
from sharpen.store.queries import Reader
from sharpen.wire.protocol import ProtocolError, decode_requests, encode_refusal

pytestmark = pytest.mark.timeout(0)  # --long

TEXTS = st.text(max_size=8) | st.sampled_from(
    ["", "\x00", "\x1b[2J", "-", "a-1", "../../etc/passwd", "\ud800"]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, -1, 10**400, 0])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.sampled_from(
    [
        "sweep_id",
        "agent_id",
        "key",
        "run_id",
        "token",
        "rows",
        "values",
        "name",
        "type",
        "digest",
        "n_bytes",
        "metadata",
        "exit_code",
        "last_words",
        "first_line",
        "text",
        "target",
        "add",
        "remove",
        "changes",
        "reason",
        "run_cap",
        "word",
        "host",
        "pid",
        "born",
        "held",
        "points",
        "place",
        "seed",
    ]
)


# -- messages


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_message_is_read_refused_or_no_json(message: bytes) -> None:
    try:
        requests = decode_requests(message)
    except ProtocolError as problem:
        json.loads(encode_refusal(problem))
        requests = []
    except ValueError:
        requests = []
    assert all(isinstance(request, dict) for request in requests)


# -- requests


@contextlib.contextmanager
def coordinator() -> Iterator[tuple[Coordinator, Path, dict[str, Any]]]:
    """Give a coordinator, its store, and the names of what is in it: a sweep with a run at work."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        made = Coordinator(home, HandClock())
        place = {"source": "s.yaml", "workdir": "/"}
        create = {"op": "create_sweep", "args": {"key": "k", "text": SWEEP, "place": place}}
        (reply,) = made.answer([create])
        known = {"sweep_id": reply["ok"]["sweep_id"], "agent_id": "a"}
        (lease,) = made.answer([{"op": "lease", "args": known | {"key": "1"}}])
        run = lease["ok"]["run"]
        try:
            yield (
                made,
                home,
                known | {"run_id": run["run_id"], "token": run["token"], "target": run["run_id"]},
            )
        finally:
            made.close()


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(sorted(OPERATIONS)) | TEXTS,
        st.dictionaries(ARGUMENTS, JSON, max_size=5),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(REQUESTS)
def test_every_request_gets_one_reply_and_the_store_can_still_be_read(asked: list[Any]) -> None:
    with coordinator() as (made, home, known):
        for op, args, names_what_is_there in asked:
            wanted = {**args, **known} if names_what_is_there else args
            (reply,) = made.answer([{"op": op, "args": json.loads(dumps(wanted))}])
            assert set(reply) in ({"ok"}, {"error"})
            dumps(reply)
        (ping,) = made.answer([{"op": "ping", "args": {}}])
        assert "ok" in ping
        reader = Reader(home)
        for row in reader.sweeps():
            reader.runs(row.id)
            reader.reports(sweep_id=row.id)
            reader.artifacts(sweep_id=row.id)


@given(JSON, JSON)
def test_a_request_of_any_shape_gets_a_reply(op: Any, args: Any) -> None:
    with coordinator() as (made, _, _known):
        for request in ({"op": op, "args": args}, {"op": "ping", "args": args}, {"op": op}, {}):
            (reply,) = made.answer([json.loads(dumps(request))])
            assert set(reply) in ({"ok"}, {"error"})
            if not isinstance(request.get("op"), str) or not isinstance(request.get("args", {}), dict):
                assert reply["error"]["kind"] == "UsageError"


# -- sweep files

KEYS = st.sampled_from(
    [
        "program",
        "method",
        "metric",
        "parameters",
        "run_cap",
        "name",
        "goal",
        "early_terminate",
        "type",
        "min",
        "max",
        "values",
        "value",
        "distribution",
        "mu",
        "sigma",
        "q",
        "repeats",
        "when",
        "resume",
        "time_cap",
        "seed",
        "command",
        "optimizer",
        "resources",
        "prior",
        "constraints",
        "x",
    ]
)
WORDS = st.sampled_from(
    [
        "random",
        "grid",
        "bayes",
        "minimize",
        "maximize",
        "uniform",
        "log_uniform_values",
        "normal",
        "hyperband",
        "1h",
    ]
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
RIGHT = yaml.safe_load(SWEEP)


@given(st.text() | DOCUMENTS.map(lambda value: yaml.safe_dump(json.loads(json.dumps(value)))))
def test_a_sweep_file_is_read_or_all_its_problems_are_listed(text: str) -> None:
    with contextlib.suppress(UsageError):
        spec.parse(text, where="s.yaml")


@given(st.dictionaries(KEYS, DOCUMENTS, max_size=3))
def test_a_right_sweep_file_with_some_keys_changed_is_read_or_refused(changes: dict[str, Any]) -> None:
    with contextlib.suppress(UsageError):
        spec.parse(json.dumps({**RIGHT, **changes}), where="s.yaml")


# -- bars

HEADERS = st.lists(
    st.sampled_from(
        ["time", "date", "symbol", "open", "high", "low", "close", "volume", "adj_close", "Open", "x"]
    ),
    max_size=9,
).map(",".join)
CELLS = st.sampled_from(
    ["2020-01-02", "2020-01-03", "1.0", "2", "-1", "nan", "inf", "1e308", "", "x", '"', "0000-01-01"]
)
CSV = st.builds(
    lambda header, rows, end: end.join([header, *(",".join(row) for row in rows)]),
    HEADERS,
    st.lists(st.lists(CELLS, max_size=9), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
)


@given(CSV.map(str.encode) | st.binary(max_size=200), st.sampled_from([".csv", ".parquet", ".csv.gz"]))
def test_a_file_of_bars_is_read_or_refused(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"bars{suffix}"
        file.write_bytes(content)
        with contextlib.suppress(UsageError):
            data.check(str(file))


def sound_parquet(folder: Path) -> bytes:
    """Return the bytes of a file of bars that is right."""
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 30), eager=True).cast(pl.Datetime("us"))
    prices = {name: [1.0 + n / 100 for n in range(30)] for name in ("open", "high", "low", "close")}
    pl.DataFrame({"time": days, **prices, "volume": [100.0] * 30}).write_parquet(folder / "sound.parquet")
    return (folder / "sound.parquet").read_bytes()


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_parquet_file_with_changed_bytes_is_read_or_refused(changes: list[tuple[float, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        content = bytearray(sound_parquet(Path(folder)))
        for place, value in changes:
            content[int(place * len(content))] = value
        file = Path(folder) / "bars.parquet"
        file.write_bytes(content)
        with contextlib.suppress(UsageError):
            data.check(str(file))


# -- words of programs


@given(st.dictionaries(TEXTS, JSON, max_size=3) | JSON, st.none() | NUMBERS | TEXTS)
def test_whatever_a_program_logs_is_taken_or_refused(metrics: Any, step: Any) -> None:
    run = tracking.init()
    with contextlib.suppress(UsageError), run:
        run.log(metrics, step=step)


@given(st.dictionaries(TEXTS, JSON, max_size=3))
def test_whatever_a_program_summarises_is_taken_or_refused(values: dict[str, Any]) -> None:
    run = tracking.init()
    with contextlib.suppress(UsageError), run:
        run.summary.update(values)
