"""Pages without a browser: who may see them, what they say, and that nothing odd breaks them."""

import re

import anyio
import httpx
import pytest

from sharpen.coordinator import connect
from sharpen.server.app import application
from sharpen.server.auth import KeyFile
from sharpen.server.pages.charts import history, parallel
from sharpen.server.pages.sweep import RunsQuery
from sharpen.spec import Metric
from sharpen.store.queries import Reader
from sharpen.views.run_lines import RunLine, best_line, best_points, ordered

SPEC = """
name: <b>bold</b> & "quoted"
project: quantbot
program: train.py
method: random
run_cap: 200
metric: {name: loss, goal: minimize}
parameters:
  x: {min: 0.5, max: 1.0}
  kind: {values: ["<i>", plain]}
"""


def line(number, score, state="finished", **more):
    values = {"reason": "", "config": {}, "violation": 0.0, "fidelity": None, "created_at": 0.0}
    values |= {"started_at": 1.0, "ended_at": 1.0 + number}
    return RunLine(id=f"s-{number}", number=number, state=state, score=score, **values | more)


class Site:
    """The application with one sweep of runs, and a browser without scripts."""

    def __init__(self, home, client):
        self.home, self.client = home, client
        self.app = application(home, client)
        self.cookies = {}

    def ask(self, path, method="GET", key=None, headers=None, **more):
        async def send():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://server", cookies=self.cookies
            ) as browser:
                said = {"authorization": f"Bearer {key}"} if key else {}
                return await browser.request(method, path, headers=said | (headers or {}), **more)

        return anyio.run(send)

    def log_in(self, key, next="/"):
        answer = self.ask("/login", "POST", data={"key": key, "next": next})
        self.cookies = dict(answer.cookies)
        return answer

    def fill(self, n=3, text=SPEC):
        made = self.client.call(
            "create_sweep",
            key=text,
            text=text,
            place={"source": "s.yaml", "workdir": "/"},
            seed=1,
            run_cap=None,
        )
        sweep = made["sweep_id"]
        self.client.call("join", sweep_id=sweep, agent_id=f"a-{sweep}", host="h", pid=1, born="")
        for k in range(n):
            run = self.client.call("lease", sweep_id=sweep, agent_id=f"a-{sweep}", key=f"{sweep}{k}")["run"]
            lease = {"run_id": run["run_id"], "token": run["token"]}
            self.client.call(
                "report", **lease, rows=[(1, {"loss": float(k)}), (2, {"loss": k + 0.5, "nan": 1e400})]
            )
            self.client.call("exit", **lease, exit_code=0, last_words="")
        return sweep


@pytest.fixture
def site(tmp_path):
    with connect(tmp_path / "store") as client:
        yield Site(tmp_path / "store", client)


@pytest.fixture
def keys(site):
    return {scope: KeyFile(site.home).add(scope, scope=scope) for scope in ("read", "agent", "admin")}


def test_a_stranger_is_sent_to_the_login_and_comes_back_to_what_was_asked(site, keys):
    sweep = site.fill()
    asked = f"/local/quantbot/sweeps/{sweep}?page=1"
    answer = site.ask(asked)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?next=%2Flocal%2Fquantbot%2Fsweeps%2F{sweep}%3Fpage%3D1"
    assert site.log_in("0" * 40, asked).status_code == 401
    assert site.ask("/").status_code == 303
    assert site.log_in(keys["read"], asked).headers["location"] == asked
    assert site.ask(asked).status_code == 200


def test_a_revoked_key_and_a_changed_cookie_open_nothing(site, keys):
    site.log_in(keys["admin"])
    assert site.ask("/").status_code == 200
    good = dict(site.cookies)
    # not the last letter: two of its six bits are no part of what it stands for
    site.cookies = {
        name: value[:-2] + ("A" if value[-2] != "A" else "B") + value[-1] for name, value in good.items()
    }
    assert site.ask("/").status_code == 303
    site.cookies = good
    file = KeyFile(site.home)
    file.remove(file.find(keys["admin"]).id)
    assert site.ask("/").status_code == 303


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "x"])
def test_no_login_leads_elsewhere(site, keys, elsewhere):
    assert site.log_in(keys["read"], elsewhere).headers["location"] == "/"


def test_pages_escape_what_people_named(site, keys):
    sweep = site.fill()
    for path in (
        "/",
        "/local/quantbot",
        f"/local/quantbot/sweeps/{sweep}",
        f"/local/quantbot/runs/{sweep}-1",
    ):
        answer = site.ask(path, key=keys["read"])
        assert answer.status_code == 200, answer.text
        assert "<b>bold" not in answer.text
        assert "<i>" not in answer.text
        assert "style=" not in answer.text
        assert re.search(r"<script(?! src=)", answer.text) is None
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_no_page_holds_the_control_characters_that_somebody_logged_or_wrote(site, keys):
    sweep = site.fill()
    client, evil = site.client, "\x1b[2J\x07\u202egone"
    made = client.call("create_run", run_id="evil", project="quantbot", key="evil", config={"text": evil})
    client.call(
        "append_history",
        run_id="evil",
        token=made["token"],
        first_line=0,
        rows=[(0, {"loss": 1.0, "text": evil})],
    )
    printed = f"\x1b[31mred\x1b[0m 1 %\r2 %\n{evil}\n"
    client.call("console", run_id="evil", token=made["token"], first_line=0, text=printed)
    client.call("note", target="evil", text=evil)
    for path in (
        "/local/quantbot/runs/evil",
        "/local/quantbot",
        f"/local/quantbot/compare?run=evil&run={sweep}-1",
    ):
        text = site.ask(path, key=keys["read"]).text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    text = site.ask("/local/quantbot/runs/evil", key=keys["read"]).text
    assert text.count(r"\x1b[2J\x07\u202egone") == 4
    assert "red 1 %\n2 %\n" in text


def test_a_project_may_have_any_name(site, keys):
    sweep = site.fill(1, SPEC.replace("project: quantbot", "project: 'desk/fx? #1 50%'"))
    (project,) = re.findall(r'<th scope="row"><a href="([^"]+)"', site.ask("/", key=keys["read"]).text)
    assert project == "/local/desk%2Ffx%3F%20%231%2050%25"
    for path in (
        project,
        f"{project}/sweeps/{sweep}",
        f"{project}/runs/{sweep}-1",
        f"{project}/sweeps/{sweep}/verdict",
    ):
        assert site.ask(path, key=keys["read"]).status_code == 200, path
    wrong = site.ask(f"/local/other/sweeps/{sweep}", key=keys["read"])
    assert (wrong.status_code, wrong.headers["location"]) == (303, f"{project}/sweeps/{sweep}")
    runs = site.ask(f"/api/v1/projects/{project.removeprefix('/local/')}/runs", key=keys["read"])
    assert runs.json()["total"] == 1


def test_the_parts_that_take_long_come_alone_or_as_a_page(site, keys):
    sweep = site.fill()
    for part in ("verdict", "importance"):
        path = f"/local/quantbot/sweeps/{sweep}/{part}"
        assert "<html" in site.ask(path, key=keys["read"]).text
        bare = site.ask(path, key=keys["read"], headers={"x-requested-with": "fetch"})
        assert bare.status_code == 200
        assert "<html" not in bare.text


def test_a_sweep_is_steered_only_from_its_own_page_by_who_may(site, keys):
    sweep = site.fill(1)
    page = f"/local/quantbot/sweeps/{sweep}"

    def status():
        return Reader(site.home).sweep(sweep).status

    site.log_in(keys["agent"])
    assert 'value="pause"' not in site.ask(page).text
    site.log_in(keys["admin"])
    token = re.search(r'name="csrf" value="(\w+)"', site.ask(page).text).group(1)
    assert site.ask(f"{page}/steer", "POST", data={"do": "pause"}).status_code == 403
    assert site.ask(f"{page}/steer", "POST", data={"do": "pause", "csrf": "é"}).status_code == 403
    other = {"sec-fetch-site": "cross-site"}
    form = {"do": "pause", "csrf": token}
    assert site.ask(f"{page}/steer", "POST", data=form, headers=other).status_code == 403
    assert status() == "running"
    assert site.ask(f"{page}/steer", "POST", data=form).status_code == 303
    assert status() == "paused"
    assert site.ask(f"{page}/steer", "POST", data={"do": "resume", "csrf": token}).status_code == 303
    assert status() == "running"
    assert site.ask(f"{page}/steer", "POST", data={"do": "explode", "csrf": token}).status_code == 409
    assert site.ask(f"{page}/steer", "POST", data={"do": "cancel", "csrf": token}).status_code == 303
    assert status() == "canceled"


@pytest.mark.parametrize(
    "path",
    [
        "/elsewhere/quantbot",
        "/local/nothing",
        "/local/quantbot/sweeps/none",
        "/local/quantbot/runs/none",
        "/local/quantbot/runs/..%2F..%2Fetc%2Fpasswd",
        "/local/%00/runs/%00",
        "/static/..%2Frender.py",
        "/static/render.py",
        "/local/quantbot/what",
    ],
)
def test_what_is_not_there_is_not_found(site, keys, path):
    site.fill(1)
    assert site.ask(path, key=keys["read"]).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=99999999999999999999",
        "page=%C2%B2",
        "sort=config.%00",
        "order=x&sort=",
        "state=%27",
        "text=%25_%5C",
    ],
)
def test_an_odd_query_is_answered(site, keys, query):
    sweep = site.fill(2)
    for path in (f"/local/quantbot/sweeps/{sweep}", "/local/quantbot"):
        assert site.ask(f"{path}?{query}", key=keys["read"]).status_code == 200


def test_runs_come_page_by_page_in_the_order_that_is_asked_for(site, keys):
    sweep = site.fill(120)
    path = f"/local/quantbot/sweeps/{sweep}"
    found = []
    for page in (1, 2, 3):
        text = site.ask(f"{path}?sort=score&order=asc&page={page}", key=keys["read"]).text
        table = text[text.index('id="runs"') :]
        found += [int(n) for n in re.findall(r'<th scope="row" class="n"><a [^>]*>(\d+)</a>', table)]
    assert found == list(range(1, 121))


def test_a_run_of_no_sweep_has_a_page_too(site, keys):
    made = site.client.call("create_run", run_id="alone", project="quantbot", key="k", config={"a": 1})
    token = made["token"]
    site.client.call("append_history", run_id="alone", token=token, first_line=0, rows=[(0, {"loss": 1.0})])
    answer = site.ask("/local/quantbot/runs/alone", key=keys["read"])
    assert answer.status_code == 200
    assert "loss" in answer.text
    assert "alone" in site.ask("/local/quantbot?alone=1", key=keys["read"]).text


def test_what_the_client_keeps_for_itself_is_on_no_page(site, keys):
    for name in ("one", "two"):
        config = {"lr": 0.25, "_wandb": {"cli_version": "0.31"}}
        site.client.call("create_run", run_id=name, project="quantbot", key=name, config=config)
    for path in ("/local/quantbot/runs/one", "/local/quantbot/compare?run=one&run=two"):
        answer = site.ask(path, key=keys["read"])
        assert answer.status_code == 200
        assert "0.25" in answer.text
        assert "_wandb" not in answer.text


def test_the_best_so_far_counts_what_a_best_run_may_be():
    metric = Metric("loss")
    runs = [
        line(1, 5.0),
        line(2, 1.0, violation=1.0),
        line(3, 2.0, "stopped"),
        line(4, 3.0),
        line(5, None, "failed"),
    ]
    assert [point.best for point in best_points(metric, runs)] == [5.0, 5.0, 5.0, 3.0]
    assert best_line(metric, runs).number == 4
    assert best_line(metric, [runs[2]]) is None
    cheap = [line(1, 0.1, fidelity=1.0), line(2, 0.5, fidelity=9.0)]
    assert best_line(metric, cheap).number == 2


def test_an_order_puts_what_is_missing_last_both_ways():
    runs = [line(1, None), line(2, 2.0), line(3, float("nan")), line(4, 1.0)]
    assert [run.number for run in ordered(runs, "score", False)] == [4, 2, 1, 3]
    assert [run.number for run in ordered(runs, "score", True)] == [2, 4, 1, 3]
    mixed = [line(1, 0, config={"a": "x"}), line(2, 0, config={"a": 10**400}), line(3, 0, config={"a": [1]})]
    assert ordered(mixed, "config.a", False)[0].number == 2


def test_charts_stay_small_and_finite():
    from sharpen.spec import parse

    read = parse(SPEC, where="s.yaml")
    rows = [
        line(k, 1e308 if k == 7 else float(k % 13), config={"x": 0.6, "kind": "<i>"}) for k in range(1, 5001)
    ]
    rows.append(line(5001, 1.0, config={"x": 99.0}))  # not in the space any more
    drawn = history(read.metric, best_points(read.metric, rows))
    assert len(drawn.points) == 1500
    assert drawn.n_left_out == 3501
    assert "nan" not in "".join(curve.path for curve in drawn.curves)
    lines = parallel(read.metric, read.space, rows)
    assert lines.n_shown == 240
    assert sum(curve.path.count("M") for curve in lines.curves) <= 241
    assert history(read.metric, []) is None
    assert parallel(read.metric, read.space, rows[:1]) is None
    assert RunsQuery().sort == "number"


def test_a_run_of_many_names_shows_the_first_of_them_and_says_how_many_more_there_are(site, keys):
    config = {f"p{k:05d}": k for k in range(3000)}
    for name in ("one", "two"):
        more = {"late": name} | {f"q{k}": "x" * 500 for k in range(300)}
        site.client.call("create_run", run_id=name, project="quantbot", key=name, config=config | more)
    text = site.ask("/local/quantbot/runs/one", key=keys["read"]).text
    assert "p00199" in text
    assert "p00200" not in text
    assert "and 3,101 more: <code>sharpen info one --json</code>" in text
    text = site.ask("/local/quantbot/compare?run=one&run=two", key=keys["read"]).text
    assert "late" in text  # the one that differs
    assert len(text) < 200_000
