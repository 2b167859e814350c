"""Figures for Prometheus, probes, and lines about requests that hold no key."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sharpen.coordinator import connect
from sharpen.server.app import application
from sharpen.server.auth import KeyFile

from .test_pages import Site


@pytest.fixture
def lines():
    return []


@pytest.fixture
def site(tmp_path, lines):
    with connect(tmp_path / "store") as client:
        site = Site(tmp_path / "store", client)
        site.app = application(tmp_path / "store", client, lines.append)
        yield site


def figures(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_are_what_prometheus_reads(site):
    key = KeyFile(site.home).add(scope="read")
    site.fill(3)
    assert site.ask("/metrics").status_code == 401
    for _ in range(2):
        assert site.ask("/local/quantbot", key=key).status_code == 200
    answer = site.ask("/metrics", key=key)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = figures(answer.text)
    assert found["sharpen_runs", (("state", "finished"),)] == 3
    assert found["sharpen_sweeps", (("status", "running"),)] == 1
    route = ("route", "/local/{project:path}")
    assert found["sharpen_http_requests_total", (("method", "GET"), route, ("status", "200"))] == 2
    assert found["sharpen_http_request_seconds_count", (route,)] == 2
    assert found["sharpen_http_request_seconds_bucket", (("le", "+Inf"), route)] == 2
    assert found["sharpen_store_bytes", (("part", "database"),)] > 0


def test_what_strangers_ask_for_makes_no_new_figures(site):
    key = KeyFile(site.home).add()
    for k in range(5):
        site.ask(f"/nothing-{k}/at/all", method="PROPFIND")
    found = figures(site.ask("/metrics", key=key).text)
    odd = [labels for name, labels in found if name == "sharpen_http_requests_total"]
    assert odd == [(("method", "other"), ("route", "none"), ("status", "404"))]


def test_probes_need_no_key(site):
    assert site.ask("/healthz").text == "ok\n"
    assert site.ask("/readyz").text == "ready\n"


def test_a_line_for_each_request_holds_no_key(site, lines):
    key = KeyFile(site.home).add()
    site.log_in(key)
    site.ask(f"/login?next=/{key}", key=key)
    site.ask(f"/storage/{'a' * 30}.{'b' * 30}")
    site.ask(f"/local/{key}", key=key)
    told = "\n".join(lines)
    assert len(lines) == 4
    assert key not in told
    assert "bbbbbb" not in told
    first = json.loads(lines[0])
    assert (first["method"], first["path"], first["status"]) == ("POST", "/login", 303)
    assert first["took_ms"] >= 0
