"""REST: what it answers, who may ask, and that it is what its OpenAPI document says whatever is asked."""

import json
import sqlite3
from contextlib import closing

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import checks

from sharpen.coordinator import connect
from sharpen.server.auth import KeyFile
from sharpen.store.blobs import blob_path, put_file
from sharpen.store.queries import Reader

from .test_pages import Site

ROOT = "/api/v1"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    home = tmp_path_factory.mktemp("rest") / "store"
    with connect(home) as client:
        site = Site(home, client)
        site.sweep = site.fill(12)
        site.keys = {scope: KeyFile(home).add(scope, scope=scope) for scope in ("read", "agent", "admin")}
        run = client.call("lease", sweep_id=site.sweep, agent_id=f"a-{site.sweep}", key="last")["run"]
        site.lease = {"run_id": run["run_id"], "token": run["token"]}
        source = home / "page.html"
        source.write_text("<script>alert(1)</script>")
        digest, n_bytes = put_file(home, source)
        about = {"type": "media", "digest": digest, "n_bytes": n_bytes, "metadata": {}}
        client.call("artifact", **site.lease, name="media/html/page.html", **about)
        client.call("artifact", **site.lease, name="passwd", **about)
        client.call("console", **site.lease, first_line=0, text="hello\n")
        site.digest = digest
        with closing(sqlite3.connect(home / "store.db")) as older, older:  # took any name of a file
            older.execute("UPDATE artifacts SET name = '../../etc/passwd' WHERE name = 'passwd'")
        yield site


def get(site, path, key="read", **more):
    return site.ask(f"{ROOT}{path}", key=site.keys.get(key), **more)


def test_a_sweep_and_its_runs(site):
    (listed,) = get(site, "/sweeps?project=quantbot").json()["sweeps"]
    assert (listed["id"], listed["metric"], listed["goal"], listed["status"]) == (
        site.sweep,
        "loss",
        "minimize",
        "running",
    )
    assert listed["n_runs"] == {"finished": 12, "running": 1}
    assert get(site, "/sweeps?project=other").json() == {"total": 0, "sweeps": []}
    found = get(site, f"/sweeps/{site.sweep}").json()
    assert found["best"]["number"] == 1
    assert get(site, f"/sweeps/{site.sweep}/best").json() == found["best"]
    runs = get(site, f"/sweeps/{site.sweep}/runs?sort=score&order=desc&limit=3&offset=1").json()
    assert runs["total"] == 13
    assert [run["score"] for run in runs["runs"]] == [10.5, 9.5, 8.5]
    assert get(site, "/projects").json()["projects"][0]["n_runs"] == 13
    assert get(site, "/projects/quantbot/runs?state=running").json()["total"] == 1


def test_a_verdict_is_that_of_the_report(site):
    found = get(site, f"/sweeps/{site.sweep}/verdict").json()
    assert found["kind"] == "none"
    assert found["best"] == f"{site.sweep}-1"


def test_a_run_its_history_log_and_files(site):
    run = f"/runs/{site.sweep}-2"
    assert get(site, run).json()["summary"] == {"loss": 1.5, "nan": "Infinity"}
    rows = get(site, f"{run}/history").json()
    assert [row["metrics"]["loss"] for row in rows["rows"]] == [1.0, 1.5]
    assert rows["next"] is None
    first = get(site, f"{run}/history?limit=1").json()
    assert (len(first["rows"]), first["next"]) == (1, 1)
    second = get(site, f"{run}/history?first=1&points=5").json()
    assert [(row["line"], row["metrics"]["loss"]) for row in second["rows"]] == [(1, 1.5)]
    assert get(site, f"{run}/history?first=2").json() == {"n_rows": 2, "rows": [], "next": None}
    at_work = f"/runs/{site.lease['run_id']}"
    assert get(site, f"{at_work}/log").json() == {"text": "hello\n"}
    names = [file["name"] for file in get(site, f"{at_work}/files").json()["files"]]
    assert names == ["../../etc/passwd", "media/html/page.html"]


def test_a_hostile_file_is_only_ever_data(site):
    at_work = f"/runs/{site.lease['run_id']}"
    for name in ("media/html/page.html", "..%2F..%2Fetc%2Fpasswd"):
        answer = get(site, f"{at_work}/files/{name}")
        assert answer.text == "<script>alert(1)</script>"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-security-policy"] == "sandbox"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("attachment")
    for name in ("..%2Fstore.db", "%00", "/etc/passwd", "media"):
        assert get(site, f"{at_work}/files/{name}").status_code == 404


def test_a_damaged_file_is_not_sent(site, tmp_path):
    path = blob_path(site.home, site.digest)
    content = path.read_bytes()
    path.write_bytes(b"other")
    try:
        answer = get(site, f"/runs/{site.lease['run_id']}/files/media/html/page.html")
        assert answer.status_code == 404
        assert "damaged" in answer.json()["message"]
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("path", ["/projects", "/sweeps/x/pause", "/runs/x", "/models/x"])
def test_nothing_is_told_without_a_key(site, path):
    for key in (None, "0" * 40):
        answer = site.ask(f"{ROOT}{path}", "POST" if path.endswith("pause") else "GET", key=key)
        assert answer.status_code == 401
        assert "sharpen key add" in answer.json()["message"]


def test_only_an_admin_steers(site):
    def status():
        return Reader(site.home).sweep(site.sweep).status

    for key in ("read", "agent"):
        assert get(site, f"/sweeps/{site.sweep}/pause", key, method="POST").status_code == 403
    assert get(site, f"/sweeps/{site.sweep}/pause", "admin", method="POST").json()["status"] == "paused"
    assert status() == "paused"
    assert get(site, f"/sweeps/{site.sweep}/resume", "admin", method="POST").json()["status"] == "running"
    cookie_only = site.log_in(site.keys["admin"])
    assert cookie_only.status_code == 303
    assert site.ask(f"{ROOT}/sweeps/{site.sweep}/cancel", "POST").status_code == 401  # no cookie steers here
    assert status() == "running"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/sweeps?limit=0", 400, "from 1 to 1000"),
        ("/sweeps?limit=%C2%B2", 400, "limit"),
        ("/sweeps?status=odd", 400, "one of"),
        ("/sweeps/none", 404, "none"),
        ("/sweeps/none/best", 404, "none"),
        ("/runs/%00", 404, "no run"),
        ("/models/none", 404, "no model"),
        ("/elsewhere", 404, "lists what there is"),
    ],
)
def test_a_refusal_says_why(site, path, status, words):
    answer = get(site, path)
    assert answer.status_code == status
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/sweeps", "GET, HEAD"),
        ("DELETE", "/models/a/b", "GET, HEAD"),
        ("GET", "/sweeps/x/stop", "POST"),
    ],
)
def test_a_method_that_an_address_does_not_answer_is_405(site, method, path, allowed):
    answer = site.ask(f"{ROOT}{path}", method, key=site.keys["admin"])
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert f"not {method}" in answer.json()["message"]


def test_the_document_and_its_page_are_for_all(site):
    document = site.ask(f"{ROOT}/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert f"{ROOT}/runs/{{run}}/files/{{name}}" in document["paths"]
    page = site.ask(ROOT)
    assert page.status_code == 200
    assert all(path in page.text for path in document["paths"])


def test_whatever_is_asked_the_answer_is_as_documented(site):
    schema = schemathesis.openapi.from_asgi(f"{ROOT}/openapi.json", site.app)
    names = ["status_code_conformance", "content_type_conformance", "response_schema_conformance"]
    wanted = [checks.not_a_server_error, *checks.CHECKS.get_by_names(names)]
    known = {"sweep": site.sweep, "run": f"{site.sweep}-1", "project": "quantbot"}
    seen = set()

    def ask(case):
        case.path_parameters = {k: known.get(k, value) for k, value in (case.path_parameters or {}).items()}
        answer = case.call(headers={"Authorization": f"Bearer {site.keys['read']}"})
        case.validate_response(answer, checks=wanted)
        seen.add((case.method, answer.status_code))

    once = settings(max_examples=8, deadline=None, derandomize=True, database=None)
    for result in schema.get_all_operations():
        once(given(case=result.ok().as_strategy())(ask))()
    assert ("GET", 200) in seen
    assert ("POST", 403) in seen


def test_odd_bytes_in_an_address_are_no_fault_of_ours(site):
    for path in (
        "/sweeps/%FF%FE",
        "/runs/%F0%9F%92%A9/history",
        "/models/..%2f..%2f",
        "/sweeps/" + "a" * 4000,
    ):
        answer = get(site, path)
        assert answer.status_code == 404
        json.loads(answer.text)
