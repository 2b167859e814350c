"""What a page names is there: modules, what they hold, and the rooms in the order that the import law has."""

import ast
import re
import tomllib
from functools import cache

import pytest

from . import pages

SOURCES = pages.ROOT / "src"
ROOMS = {path.stem for path in (SOURCES / "sharpen").iterdir() if path.suffix == ".py" or path.is_dir()}
NOW = [page for page in pages.PAGES if page.parent.name != "decisions" and page.name != "CHANGELOG.md"]
"""Decisions and changes keep the names that held when they were written."""
NO_MODULES = {"wandb", "trial", "sharpen"}
"""Rooms of which other things are called alike: an import of users, a variable, the command."""
DOTTED = re.compile(r"(?<![\w./@-])((?:[a-z_]\w*\.)+[A-Za-z_]\w*)(?![\w.]*[(/=-])")


def is_there(name):
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        path = SOURCES.joinpath(*parts[:n])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return n == len(parts) or parts[n] in held(file)
    return False


@cache
def held(file):
    """Return the names that a module makes, imports or lists."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names |= {getattr(node, kind, None) for kind in ("name", "id", "attr", "value")} - {None}
    return {name for name in names if isinstance(name, str)}


def named(page):
    """Return the modules that a page names: ``sharpen.folds``, or ``sweep.state_machine`` by its room."""
    texts = [page.read_text(), *re.findall(r"`([^`\n]+)`", page.read_text())]
    full = {name for text in texts for name in DOTTED.findall(text) if name.startswith("sharpen.")}
    words = [*texts[1:], *(block.text for block in pages.blocks(page) if block.language == "text")]
    short = {name for text in words for name in DOTTED.findall(text)}
    by_room = {f"sharpen.{name}" for name in short if name.split(".")[0] in ROOMS - NO_MODULES}
    return full | by_room


@pytest.mark.parametrize("page", NOW, ids=pages.name)
def test_every_module_that_a_page_names_is_there(page):
    files = (".json", ".yaml", ".py", ".db", ".toml", ".md", ".html", ".lock", ".log", ".csv")
    wrong = [name for name in sorted(named(page)) if not name.endswith(files) and not is_there(name)]
    assert wrong == []


def test_the_rooms_stand_in_the_order_of_the_import_law():
    contracts = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    law = [re.sub(r"[()]", "", layer) for layer in contracts[0]["layers"]]
    picture = next(b for b in pages.blocks(pages.ROOT / "CONTRIBUTING.md") if b.text.startswith("cli "))
    assert [re.split(r"  +", line)[0] for line in picture.text.splitlines()] == law


def test_every_table_of_names_that_contributors_are_told_of_is_there():
    text = "\n".join(file.read_text() for file in SOURCES.rglob("*.py"))
    tables = set(re.findall(r"`([A-Z][A-Z_]{3,})`", (pages.ROOT / "CONTRIBUTING.md").read_text()))
    assert [table for table in sorted(tables) if not re.search(rf"^{table}\b", text, re.MULTILINE)] == []
