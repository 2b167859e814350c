"""Every relative link of a page leads somewhere."""

import re

import pytest

from . import pages

_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_relative_links_resolve(page):
    broken = []
    for target in _LINK.findall(pages.prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        is_there = linked.exists() and pages.ROOT in (linked, *linked.parents)
        if not is_there or (fragment and fragment not in pages.anchors(linked)):
            broken.append(target)
    assert broken == []


def test_every_page_is_linked_from_the_readme_or_the_index():
    linked = set()
    for start in (pages.ROOT / "README.md", pages.ROOT / "docs" / "index.md"):
        for target in _LINK.findall(pages.prose(start)):
            linked.add((start.parent / target.partition("#")[0]).resolve())
    starts = {pages.ROOT / "README.md", pages.ROOT / "docs" / "index.md"}
    assert [pages.name(page) for page in pages.PAGES if page not in linked | starts] == []


def test_the_readme_shows_what_the_demo_prints():
    written = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    shown = written.partition("<!-- demo-output -->")[2].partition("<!-- /demo-output -->")[0]
    assert "deflated Sharpe" in shown
