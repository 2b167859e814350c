"""What every command pays before it does anything."""

import subprocess
import sys

HEAVY = ("scipy", "numba", "pandas", "polars", "pyarrow", "plotly", "optuna", "xgboost", "sklearn", "torch")


def test_no_command_imports_what_only_some_need():
    words = f"import sys, sharpen.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
