"""Print constraints that hold what the product needs to the lowest of its ranges: lowest.py EXTRA..."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
todo, seen = [*project["dependencies"]], set(sys.argv[1:])
extras = list(seen)
while extras:
    for line in project["optional-dependencies"][extras.pop()]:
        if line.startswith("sharpen["):  # an extra that takes another one in
            more = set(line.removeprefix("sharpen[").removesuffix("]").split(",")) - seen
            extras, seen = [*extras, *more], seen | more
        else:
            todo.append(line)
for line in sorted(set(todo)):
    name, lowest = re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\d.]+)(?:,.*)?", line).groups()
    print(f"{name}=={lowest}")
