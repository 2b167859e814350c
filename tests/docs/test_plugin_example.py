"""The search method and the stop rule that a page shows are under the contracts that it names."""

from types import ModuleType

from sharpen.testing import OptimizerContract, StopperContract

from . import pages

SHOWN = ModuleType("my_package")
for block in pages.blocks(pages.ROOT / "docs" / "methods.md"):
    if block.file == "my_package.py":
        exec(block.text, SHOWN.__dict__)


class TestShy(OptimizerContract):
    def make(self):
        return SHOWN.Shy()


class TestPicky(StopperContract):
    def make(self):
        return SHOWN.Picky()
