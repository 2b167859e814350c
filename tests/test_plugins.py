"""Families by name: what a file may set, and what other packages bring."""

from __future__ import annotations

import dataclasses
from importlib.metadata import EntryPoint
from typing import Literal

import pytest

from sharpen import plugins
from sharpen.errors import MissingExtra, UsageError
from sharpen.plugins import PluginFamily


@dataclasses.dataclass(frozen=True)
class Hammer:
    weight: float = 1.0
    blows: int | None = 3
    face: Literal["flat", "round"] = "flat"
    owner: str | None = None
    _memo: list[int] = dataclasses.field(default_factory=list, compare=False)
    made: int = dataclasses.field(default=0, init=False)

    def strike(self, nail):
        return nail

    def __post_init__(self):
        if self.weight <= 0:
            raise ValueError("weight must be above 0")


class Plain:
    def strike(self, nail):
        return nail


class Nothing:
    pass


def strike(nail):
    return nail


TOOLS = PluginFamily(
    "tool", "tests.tools", {"hammer": f"{__name__}:Hammer"}, port="strike(nail)", inner="owner"
)


@pytest.fixture
def plug(monkeypatch):
    def add(name: str, value: str) -> None:
        points = [EntryPoint(name, value, TOOLS.group)]
        monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == TOOLS.group else [])

    return add


def test_a_thing_is_made_with_what_is_given_and_its_own_defaults() -> None:
    assert TOOLS.make("hammer", None, None) == Hammer()
    assert TOOLS.make("hammer", {"weight": 2, "blows": None}, "ann") == Hammer(2, None, owner="ann")
    assert list(TOOLS.settings(Hammer)) == ["weight", "blows", "face"]


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("hamer", {}, "no tool is called 'hamer'; did you mean 'hammer'? Known: hammer"),
        ("zzz", {}, "no tool is called 'zzz'. Known: hammer"),
        ("hammer", {"wieght": 1}, "hammer has no setting 'wieght'; did you mean 'weight'? It has: weight, "),
        ("hammer", {"zzz": 1}, "hammer has no setting 'zzz'. It has: weight, blows, face"),
        ("hammer", {"owner": "ann"}, "has no setting 'owner'"),
        ("hammer", {"_memo": []}, "has no setting '_memo'"),
        ("hammer", {"made": 1}, "has no setting 'made'"),
        ("hammer", {"weight": "1"}, "hammer: weight must be a number, not '1'"),
        ("hammer", {"weight": -1}, "hammer: weight must be above 0"),
        ("hammer", {"weight": True}, "weight must be a number, not True"),
        ("hammer", {"blows": 2.5}, "blows must be a whole number or nothing, not 2.5"),
        ("hammer", {"face": "square"}, "face must be one of flat, round, not 'square'"),
    ],
)
def test_what_is_wrong_is_said(name, given, words) -> None:
    with pytest.raises(UsageError) as caught:
        TOOLS.make(name, given, None)
    assert words in str(caught.value)


def test_a_plugin_needs_no_settings(plug) -> None:
    plug("plain", f"{__name__}:Plain")
    assert TOOLS.names() == ("hammer", "plain")
    assert isinstance(TOOLS.make("plain", {}, "ann"), Plain)
    with pytest.raises(UsageError, match=r"plain has no setting 'x'\. It has: none"):
        TOOLS.make("plain", {"x": 1}, None)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("no_such_package:Mine", "cannot be loaded: ModuleNotFoundError"),
        (f"{__name__}:Theirs", "cannot be loaded: AttributeError"),
        (f"{__name__}:Nothing", "is not a tool: it must be a class with strike(nail)"),
        (f"{__name__}:strike", "is not a tool"),
    ],
)
def test_a_broken_plugin_is_named_and_harms_nothing_else(plug, value, words) -> None:
    plug("mine", value)
    with pytest.raises(UsageError) as caught:
        TOOLS.load("mine")
    assert words in str(caught.value)
    assert value in str(caught.value)
    assert TOOLS.load("hammer") is Hammer


def test_a_plugin_that_lacks_its_library_says_what_to_install(plug, tmp_path, monkeypatch) -> None:
    (tmp_path / "needy_tool.py").write_text(
        "from sharpen.errors import MissingExtra\nraise MissingExtra('anvil', 'forge')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plug("needy", "needy_tool:Needy")
    with pytest.raises(MissingExtra, match=r"anvil is not installed: pip install 'sharpen\[forge\]'"):
        TOOLS.load("needy")


def test_a_plugin_cannot_take_a_name_of_ours(plug) -> None:
    plug("hammer", f"{__name__}:Plain")
    assert TOOLS.load("hammer") is Hammer
    assert TOOLS.names() == ("hammer",)
