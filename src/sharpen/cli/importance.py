"""The verb that says which parameters mattered: importance."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sharpen.cli.printing import json_option, print_json, stdout, table
from sharpen.cli.terminal import echo
from sharpen.store.queries import Reader
from sharpen.views.importances import Importances, Mattered, importances


@click.command()
@click.argument("sweep")
@click.option("--fidelity", type=float, help="Which trials to take. [default: those of the largest fidelity]")
@click.option(
    "--metric",
    default="",
    metavar="NAME",
    help="Any number that runs log, as it was last; -NAME where less is better. [default: the sweep's own]",
)
@json_option
@click.pass_obj
def importance(home: Path, sweep: str, fidelity: float | None, metric: str, as_json: bool) -> None:
    """Say which parameters of SWEEP mattered, by four methods side by side; nothing is run again.

    fANOVA is the share of the score's variance over the whole space, alone and in pairs. Local is the share
    around the best trial. Ablation goes to the best trial, one parameter after another, from the default:
    the first configuration of 'prior', or the middle of the space. PED-ANOVA compares where the good trials
    lie with where all lie. They answer different questions and may differ. First it is asked whether the
    trials can tell anything at all.

    \b
      sharpen importance last
      sharpen importance last --metric=val/n_trades
      sharpen importance last --fidelity 3 --json
    """
    reader = Reader(home)
    row = reader.sweep(sweep)
    measured = importances(reader, row, fidelity, metric)
    if as_json:
        print_json({"sweep": row.id, "metric": measured.metric, **_facts(measured)})
        return
    stdout().print(table([_row(one) for one in measured.rows]))
    steps = [f"{step.name} {step.gain:+.3g}" for step in measured.steps]
    changed = ", ".join(steps) or "nothing differs"
    echo(f"\n{measured.metric}, from {measured.start} to the best trial, {measured.best}: {changed}")
    echo(f"\n{measured.evidence.sentence}", err=True)


def _facts(measured: Importances) -> dict[str, Any]:
    """Return what each method says, by its name."""
    methods = ("fanova", "local", "ped_anova")
    shares = {method: [getattr(one, method) for one in measured.rows] for method in methods}
    evidence = asdict(measured.evidence) | {"can_tell": measured.evidence.can_tell}
    by_method = {
        method: [asdict(share) for share in method_shares if share]
        for method, method_shares in shares.items()
    }
    return {"evidence": evidence, **by_method, "ablation": [asdict(step) for step in measured.steps]}


def _row(one: Mattered) -> dict[str, str]:
    row = {"parameter": " x ".join(one.names)}
    for label, share in (("fANOVA", one.fanova), ("local", one.local), ("PED-ANOVA", one.ped_anova)):
        row[label] = f"{share.value:.3f}" if share else ""
        row[f"{label} 95%"] = f"{share.low:.2f} to {share.high:.2f}" if share else ""
    return row
