"""The first words of a room say what lies where: every module that they name is there."""

import ast
import re
from pathlib import Path

import pytest

import sharpen

ROOT = Path(sharpen.__file__).parent
ROOMS = sorted(file.parent for file in ROOT.rglob("__init__.py"))
NO_MODULES = {
    "": {"sharpen"},
    "cli": {"sharpen"},
    "server/discord": {"rollback", "status"},
    "server/notifications": {"notifications.yaml"},
    "server/wandb": {"wandb", "schema.graphql"},
    "space": {"optimizer.lr", "u"},
    "testing": {"conftest.py", "test_"},
    "tracking": {"init", "log"},
    "wandb": {"agent", "init", "sweep"},
}
"""What else stands between the same marks, by room: commands, files, functions, symbols."""


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_every_module_that_a_room_names_is_there(room):
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    named = set(re.findall(r"``([a-z_][a-z0-9_.]*)``", said))
    modules = {path.stem for path in room.iterdir() if path.suffix == ".py" or path.is_dir()}
    others = NO_MODULES.get(str(room.relative_to(ROOT)).removeprefix("."), set())
    assert named - modules <= others, (
        f"{room.name}: there is no {', '.join(sorted(named - modules - others))}"
    )
