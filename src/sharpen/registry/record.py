"""What a version records of the run that made it: enough to make it again, and to decide as it did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sharpen import __version__, spec
from sharpen.errors import UsageError
from sharpen.facts import MODEL, RunFacts
from sharpen.registry.files import suffix_of
from sharpen.regular_file import read_file
from sharpen.store.blobs import checked_path
from sharpen.store.collection_rows import versions
from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.store.version_contents import StoredFile


@dataclass(frozen=True, slots=True)
class Registration:
    """What is asked of the coordinator to keep a run's model.

    Attributes:
        run_id: The run.
        files: The model's file.
        record: Run, sweep, data, lockbox, code, config, seed, versions, and ``decides_by``: what the program
            stored with the model so that it decides again as in its backtest.
    """

    run_id: str
    files: tuple[StoredFile, ...]
    record: Mapping[str, Any]

    @property
    def content(self) -> dict[str, Any]:
        """As it travels to the coordinator."""
        files = [asdict(file) for file in self.files]
        return {"files": files, "record": dict(self.record), "run_id": self.run_id}


def registration(reader: Reader, word: str) -> Registration:
    """Return what to keep of a run's model.

    Args:
        reader: The store.
        word: A run, such as ``last-best``.

    Raises:
        NotFound: There is no such run.
        StoreError: Its model is damaged.
        UsageError: It kept no model, or one of a format that could run code.
    """
    run = reader.run(word)
    sweep = reader.sweep(run.sweep_id)
    models = [artifact for artifact in reader.artifacts(run_id=run.id) if artifact.type == MODEL]
    if len(models) != 1:
        raise UsageError(
            f"run {run.id} kept {len(models)} files of type model, and one is needed: train the winner again"
            " with 'sharpen rerun', or name another run"
        )
    model = models[0]
    suffix = suffix_of(checked_path(reader.home, model.digest))
    file = StoredFile(f"model{suffix}", model.digest, model.n_bytes)
    return Registration(run.id, (file,), _record(sweep, run, model.metadata))


def _record(sweep: SweepRow, run: RunRow, decides_by: Mapping[str, Any]) -> dict[str, Any]:
    facts = RunFacts.of_summary(run.summary)
    bars = facts.bars
    data = {"name": bars.name, "hash": bars.digest, "first": bars.first, "last": bars.last}
    return {
        "run": run.id,
        "sweep": sweep.id,
        "sweep_file": hashlib.sha256(sweep.spec.encode()).hexdigest(),
        "data": data | {"symbols": list(bars.symbols)},
        "lockbox": {"hash": facts.lockbox.digest, "first": facts.lockbox.first},
        "code": _code(sweep, run),
        "config": run.config,
        "seed": seed_of(sweep, run),
        "versions": {**facts.versions, "sharpen": __version__},
        "decides_by": dict(decides_by),
    }


def as_registered(reader: Reader, collection: str, new: Registration) -> Registration:
    """Return what a collection holds of this run and this file already, or what is to be kept.

    What the machine says of a run may have changed since, such as the version of sharpen.
    """
    digests = {file.digest for file in new.files}
    for row in versions(reader, collection):
        if row.run_id == new.run_id and {file.digest for file in row.files} == digests:
            return Registration(new.run_id, row.files, row.record)
    return new


def _code(sweep: SweepRow, run: RunRow) -> dict[str, str]:
    """Return the program and the SHA-256 of its file.

    There is no hash where the file is gone, or was changed after the run began: then it is not what ran.
    """
    read = spec.parse(sweep.spec, where=sweep.source)
    program = read.program or (read.command[0] if read.command else "")
    path = Path(sweep.workdir) / program
    try:
        is_as_it_ran = path.stat().st_mtime <= (run.started_at or 0.0)
        digest = hashlib.sha256(read_file(path)).hexdigest() if is_as_it_ran else ""
    except OSError:
        digest = ""
    return {"program": program, "sha256": digest}
