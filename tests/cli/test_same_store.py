"""A command that is printed to be typed next finds the store that this one worked on."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.cli.same_store import same_store


@pytest.mark.parametrize(
    ("words", "environment", "typed"),
    [
        ((), {}, "sharpen resume k3"),
        (("--home", "some where"), {}, "sharpen --home 'some where' resume k3"),
        ((), {"SHARPEN_HOME": "set"}, "sharpen resume k3"),
        (("--server", "http://desk:8420"), {}, "sharpen --server http://desk:8420 resume k3"),
        ((), {"SHARPEN_SERVER": "http://desk:8420"}, "sharpen resume k3"),
        (("--home", "here"), {"SHARPEN_SERVER": "http://desk:8420"}, "sharpen --home here resume k3"),
    ],
)
def test_the_option_that_found_the_store_is_in_it(tmp_path, monkeypatch, words, environment, typed):
    monkeypatch.chdir(tmp_path)
    for name in ("SHARPEN_HOME", "SHARPEN_SERVER", "SHARPEN_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHARPEN_CACHE", str(tmp_path / "cache"))

    @click.command()
    def again():
        click.echo(same_store("sharpen resume k3"))

    monkeypatch.setattr(main, "get_command", lambda _ctx, _name: again)
    done = CliRunner().invoke(main, [*words, "again"], env=environment)
    assert (done.exit_code, done.stdout) == (0, f"{typed}\n"), done.output
