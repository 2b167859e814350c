"""The verbs on a model's way to production: register, promote, rollback."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sharpen.cli.options import FiniteRange
from sharpen.cli.printing import json_option, print_json, stdout, table, when
from sharpen.cli.resolve import opened
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo
from sharpen.cli.user_name import person
from sharpen.errors import UsageError
from sharpen.gates import shown
from sharpen.regular_file import read_input

LARGEST_GATES_BYTES = 1 << 20

if TYPE_CHECKING:
    from sharpen.promotion.promote import PromotionResult


@click.command()
@click.argument("run")
@click.option("--as", "name", required=True, help="NAME of the model; each new content is its next version.")
@json_option
@click.pass_obj
def register(home: Path, run: str, name: str, as_json: bool) -> None:
    """Keep the model of a RUN as the next version of a named model.

    A version never changes. It records the run, the sweep, the data, the program, the configuration, the
    seed, the versions of libraries and how the model decides. The same content again is the same version.

    \b
      sharpen register last-best --as xgb_classifier
    """
    # they read returns, which --help and a bare installation do without
    from sharpen.promotion.search_evidence import figures  # noqa: PLC0415
    from sharpen.registry.record import as_registered, registration  # noqa: PLC0415
    from sharpen.report import analyse  # noqa: PLC0415

    if "/" in name or ":" in name:
        raise UsageError(f"--as {name!r}: a model's name has no '/' and no ':'; versions are given")
    with opened(home) as (client, reader):
        new = as_registered(reader, name, registration(reader, run))
        row = reader.run(new.run_id)
        known_figures = figures(analyse(reader, reader.sweep(row.sweep_id)), row)
        registered = client.call(
            "register",
            collection=name,
            type="model",
            content=new.content,
            who=person(),
            figures=known_figures,
        )
    word = f"{name}:v{registered['version']}"
    if as_json:
        print_json({"model": word, **registered, "run": new.run_id, "figures": known_figures})
        return
    echo(word)
    before = "" if registered["is_new"] else ": it was kept before"
    echo(f"run {new.run_id}, digest {registered['digest'][:12]}{before}", err=True)
    if registered["is_new"] and new.record["code"]["program"] and not new.record["code"]["sha256"]:
        echo("the program was changed or moved since this run, so the record has no hash of it", err=True)
    if known_figures.get("headline"):
        echo(known_figures["headline"], err=True)
    echo(f"next: {same_store(f'sharpen promote {word} candidate')}", err=True)


@click.command()
@click.argument("model")
@click.argument("alias")
@click.option("--approve", is_flag=True, help="Be the second person: approve what somebody else asked for.")
@click.option("--force", is_flag=True, help="Move the alias although its gate says no; needs --reason.")
@click.option("--reason", default="", help="Why it is forced: shown for ever.")
@click.option(
    "--expect", default="", metavar="VERSION", help="Move it only from here: vN, or none. [default: as it is]"
)
@click.option(
    "--gates",
    "gates_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML with stricter thresholds than the store's: its gates.yaml, or the defaults.",
)
@click.option(
    "--capital",
    type=FiniteRange(min=1),
    default=100_000.0,
    show_default=True,
    help="Dollars to trade.",
)
@json_option
@click.pass_obj
def promote(  # noqa: PLR0913, PLR0917 - each is a word of the command line
    home: Path,
    model: str,
    alias: str,
    approve: bool,
    force: bool,
    reason: str,
    expect: str,
    gates_file: Path | None,
    capital: float,
    as_json: bool,
) -> None:
    """Move the ALIAS candidate, paper or prod to a version of a MODEL, when its gate lets it pass.

    The gate works out anew what is known of the version, for what was tried since it was registered counts,
    too. Missing evidence does not pass. prod needs a second person, who runs the same with --approve within
    seven days. Of two who move an alias at once one wins and the other is told; --expect says from where it
    may move, for scripts that looked earlier. Exits 1 when the alias has not moved.

    \b
      sharpen promote xgb_classifier:v5 candidate
      sharpen promote xgb_classifier:v5 prod
      sharpen promote xgb_classifier:v5 prod --approve
      sharpen promote xgb_classifier:v5 paper --expect v4
    """
    from sharpen.promotion.promote import Ask, Person  # noqa: PLC0415 - as above
    from sharpen.promotion.promote import promote as move  # noqa: PLC0415

    if force and not reason.strip():
        raise UsageError("--force needs --reason: it is shown for ever")
    if reason and not force:
        raise UsageError("--reason is for --force")
    ask = Ask(model, alias, approve, reason if force else "", _text(gates_file), capital, expects=expect)
    with opened(home) as (client, reader):
        result = move(client, reader, ask, Person(person()))
    if as_json:
        facts = {"model": result.row.name, "alias": alias, "state": result.state, "before": result.before}
        facts |= {"digest": result.row.digest, "checks": [asdict(check) for check in result.checks]}
        facts |= {"easier": result.easier}
        print_json(facts | {"reasons": result.reasons, "expires_at": result.expires_at})
    else:
        _print(result, force)
    if result.state in ("refused", "requested"):
        sys.exit(1)


@click.command()
@click.argument("model")
@click.argument("alias")
@click.option("--reason", required=True, help="Why, for whoever reads the log later.")
@click.option("--expect", default="", metavar="VERSION", help="Only from here: vN. [default: as it is]")
@json_option
@click.pass_obj
def rollback(home: Path, model: str, alias: str, reason: str, expect: str, as_json: bool) -> None:
    """Point an ALIAS of a MODEL at the version that it had before; no gate stands in the way.

    Versions that were rolled back from before are passed over. Where none is left, the alias points nowhere.
    Within an hour of a rollback a second one needs --expect: two people may have seen the same trouble.

    \b
      sharpen rollback xgb_classifier prod --reason "slippage doubled"
      sharpen rollback xgb_classifier prod --reason "that one, too" --expect v3
    """
    from sharpen.promotion.promote import Back, Person  # noqa: PLC0415 - as above
    from sharpen.promotion.promote import rollback as go_back  # noqa: PLC0415

    with opened(home) as (client, reader):
        back = Back(model, alias, reason, expect, is_sure=bool(expect))
        before, now = go_back(client, reader, back, Person(person()))
    name = model.partition(":")[0]
    if as_json:
        print_json({"model": name, "alias": alias, "from": before, "version": now})
    elif now is None:
        echo(f"{name}:{alias} points nowhere now, no longer at v{before}")
    else:
        echo(f"{name}:{alias} is v{now} again, no longer v{before}")


def _text(path: Path | None) -> str | None:
    try:
        return None if path is None else read_input(path, LARGEST_GATES_BYTES)
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"cannot read {path}: {problem}") from problem


def _print(result: PromotionResult, force: bool) -> None:
    name, alias = result.row.name, result.alias
    if result.checks:
        rows = [
            {"evidence": c.name, "found": "–" if c.value is None else shown(c.value), "wanted": c.wanted}
            | {"": c.outcome}
            for c in result.checks
        ]
        stdout().print(table(rows))
        echo("")
    before = "" if result.before is None else f", no longer v{result.before}"
    if result.state == "moved":
        forced = ": FORCED past its gate, which the log shows for ever" if force and result.reasons else ""
        echo(f"{name} is {alias} now{before}{forced}")
        if result.easier:
            echo("by the store's own gates, which the log shows for ever:")
            for easier in result.easier:
                echo(f"  {easier}")
    elif result.state == "unchanged":
        echo(f"{name} is {alias} already")
    elif result.state == "requested":
        echo(f"{name} waits for a second person until {when(result.expires_at)}: they run")
        echo(f"  {same_store(f'sharpen promote {name} {alias} --approve')}")
    else:
        echo(f"{name} does not become {alias}:")
        for reason in result.reasons:
            echo(f"  {reason}")
