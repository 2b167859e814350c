"""What a client of the server may send: GraphQL, file streams, uploads. Never 5xx, nor a mistake of ours.

``pytest tests/fuzz --long`` looks for hours; as part of the suite it takes seconds.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
)
from hypothesis import given
from hypothesis import strategies as st

from sharpen.coordinator import connect
from sharpen.errors import SharpenError
from sharpen.server.app import application
from sharpen.server.auth import KeyFile, Signer
from sharpen.server.store_access import Engine
from sharpen.server.wandb import execution, file_stream
from sharpen.server.wandb.context import Context

pytestmark = pytest.mark.timeout(0)  # --long

SWEEP = "program: t.py\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0.0, max: 1.0}}\n"
TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        "",
        "\x00",
        "../../etc/passwd",
        "{}",
        "[]",
        "null",
        '{"$or": 3}',
        "p",
        "p/c:v0",
        "latest",
        "[" * 9999,
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.sampled_from([2**63, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
INTEGERS = st.integers(-(2**31), 2**31 - 1)


class World:
    """A store with a sweep, a run of it, a plain run and a key, and what answers for it."""

    def __init__(self, home: Path, client: Any) -> None:
        self.home = home
        keys = KeyFile(home)
        self.key = keys.add(scope="admin")
        found = keys.find(self.key)
        assert found
        self.ctx = Context(Engine(home, client), found, Signer(keys.secret()), "http://server")
        place = {"source": "s.yaml", "workdir": "/"}
        self.sweep = client.call("create_sweep", key="k", text=SWEEP, place=place)["sweep_id"]
        client.call("join", sweep_id=self.sweep, agent_id=f"{self.sweep}.a", host="h", pid=1, born="")
        leased = client.call("lease", sweep_id=self.sweep, agent_id=f"{self.sweep}.a", key="l")
        self.runs = [leased["run"]["run_id"], "plain"]
        self.tell('mutation { upsertBucket(input: {name: "plain", modelName: "p"}) { inserted } }')
        self.app = application(home, client)

    def tell(self, query: str, **variables: Any) -> list[Exception]:
        """Return what went wrong, which is a sentence or a mistake of ours."""
        result = execution.execute_sync(
            execution.schema(), execution.parse(query), execution.root(self.ctx), self.ctx, variables
        )
        return [error.original_error for error in result.errors or [] if error.original_error]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("fuzz") / "store"
    with connect(home) as client:
        yield World(home, client)


def values(kind: Any, known: list[str], depth: int = 0) -> st.SearchStrategy[Any]:
    """Return values of an input type; strings are often what is there."""
    if isinstance(kind, GraphQLNonNull):
        return values(kind.of_type, known, depth).filter(lambda value: value is not None)
    if isinstance(kind, GraphQLList):
        return st.lists(values(kind.of_type, known, depth + 1), max_size=2)
    if isinstance(kind, GraphQLEnumType):
        return st.sampled_from(sorted(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        must = {
            n: values(f.type, known, depth + 1)
            for n, f in kind.fields.items()
            if isinstance(f.type, GraphQLNonNull)
        }
        may = {n: values(f.type, known, depth + 1) for n, f in kind.fields.items() if n not in must}
        return st.fixed_dictionaries(must, optional=may)
    scalars: dict[str, st.SearchStrategy[Any]] = {
        "Int": INTEGERS,
        "Float": st.floats(-1e9, 1e9),
        "Boolean": st.booleans(),
    }
    found = scalars.get(kind.name, st.sampled_from(known) | TEXTS)
    return found if depth else found | st.none()


def chosen(kind: Any, depth: int) -> str:
    """Return all fields of a type that want nothing, some levels deep."""
    named = get_named_type(kind)
    if not isinstance(named, GraphQLObjectType):
        return ""
    parts: list[str] = []
    for name, about in named.fields.items():
        is_deep = isinstance(get_named_type(about.type), GraphQLObjectType)
        wants = any(isinstance(arg.type, GraphQLNonNull) for arg in about.args.values())
        if not wants and (not is_deep or depth):
            parts.append(f"{name} {chosen(about.type, depth - 1)}")
    return f"{{ {' '.join(parts)} __typename }}"


@given(st.data())
def test_whatever_graphql_asks_is_answered_or_refused_in_a_sentence(
    world: World, data: st.DataObject
) -> None:
    schema = execution.schema()
    fields = {("query", n): f for n, f in schema.query_type.fields.items()}
    fields |= {("mutation", n): f for n, f in schema.mutation_type.fields.items()}
    (operation, name), about = data.draw(st.sampled_from(sorted(fields.items(), key=lambda pair: pair[0])))
    known = [*world.runs, world.sweep, f"{world.sweep}.a", "p", "RUNNING", "finished", SWEEP, "c"]
    given_ = {arg: data.draw(values(one.type, known)) for arg, one in about.args.items()}
    said = f"({', '.join(f'${arg}: {one.type}' for arg, one in about.args.items())})" if given_ else ""
    passed = f"({', '.join(f'{arg}: ${arg}' for arg in given_)})" if given_ else ""
    query = f"{operation} {said} {{ {name} {passed} {chosen(about.type, 1)} }}"
    ours = [problem for problem in world.tell(query, **given_) if not isinstance(problem, SharpenError)]
    if ours:
        raise ours[0]


PARTS = st.fixed_dictionaries(
    {
        "offset": st.integers(-5, 2**40) | JSON,
        "content": st.lists(JSON.map(json.dumps), max_size=3) | JSON,
    }
)
LINES = st.dictionaries(
    TEXTS | st.sampled_from(["_step", "_timestamp", "_runtime", "loss", "a.b"]), JSON, max_size=3
)
STREAMS = st.fixed_dictionaries(
    {},
    optional={
        "files": st.dictionaries(
            st.sampled_from(
                ["wandb-history.jsonl", "wandb-summary.json", "output.log", "wandb-events.jsonl", "x"]
            ),
            PARTS
            | st.fixed_dictionaries(
                {"offset": st.integers(0, 9), "content": st.lists(LINES.map(json.dumps), max_size=3)}
            ),
            max_size=3,
        )
        | JSON,
        "uploaded": JSON,
        "complete": st.just(False) | st.none(),
        "exitcode": JSON,
    },
)


@given(STREAMS | JSON, st.sampled_from([0, 1]))
def test_whatever_a_file_stream_brings_is_kept_or_refused_in_a_sentence(
    world: World, body: Any, run: int
) -> None:
    with contextlib.suppress(SharpenError):
        file_stream.take(world.ctx, world.runs[run], body)


@given(
    st.fixed_dictionaries(
        {"do": st.just("put")},
        optional={
            "run": st.sampled_from(["plain", "nope"]),
            "name": st.sampled_from(["a", "../b", "media/c"]),
            "md5": st.sampled_from(["0" * 32, "d41d8cd98f00b204e9800998ecf8427e"]),
            "manifest": st.sampled_from(["pending-" + "0" * 32, "../x"]),
        },
    ),
    st.binary(max_size=50),
)
def test_whatever_is_put_is_kept_or_refused(world: World, what: dict[str, str], content: bytes) -> None:
    import anyio
    import httpx

    what = {"run": "plain", "name": "a"} | what
    url = world.ctx.signed(what)

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(world.app), base_url="http://server"
        ) as client:
            return await client.put(url, content=content)

    assert anyio.run(send).status_code < 500
    assert not (world.home.parent / "b").exists()
