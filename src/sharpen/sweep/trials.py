"""Every trial of a sweep by number: a sequence that is a value, and cheap to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import overload

from sharpen.trial import Trial, TrialState

CHUNK = 256


def blank(trial: Trial) -> Trial:
    """Return what stands for a deleted run: its configuration, canceled, with no figures.

    >>> blank(Trial(3, {"x": 1}, TrialState.FINISHED, score=0.5)) == Trial(3, {"x": 1}, TrialState.CANCELED)
    True
    """
    return Trial(
        trial.number,
        trial.config,
        TrialState.CANCELED,
        origin=trial.origin,
        repeat=trial.repeat,
        repeat_of=trial.repeat_of,
        parent=trial.parent,
        fidelity=trial.fidelity,
        proposed=trial.proposed,
    )


@dataclass(frozen=True, slots=True)
class Trials(Sequence[Trial]):
    """Trials 1, 2, 3, … without a gap; a change gives a new value, and older ones stay as they are.

    A change copies one chunk and the row of chunks, so that it costs next to nothing at a hundred thousand
    trials, and to hand the whole history to an optimizer or a stopper costs nothing.

    >>> trials = Trials.of([Trial(1, {}), Trial(2, {})])
    >>> longer = trials.put(Trial(3, {}, origin="random"))
    >>> len(trials), len(longer), longer[-1].origin
    (2, 3, 'random')
    """

    chunks: tuple[tuple[Trial, ...], ...] = ()

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> Trials:
        """Return the trials, which must come by number, from 1."""
        row = tuple(trials)
        return cls(tuple(row[i : i + CHUNK] for i in range(0, len(row), CHUNK)))

    def put(self, trial: Trial) -> Trials:
        """Return the same with a trial at its number: in the place of another, or right after the last."""
        chunk_index, n = divmod(trial.number - 1, CHUNK)
        if chunk_index == len(self.chunks):
            return Trials((*self.chunks, (trial,)))
        chunks, chunk = list(self.chunks), list(self.chunks[chunk_index])
        chunk[n : n + 1] = [trial]
        chunks[chunk_index] = tuple(chunk)
        return Trials(tuple(chunks))

    def longer(self, trials: Iterable[Trial]) -> Trials:
        """Return the same with more trials, which must come by number, right after the last."""
        n_full = len(self) // CHUNK
        return Trials(self.chunks[:n_full] + Trials.of(chain(*self.chunks[n_full:], trials)).chunks)

    def __len__(self) -> int:
        return (len(self.chunks) - 1) * CHUNK + len(self.chunks[-1]) if self.chunks else 0

    def __iter__(self) -> Iterator[Trial]:
        return chain.from_iterable(self.chunks)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        n = len(self)
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(n))]
        if not -n <= index < n:
            raise IndexError(f"trial {index} of {n}")
        chunk_index, i = divmod(index % n, CHUNK)
        return self.chunks[chunk_index][i]
