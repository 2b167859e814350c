"""Every ``sharpen`` command that a page shows is one that the command line understands."""

import re
import shlex

import click
import pytest

from sharpen.cli import main

from . import pages

SHELLS = ("sh", "console")


def commands_in(page):
    """Return (where, words, whether they must be complete) of every ``sharpen`` command of a page.

    Those in shell blocks must be; code within a sentence may name a verb alone.
    """
    found = []
    for block in pages.blocks(page):
        if block.language in SHELLS:
            found += [(str(block), line.removeprefix("$ "), True) for line in block.text.splitlines()]
    for code in re.findall(r"`([^`\n]+)`", pages.prose(page)):
        found.append((pages.name(page), code, False))
    return [(where, words, is_whole) for where, line, is_whole in found for words in _calls(line)]


def _calls(line):
    line = re.sub(r"\w+=\$\((.*?)\)", r"\1", line)  # SWEEP=$(sharpen sweep FILE)
    for part in re.split(r"\|\|?|&&|;|\s#\s", line):
        if re.match(r"\s*sharpen(\s|$)", part) and "…" not in part:
            yield shlex.split(part)[1:]


def parse(words, is_whole=True):
    """Raise click.UsageError unless the words are a call of the command line; paths need not exist."""
    context, command = click.Context(main, info_name="sharpen", **main.context_settings), main
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        if found is None:
            context.fail(f"no verb {rest[0]!r}")
        command = found
        context = click.Context(command, parent=context, info_name=rest[0])
        values, rest, _ = command.make_parser(context).parse_args(rest[1:])
        _convert(command, context, values, is_whole)
    if rest:
        context.fail(f"too many arguments: {rest}")
    if is_whole and isinstance(command, click.Group) and not command.invoke_without_command:
        context.fail("no verb")


def verbs_of(group, before=()):
    """Give the words and the command of every verb, those of groups within groups among them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        verb = group.get_command(context, name)
        yield (*before, name), verb
        if isinstance(verb, click.Group):
            yield from verbs_of(verb, (*before, name))


def _convert(command, context, values, is_whole):
    for option in command.params:
        value = values.get(option.name)
        if isinstance(value, str) and not isinstance(option.type, click.Path):
            option.type.convert(value, option, context)
        if is_whole and option.required and not isinstance(value, str | tuple):
            context.fail(f"{option.name} is missing")


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_commands_parse(page):
    problems = []
    for where, words, is_whole in commands_in(page):
        try:
            parse(words, is_whole)
        except click.UsageError as problem:
            problems.append(f"{where}: sharpen {' '.join(words)}: {problem.format_message()}")
    assert problems == []


def test_the_pages_show_every_verb():
    shown = {
        tuple(words[:n])
        for page in pages.WRITTEN_BY_HAND
        for _, words, _ in commands_in(page)
        for n in (1, 2)
    }
    verbs = [words for words, verb in verbs_of(main) if not isinstance(verb, click.Group)]
    assert ("agent",) in verbs
    assert ("data", "check") in verbs
    assert [verb for verb in verbs if verb not in shown] == []


@pytest.mark.parametrize(
    "line",
    [
        "sharpen rnu sweeps/x.yaml",
        "sharpen run sweeps/x.yaml --agnets 2",
        "sharpen run sweeps/x.yaml --agents two",
        "sharpen run sweeps/x.yaml --agents 0",
        "sharpen run --agents 2",
        "sharpen ls extra",
        "sharpen data",
        "sharpen data chekc stocks",
        "SWEEP=$(sharpen sweep x.yaml --chek)",
    ],
)
def test_a_wrong_command_is_noticed(line):
    (words,) = _calls(line)
    with pytest.raises(click.UsageError):
        parse(words)
