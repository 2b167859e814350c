"""The pages of the documentation, taken apart.

The first word after a code block's fence is its language; the words after it say what the tests do with it:

    python run        executed, in the page's folder
    python file=X     written to X in that folder; yaml and sh likewise
    sh run            executed by bash in that folder
    text output       what the block before it must print, or, after ``yaml refused``, the refusal
    text within       lines that must be among what the block before it printed
    yaml              a whole sweep file, which must parse
    yaml fragment     part of one, which must parse once the other keys are there
    yaml refused      a sweep file that must be refused
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
WRITTEN_BY_HAND = [page for page in PAGES if page.parent.name != "reference"]

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def file(self) -> str:
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), "")

    def __str__(self):
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """Return a page's path as people write it."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page in order."""
    written = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(written):
        language, *words = match["info"].split() or [""]
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(page, written.count("\n", 0, match.start()) + 1, language, tuple(words), text))
    return found


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the fragments that GitHub gives a page's headings."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
