"""The reference is what the source says."""

import importlib.util

import pytest

from . import pages

SCRIPT = pages.ROOT / "docs" / "generate.py"


@pytest.fixture(scope="module")
def generate():
    found = importlib.util.spec_from_file_location("generate", SCRIPT)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_reference_is_current(generate, capsys):
    assert generate.main(["--check"]) == 0, capsys.readouterr().out


def test_every_page_of_the_reference_is_generated(generate):
    assert {page.name for page in generate.FOLDER.iterdir()} == set(generate.PAGES)


def test_a_stale_page_is_shown_and_written_anew(generate, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert generate.main(["--check"]) == 1  # no page at all
    assert list(tmp_path.iterdir()) == []  # --check writes nothing
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    page = tmp_path / "features.md"
    written = page.read_text(encoding="utf-8")
    stale = written.replace("return_60", "return_61")
    page.write_text(stale, encoding="utf-8")
    capsys.readouterr()
    assert generate.main(["--check"]) == 1
    said = capsys.readouterr()
    assert "-| `return_61`" in said.out
    assert "+| `return_60`" in said.out
    assert "1 of 5 pages" in said.err
    assert page.read_text(encoding="utf-8") == stale
    generate.main([])
    assert page.read_text(encoding="utf-8") == written


def test_the_pages_hold_what_the_source_says(generate):
    assert "| `--agents, --slots INTEGER` |" in generate.command_line()
    assert "## sharpen data check" in generate.command_line()
    assert "| `gap` | `log(O / C[-1])` | 1 |" in generate.features()
    assert "| `subsample` | `0.8` | (0, 1] |" in generate.classifier()
    assert "### Run.log_artifact" in generate.programs()
    assert "MissingExtra" in generate.error_tree()
