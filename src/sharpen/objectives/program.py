"""What training programs share: options, the versions and bars that they tell of, the order of the bars.

It imports little, for a program's ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

from sharpen.errors import UsageError
from sharpen.hints import join, nearest_of
from sharpen.objectives.process_cache import PROCESS_CACHE

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.facts import RunFacts


class LoadedBars(Protocol):
    """A data set: its name, what there is to say of it, and its bars."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What to know of it."""
        ...

    @property
    def panel(self) -> Panel:
        """The bars."""
        ...


def flag(text: str) -> bool:
    """Return what an option that is on or off says.

    Raises:
        argparse.ArgumentTypeError: It is neither true nor false.

    >>> flag("True"), flag("false")
    (True, False)
    """
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, not {text!r}")
    return text.lower() == "true"


def refuse_unknown(config: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse names that are no option: the runs of a population get their values without a command's words.

    Args:
        config: Of a run.
        known: Every option.

    Raises:
        UsageError: The configuration has a name that nothing reads.

    >>> refuse_unknown({"gama": 0.9}, ["gamma", "seed"])
    Traceback (most recent call last):
    sharpen.errors.UsageError: no such option: gama; did you mean 'gamma'?
    """
    if unknown := sorted(set(config) - set(known)):
        hint = nearest_of(unknown, sorted(known)) or "; --help lists all"
        raise UsageError(f"no such option: {join(unknown)}{hint}")


def library_versions(*packages: str) -> dict[str, str]:
    """Return the versions of what can change a figure; packages that are not installed are left out.

    >>> list(library_versions("numpy", "no-such-package"))
    ['python', 'sharpen', 'numpy']
    """

    def look() -> dict[str, str]:
        versions = {"python": platform.python_version()}
        for package in ("sharpen", *packages):
            with suppress(PackageNotFoundError):
                versions[package] = version(package)
        return versions

    return PROCESS_CACHE.get(("versions", packages), look)


def in_order_of(permutation_seed: int | None, development: Panel) -> Panel:
    """Return the development bars; in the stage ``permuted`` in an order that the history's seed draws."""
    if permutation_seed is None:
        return development

    from sharpen.permutation import permuted  # noqa: PLC0415 - a search has no need of it
    from sharpen.seeds import rng_for  # noqa: PLC0415

    return permuted(development, rng_for(permutation_seed, "bars"))


def development_of(panel: Panel, cut: int) -> Panel:
    """Return the bars before the lockbox, which begins at a bar; the same object for the same bars.

    So their digest is worked out once for all runs of a machine.
    """
    return PROCESS_CACHE.get(("development", panel, cut), lambda: panel.slice(0, cut))


def bars_facts(bars: LoadedBars, cut: int) -> RunFacts:
    """Return which bars a search sees and which it does not; of the latter their hash and first time.

    Args:
        bars: The data set.
        cut: The first bar of the lockbox.
    """
    key = ("facts", bars.name, tuple(bars.notes), bars.panel, cut)
    return PROCESS_CACHE.get(key, lambda: _bars_facts(bars, cut))


def _bars_facts(bars: LoadedBars, cut: int) -> RunFacts:
    from sharpen.bar_sketch import sketch  # noqa: PLC0415 - as said above
    from sharpen.facts import BarsFacts, DataNote, LockboxFacts, RunFacts  # noqa: PLC0415 - as said above

    panel, development = bars.panel, development_of(bars.panel, cut)
    first, last = (str(development.time[at].astype("datetime64[s]")) for at in (0, -1))
    notes = tuple(DataNote.of(note) for note in bars.notes)
    identity = bars.name, development.digest, notes, first, last, tuple(panel.symbols)
    development_facts = BarsFacts(*identity, sketch(development.close))
    if cut == len(panel):
        return RunFacts(development_facts)
    start = str(panel.time[cut].astype("datetime64[s]"))
    return RunFacts(development_facts, LockboxFacts(panel.slice(cut, len(panel)).digest, start))
