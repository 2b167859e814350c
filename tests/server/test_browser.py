"""The pages in a real browser: their own policy refuses nothing, they change by themselves, keys work."""

from pathlib import Path

import pytest

from sharpen.coordinator import connect
from sharpen.store.queries import Reader

from .test_pages import SPEC, Site

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium: apt-get install chromium"),
]
QUICK_MS = 60_000  # many programs share the machine


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def look(chromium, server):
    """Open pages, logged in; whatever the browser complains of fails the test."""
    contexts, complaints = [], []

    def opened(path, **how):
        context = chromium.new_context(base_url=server.url, **how)
        context.set_default_timeout(QUICK_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        page.fill("#key", server.key)
        page.press("#key", "Enter")
        page.wait_for_url(f"**{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def site(server):
    with connect(server.home) as client:
        yield Site(server.home, client)


def test_a_sweep_is_looked_at_steered_and_changes_by_itself(look, site):
    sweep = site.fill(3)
    page = look(f"/local/quantbot/sweeps/{sweep}")
    page.wait_for_selector("#verdict .verdict")
    assert page.locator("#runs tbody tr").count() == 3
    assert page.locator("#history path.dots").count() > 0

    run = site.client.call("lease", sweep_id=sweep, agent_id=f"a-{sweep}", key="one more")["run"]
    lease = {"run_id": run["run_id"], "token": run["token"]}
    site.client.call("report", **lease, rows=[(1, {"loss": -7.0})])
    site.client.call("exit", **lease, exit_code=0, last_words="")
    page.wait_for_selector("#runs tbody tr:nth-child(4)")
    page.wait_for_function("document.querySelector('#figures').textContent.includes('run 4')")

    page.click("button[value=pause]")
    page.wait_for_selector("button[value=resume]")
    assert Reader(site.home).sweep(sweep).status == "paused"
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("button[value=cancel]")
    assert Reader(site.home).sweep(sweep).status == "paused"
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("button[value=cancel]")
    page.wait_for_selector("#steer >> text=canceled")
    assert Reader(site.home).sweep(sweep).status == "canceled"


def test_keys_move_open_and_turn_pages(look, site):
    sweep = site.fill(55)
    page = look(f"/local/quantbot/sweeps/{sweep}")
    page.keyboard.press("n")
    page.wait_for_url("**page=2**")
    page.keyboard.press("p")
    page.wait_for_url("**page=1**")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{sweep}-55")
    assert page.locator(".chart").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(look, site, scheme):
    sweep = site.fill(3, SPEC.replace("  x:", f"  {'a_rather_long_name_of_a_parameter' * 3}:"))
    for path in (f"/local/quantbot/sweeps/{sweep}", f"/local/quantbot/runs/{sweep}-1", "/local/quantbot"):
        page = look(path, viewport={"width": 360, "height": 740}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(251, 250, 247)") == (scheme == "light")


def test_without_scripts_everything_is_there(look, site):
    sweep = site.fill(3)
    page = look(f"/local/quantbot/sweeps/{sweep}", java_script_enabled=False)
    assert page.locator("#runs tbody tr").count() == 3
    page.click("#verdict a")
    page.wait_for_selector(".verdict")
