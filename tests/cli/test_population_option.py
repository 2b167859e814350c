"""``--population``: a number of runs, or as many as there can be."""

import click
import pytest
from click.testing import CliRunner

from sharpen.cli.options import MOST_AT_ONCE, population_option


@click.command()
@population_option
def told(population):
    click.echo(repr(population))


@pytest.mark.parametrize(
    ("words", "population"),
    [([], None), (["--population", "16"], 16), (["--population", "auto"], MOST_AT_ONCE)],
)
def test_a_number_or_auto(words, population):
    assert CliRunner().invoke(told, words).output == f"{population!r}\n"


@pytest.mark.parametrize(
    ("word", "said"),
    [("0", "0 is not in the range x>=1"), ("all", "'all' is neither a number of runs nor auto")],
)
def test_anything_else_is_refused(word, said):
    found = CliRunner().invoke(told, ["--population", word])
    assert found.exit_code == 2
    assert said in found.output
