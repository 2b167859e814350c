"""The JSON schema of sweep files, for editors: ``python -m sharpen.spec.json_schema > sweep.schema.json``."""

from __future__ import annotations

import json
import sys

from sharpen.spec.sweep_file import schema


def as_text() -> str:
    """Return the schema as the file that ships."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_text())
