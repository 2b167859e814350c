"""``best``: the version of a collection that the best run of the sweep logged, which moves by itself."""

from __future__ import annotations

from sharpen import spec
from sharpen.errors import NotFound
from sharpen.store.collection_rows import VersionRow, pointed, resolve, versions
from sharpen.store.configurations import configurations, winner
from sharpen.store.queries import Reader
from sharpen.store.version_contents import NEWEST

BEST = "best"


def resolve_also_best(reader: Reader, collection: str, word: str) -> VersionRow:
    """Return the version that a word of a collection means.

    ``best``, unless somebody set it, is the version that the best run of the sweep logged.

    Raises:
        NotFound: There is none.
    """
    try:
        return resolve(reader, collection, word)
    except NotFound:
        version = best_version(reader, collection) if word == BEST else None
        if version is None:
            raise
        return version


def names_of_versions(reader: Reader, collection: str, *, with_best: bool = True) -> dict[int, list[str]]:
    """Return what names each version, by its number: aliases, and those that move by themselves.

    These are ``latest`` and, where nobody set it, ``best``, which reads all runs of a sweep.
    """
    by_version = pointed(reader, collection)
    alive = versions(reader, collection)
    is_set = any(BEST in aliases for aliases in by_version.values())
    best = best_version(reader, collection) if with_best and not is_set else None
    for word, row in ((NEWEST, alive[-1] if alive else None), (BEST, best)):
        if row is not None:
            by_version.setdefault(row.version, []).append(word)
    return {version: sorted(aliases) for version, aliases in by_version.items()}


def best_version(reader: Reader, collection: str) -> VersionRow | None:
    """Return the version that the best run of the newest version's sweep logged; None without one.

    Of the sweep's configurations those compete that logged one. With repeats the mean decides, and the
    earliest run that logged one stands for its configuration. Runs of several metrics have no best one.
    """
    logged = {row.run_id: row for row in versions(reader, collection) if row.run_id}
    runs = [run for run in map(reader.tracked.run, logged) if run is not None]
    sweep_id = next((run.sweep_id for run in reversed(runs) if run.sweep_id), None)
    if sweep_id is None:
        return None
    sweep = reader.sweep(sweep_id, deleted=True)
    read = spec.parse(sweep.spec, where=sweep.source)
    if len(read.metrics) > 1:
        return None
    groups = configurations(reader.runs(sweep_id, deleted=True), read.repeats)
    best = winner([one for one in groups if any(run.id in logged for run in one.runs)], read.metric)
    return None if best is None else next(logged[run.id] for run in best.runs if run.id in logged)
