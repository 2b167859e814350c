"""The verb that says which parameters mattered: importance."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sharpen import importance as room
from sharpen import spec
from sharpen.cli.printing import json_option, print_json, stdout, table
from sharpen.cli.terminal import echo
from sharpen.coordinator.restoring import restore
from sharpen.importance import Observations, Share
from sharpen.store.queries import Reader


@click.command()
@click.argument("sweep")
@click.option("--fidelity", type=float, help="Which trials to take. [default: those of the largest fidelity]")
@json_option
@click.pass_obj
def importance(home: Path, sweep: str, fidelity: float | None, as_json: bool) -> None:
    """Say which parameters of SWEEP mattered, by four methods side by side; nothing is run again.

    fANOVA is the share of the score's variance over the whole space, alone and in pairs. Local is the share
    around the best trial. Ablation goes from the middle of the space to the best trial, one parameter after
    another. PED-ANOVA compares where the good trials lie with where all lie. They answer different
    questions and may differ. First it is asked whether the trials can tell anything at all.

    \b
      sharpen importance last
      sharpen importance last --json
    """
    reader = Reader(home)
    row = reader.sweep(sweep)
    parsed = spec.parse(row.spec, where=row.source)
    state = restore(reader, row, parsed, time.monotonic())
    seen = room.observe(state.rules.space, state.searched, fidelity)
    evidence = room.weigh(seen, row.seed)
    found = _analyses(seen, row.seed)
    if as_json:
        facts = {"sweep": row.id, "evidence": asdict(evidence) | {"can_tell": evidence.can_tell}}
        print_json(facts | {method: [asdict(one) for one in results] for method, results in found.items()})
        return
    shares: dict[str, dict[tuple[str, ...], Share]] = {
        method: {share.names: share for share in found[method]} for method in ("fanova", "local", "ped_anova")
    }
    stdout().print(table([_row(share.names, shares) for share in found["fanova"]]))
    steps = [f"{step.name} {step.gain:+.3g}" for step in found["ablation"]]
    best = seen.numbers[seen.incumbent]
    echo(f"\nfrom the middle of the space to the best trial, {best}: {', '.join(steps)}")
    echo(f"\n{evidence.sentence}", err=True)


def _analyses(seen: Observations, seed: int) -> dict[str, list[Any]]:
    """Return what each method says, by its name."""
    forest = room.fit(seen, seed)
    middle = seen.cube.snap(0.5 + 0.0 * seen.points[:1])[0]
    best = seen.points[seen.incumbent]
    return {
        "fanova": list(room.fanova(forest, seen.names)),
        "local": list(room.local_importance(forest, seen.cube, best)),
        "ablation": list(room.ablation(forest, seen.cube, middle, best)),
        "ped_anova": list(room.ped_anova(seen, seed)),
    }


def _row(names: tuple[str, ...], shares: dict[str, dict[tuple[str, ...], Share]]) -> dict[str, str]:
    row = {"parameter": " x ".join(names)}
    for method, label in (("fanova", "fANOVA"), ("local", "local"), ("ped_anova", "PED-ANOVA")):
        share = shares[method].get(names)
        row[label] = f"{share.value:.3f}" if share else ""
        row[f"{label} 95%"] = f"{share.low:.2f} to {share.high:.2f}" if share else ""
    return row
