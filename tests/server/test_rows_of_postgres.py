"""A server on Postgres: command lines read its store over HTTP, and cannot read or do anything else."""

import json

import psycopg
import pytest

from sharpen.coordinator import connect
from sharpen.errors import StoreError, UsageError
from sharpen.server.agents_api.postgres_rows import refuse_strange
from sharpen.server.agents_api.rows import Rows
from sharpen.server.observability import _sizes
from sharpen.spec import Metric
from sharpen.store import schema, server_rows
from sharpen.store.location import link
from sharpen.store.queries import Reader

pytestmark = pytest.mark.postgres
SWEEP = "program: t.py\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0.0, max: 1.0}}\n"


@pytest.fixture(scope="module")
def url(postgres):
    return postgres.new_database()


@pytest.fixture(scope="module")
def home(tmp_path_factory, url):
    folder = tmp_path_factory.mktemp("site") / "store"
    link(folder, url)
    with connect(folder), psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE secrets (pw text)")
    return folder


@pytest.fixture
def far(home, tmp_path, monkeypatch):
    """Return a reader on another machine, and the sweep that is there; only JSON goes between."""
    with connect(home) as client:
        place = {"source": "s.yaml", "workdir": str(tmp_path)}
        sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=place)["sweep_id"]
        client.call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
        run = client.call("lease", sweep_id=sweep_id, agent_id="a", key="l")["run"]
        lease = {"run_id": run["run_id"], "token": run["token"]}
        client.call("report", **lease, rows=[[1, {"loss": 0.25}]])
        client.call("exit", **lease, exit_code=0, last_words="")
        client.call("create_run", run_id="plain", project="p", key="c")
    rows = Rows(home)

    def ask(_connection, query, parameters):
        asked = {"schema": schema.VERSION, "query": query, "parameters": parameters or []}
        answer = json.loads(json.dumps(rows.answer(json.loads(json.dumps(asked)))))
        return answer["columns"], answer["rows"]

    monkeypatch.setattr(server_rows.ServerConnection, "ask", ask)
    monkeypatch.setattr(server_rows, "server_of", lambda _: "http://desk:8420")
    yield Reader(tmp_path / "far", server_rows.open_reader(tmp_path / "far")), sweep_id
    rows._engine.dispose()


def test_another_machine_reads_what_this_one_reads(far, home):
    reader, sweep_id = far
    near = Reader(home)
    questions = (
        lambda reader: reader.sweeps(),
        lambda reader: reader.sweep("last"),
        lambda reader: reader.runs(sweep_id),
        lambda reader: reader.best(sweep_id, Metric("loss")),
        lambda reader: reader.reports(sweep_id),
        lambda reader: reader.progress(sweep_id, [1]),
        lambda reader: reader.takeover.ended_runs(sweep_id),
        lambda reader: reader.takeover.ended_values(sweep_id, resume=False),
        lambda reader: reader.newest_date(),
        lambda reader: reader.tracked.runs("p"),
        lambda reader: reader.tracked.projects(),
    )
    for ask in questions:
        assert ask(reader) == ask(near)
    assert reader.best(sweep_id, Metric("loss")).score == 0.25
    assert [run.id for run in reader.tracked.runs("p")] == ["plain"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT pg_terminate_backend(1)", "calls 'pg_terminate_backend'"),
        ("SELECT \"pg_read_file\" ('/etc/passwd')", "calls 'pg_read_file'"),
        ("SELECT query_to_xml('select 1', true, true, '')", "calls 'query_to_xml'"),
        ("SELECT 1; DROP TABLE runs", "not understood"),
        ("SELECT count/**/(*) FROM runs", "not understood"),
        ("SELECT 1 -- no more", "not understood"),
        ("SELECT E'\\\\'", "not understood"),
        ("SELECT $$a$$", "not understood"),
        ("COPY runs TO PROGRAM 'sh'", "it is none"),
        ("", "it is empty"),
        ("SELECT rolpassword FROM pg_authid", "reads 'pg_authid'"),
        ("SELECT 1 FROM runs, secrets", "reads 'secrets'"),
        ("WITH x AS (SELECT pw FROM secrets) SELECT * FROM x", "reads 'secrets'"),
        ("SELECT id FROM runs WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_shadow)", "reads 'pg_authid'"),
        ("WITH x AS (DELETE FROM runs RETURNING id) SELECT * FROM x", "data-modifying"),
        ("SELECT id INTO stolen FROM runs", "cannot be answered"),
        ("SELECT nothing FROM runs", "does not exist"),
    ],
)
def test_what_is_no_reading_of_the_store_is_refused(home, query, words):
    rows = Rows(home)
    try:
        with pytest.raises(UsageError, match=words):
            rows.answer({"schema": schema.VERSION, "query": query, "parameters": {}})
    finally:
        rows._engine.dispose()


def test_the_size_of_the_database_is_a_figure(home):
    assert _sizes(Reader(home))[0][1] > 1_000_000


def test_a_server_of_another_kind_is_refused_in_a_sentence(home, monkeypatch):
    answer = lambda *_: (["dialect"], [["oracle"]])  # noqa: E731
    monkeypatch.setattr(server_rows.ServerConnection, "ask", answer)
    with pytest.raises(StoreError, match="oracle"):
        server_rows.open_reader(home)


def test_words_of_the_language_may_stand_before_brackets():
    refuse_strange("SELECT CASE WHEN (a != '') THEN (b) END FROM runs WHERE a IN (%(a_1)s, %(a_2)s)")
