"""Every sweep file that a page shows is read as the page says."""

import pytest
import yaml

from sharpen import spec
from sharpen.errors import SpecError
from sharpen.spec.distributions import DISTRIBUTIONS

from . import pages

REST = {
    "program": "train.py",
    "method": "random",
    "metric": {"name": "loss"},
    "parameters": {"lr": {"min": 0.1, "max": 1.0}},
}
YAML = [block for page in pages.PAGES for block in pages.blocks(page) if block.language == "yaml"]
WHOLE = [block for block in YAML if not {"fragment", "refused"} & set(block.words)]
FRAGMENTS = [block for block in YAML if "fragment" in block.words]
REFUSED = [block for block in YAML if "refused" in block.words]
SWEEP_FILES = pages.ROOT / "docs" / "sweep-files.md"


@pytest.mark.parametrize("block", WHOLE, ids=str)
def test_whole_files_parse(block):
    assert spec.parse(block.text).space.dimensions


@pytest.mark.parametrize("block", FRAGMENTS, ids=str)
def test_fragments_parse_beside_the_other_keys(block):
    assert spec.parse(yaml.safe_dump(REST | yaml.safe_load(block.text))).space.dimensions


@pytest.mark.parametrize("block", REFUSED, ids=str)
def test_refused_files_are_refused_as_shown(block):
    shown = pages.blocks(block.page)
    output = shown[shown.index(block) + 1]
    with pytest.raises(SpecError) as refusal:
        spec.parse(block.text)
    assert output.words == ("output",)
    assert str(refusal.value) == output.text.rstrip("\n")


@pytest.mark.parametrize(
    "word", [*DISTRIBUTIONS, *spec.METHODS, "early_terminate", "run_cap", "seed", "command"]
)
def test_the_page_names_what_is_supported(word):
    assert f"`{word}`" in SWEEP_FILES.read_text(encoding="utf-8")
