"""Telling webhooks from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.test_promote import home_with

pytest.importorskip("httpx")


def test_the_verb_tells_what_is_new(sharpen: Any, tmp_path: Path) -> None:
    home = home_with(tmp_path, b"{L\x00first")
    (home / "notifications.yaml").write_text(json.dumps({"webhooks": [{"url": "http://127.0.0.1:9/"}]}))
    assert sharpen("notify", "--once", home=home).stderr == "0 messages taken\n"
    tested = sharpen("notify", "--test", home=home)
    assert (tested.exit_code, tested.stdout) == (1, "127.0.0.1:9: cannot be reached: ConnectError\n")
