"""The tables of settings in docs/methods.md name what the methods and the rules take, with its defaults."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from typing import Any

from sharpen.optimizers import OPTIMIZERS
from sharpen.spec.stopping import STOP_RULES

from . import pages

METHODS = pages.ROOT / "docs" / "methods.md"
ROW = re.compile(r"^\| `(\w+)` \| `(\w+)` \| (?:`([^`]+)` )?\| \S", re.MULTILINE)

Setting = tuple[str, str, str]


def shown(names: Mapping[str, Any], heading: str) -> list[Setting]:
    """Return the rows of methods or rules of these names, in the part of the page below a heading."""
    part = METHODS.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows: list[Setting] = ROW.findall(part)
    return [row for row in rows if row[0] in names]


def written(default: Any) -> str:
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def of_methods() -> Iterator[Setting]:
    for name, place in OPTIMIZERS.items():
        fields = dataclasses.fields(EntryPoint(name, place, "").load())
        public = [field for field in fields if not field.name.startswith("_") and field.name != "seed"]
        if name != "bayes":  # which is gp
            yield from ((name, field.name, written(field.default)) for field in public)


def test_every_setting_of_a_method_is_shown_with_its_default() -> None:
    assert OPTIMIZERS["bayes"] == OPTIMIZERS["gp"]
    assert sorted(shown(OPTIMIZERS, "Settings of the methods")) == sorted(of_methods())


def test_every_setting_of_a_rule_is_shown_with_its_default() -> None:
    rules = {name: keys for name, keys in STOP_RULES.items() if name != "custom"}
    takes = [(rule, name, written(key.default)) for rule, keys in rules.items() for name, key in keys.items()]
    assert sorted(shown(rules, "Stop rules")) == sorted(takes)
