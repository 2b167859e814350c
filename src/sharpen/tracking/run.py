"""The run, as the program that trains sees it."""

from __future__ import annotations

import operator
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from sharpen.errors import Refused, UsageError
from sharpen.jsonable import refuse_deep
from sharpen.names import LARGEST_STEP, check_name, check_path_name
from sharpen.regular_file import refuse_unreadable
from sharpen.tracking.assignment import Stage
from sharpen.tracking.config import Config
from sharpen.tracking.metrics import plain_metrics
from sharpen.tracking.scratch import FileClaims, Scratch
from sharpen.tracking.sinks import Sink
from sharpen.tracking.summary import Stopped, Summary, finished, stopped_when_refused
from sharpen.tracking.terminal_sink import TerminalSink

current: list[Run] = []


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that an earlier lease of the run, or the run that it goes on from, has kept.

    Attributes:
        path: Where it lies; not to be written to.
        step: The step that it was kept at.
    """

    path: Path
    step: int


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a run may be given beyond its configuration.

    Attributes:
        checkpoint: Where to go on from.
        permutation_seed: What to draw the order of the bars from.
        folder: A folder of the run's own, which whoever gives it clears; None to have one made when it is
            asked for.
        claims: Which files outside of it other runs at work have written.
        fidelity: How much to spend.
        is_member: Whether its program carries out other runs beside it.
        step: The last that an earlier program has logged.
    """

    checkpoint: Checkpoint | None = None
    permutation_seed: int | None = None
    folder: Path | None = None
    claims: FileClaims = field(default_factory=lambda: FileClaims(None))
    fidelity: float | None = None
    is_member: bool = False
    step: int = 0


class Run:
    """One evaluation of one configuration. Made by :func:`init`; a context manager.

    Attributes:
        config: The program's values with the sweep's laid over them, a :class:`Config`.
        seed: The root seed of the sweep. For a program that runs alone it is SHARPEN_SEED of the environment,
            else the configuration's own ``seed``, else 0.
        in_sweep: Whether a sweep started this program.
        summary: Values that describe the run as a whole.
        stage: ``search``; ``lockbox`` when ``sharpen validate`` asks for the final period's figures;
            ``permuted`` when ``sharpen permute`` asks for the search's figures on a permuted history.
        permutation_seed: What to draw the order of the bars from in that stage; None in every other.
        checkpoint: Where to go on from: this run's own newest after a crash, else that of the run which it
            continues; None to begin at the beginning.
        fidelity: How much to spend on it, in the sweep's units of budget; None for the whole.
        leads: Whether it would be the best of its sweep if it ended as it stands; asked anew each time.
        dir: A folder of this run's own, for the files that it writes.
        stopped: Why it is to end, for a run of a population: the others go on, so nothing is raised. Stop
            working on it, and call :meth:`finish`. Empty while it goes on.
    """

    def __init__(
        self,
        sink: Sink,
        config: Mapping[str, Any],
        seed: int,
        stage: Stage,
        in_sweep: bool,
        given: RunInputs | None = None,
    ) -> None:
        given = given or RunInputs()
        self.checkpoint = given.checkpoint
        self.fidelity = given.fidelity
        self.config = Config(config)
        self.seed = seed
        self.in_sweep = in_sweep
        self.summary = Summary(sink, self._until_refused)
        self._sink = sink
        self._scratch = Scratch(given.folder)
        self._claims = given.claims
        self._is_finished = False
        self._is_member = given.is_member
        self.stopped = ""
        self._step: int = given.step
        self._stage: Stage = stage
        self._permutation_seed = given.permutation_seed
        self._asked_stage = self._asked_permutation = False

    @property
    def id(self) -> str:
        """What the store calls it; empty for a program that runs alone."""
        return "" if self._sink.grant is None else self._sink.grant.run_id

    @property
    def sink(self) -> Sink:
        """Where it writes to; for other faces of the same run, such as :mod:`sharpen.wandb`."""
        return self._sink

    @property
    def stage(self) -> Stage:
        """What is asked of the program."""
        self._asked_stage = True
        return self._stage

    @property
    def permutation_seed(self) -> int | None:
        """What to draw the order of the bars from."""
        self._asked_permutation = True
        return self._permutation_seed

    @property
    def leads(self) -> bool:
        """Whether it would be the best of its sweep if it ended as it stands; always, when it runs alone.

        For what only a winner needs, such as training and keeping a model. By several metrics: whether no
        finished run beats it. With ``repeats``, where means over runs decide: whether it is feasible.

        Raises:
            Stopped: The sweep has given this run to another agent.
        """
        with self._until_refused():
            return self._sink.leads()
        return False

    @property
    def dir(self) -> Path:
        """A folder of this run's own, for the files that it writes: no other run can change them.

        It is cleared when the run's program has ended: keep what you need with :meth:`log_artifact`. With
        SHARPEN_KEEP_SCRATCH=1 in the environment of the agent it is left. A run that was interrupted begins
        with an empty one.
        """
        return self._scratch.folder

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Store the metrics of a step; they are on the disk when this returns, or half a second later.

        In a sweep with a stop rule, what it goes by is on the disk when this returns. Other rows that come
        faster than two a second are sent together: half a second later at most, and before anything else
        that is kept with the run, a checkpoint above all. The end of the program sends the last ones, and so
        does :meth:`flush`.

        Args:
            metrics: Names to numbers. NaN is a value: for the sweep's metric it means *infeasible*. A mapping
                as a value stands for several metrics: ``{"eval": {"loss": 1}}`` logs ``eval.loss``.
            step: A whole number that grows from call to call; one more than the last by default.

        Raises:
            Stopped: The sweep ends this run early, or has given it to another agent. One of a population
                has the reason as :attr:`stopped` instead.
            UsageError: The run is finished, a step that is no whole number or smaller than the last, a
                metric without a name, or figures that would be the search's again: the lockbox is open and
                the program has not asked for :attr:`stage`, or bars are to be permuted and it has not asked
                for :attr:`permutation_seed`.
        """
        self._refuse_when_finished("log")
        self._refuse_search_again()
        step = _whole("log", self._step + 1) if step is None else _whole("log", step, self._step)
        metrics = plain_metrics(metrics)
        with self._until_refused():
            self.stopped = self._sink.report(step, metrics)
            self._step = step  # not for one that was refused
        if self.stopped and not self._is_member:
            raise Stopped(self.stopped)

    def flush(self) -> None:
        """Return once all that was logged is on the disk.

        Raises:
            Stopped: The sweep has given this run to another agent.
            UsageError: The run is finished.
        """
        self._refuse_when_finished("flush")
        with self._until_refused():
            self._sink.flush()

    @contextmanager
    def _until_refused(self) -> Generator[None]:
        """Take a refusal for the end of this run; it ends the program only when that has no others."""
        try:
            with stopped_when_refused():
                yield
        except Stopped as stopped:
            if not self._is_member:
                raise
            self.stopped = stopped.reason

    def _refuse_search_again(self) -> None:
        if self._stage == "lockbox" and not self._asked_stage:
            raise UsageError(
                "log: the program never looks at run.stage, so it does not know the lockbox: when that is "
                "'lockbox' it must train on all development data and log figures of the lockbox"
            )
        if self._stage == "permuted" and not self._asked_permutation:
            raise UsageError(
                "log: the program never looks at run.permutation_seed, so it does not permute: when run.stage"
                " is 'permuted' it must put the development bars in the order that this seed draws, with "
                "sharpen.permutation.permuted, and log what it logs in a search"
            )

    def log_artifact(
        self,
        path: str | Path,
        name: str | None = None,
        type: str = "file",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a file with the run, under a name; a second one under it replaces the first.

        Args:
            path: The file.
            name: What to call it; the file's own name by default.
            type: What it is for: ``model``, ``returns``, ``file``.
            metadata: Facts about it that JSON can hold.

        Raises:
            Stopped: The sweep has given this run to another agent.
            UsageError: The run is finished, there is no such file, another run at work has written it, or
                the name is none: it is one line, and no path that leads out of its folder.
        """
        self._refuse_when_finished("log_artifact")
        path = Path(path)
        refuse_unreadable("log_artifact", path)
        name = path.name if name is None else name
        check_path_name("log_artifact", "an artifact", name)
        check_name("log_artifact", "a type of artifacts", type)
        refuse_deep("log_artifact: metadata", metadata)
        is_own = self._scratch.holds(path)
        if not is_own:
            self._claims.take(path)
        with self._until_refused():
            self._sink.artifact(path, name, type, metadata or {})
        if is_own and isinstance(self._sink, TerminalSink):  # nobody else has a copy
            self._scratch.keep(name, path)

    def save_checkpoint(self, path: str | Path, step: int | None = None) -> None:
        """Store a file to go on from, should the run be interrupted; it replaces the last one.

        It comes back as :attr:`checkpoint` when the run is started again, or when another goes on from it.

        Args:
            path: The file.
            step: What has been done by then; the last step that was logged by default.

        Raises:
            Stopped: The sweep has given this run to another agent.
            UsageError: The run is finished, there is no such file, another run at work has written it, or the
                step is no whole number.
        """
        step = self._step if step is None else _whole("save_checkpoint", step)
        self.log_artifact(path, name="checkpoint", type="checkpoint", metadata={"step": step})

    def finish(self) -> None:
        """Close the run: it takes no more metrics, files or values.

        With that, one of a population has ended well.
        """
        if self in current:
            current.remove(self)
        if self._is_member and not self._is_finished:
            with suppress(Refused):  # it has ended already
                self._sink.end()
        self._is_finished = True
        self.summary.close()
        self._claims.close()
        self._scratch.close()
        self._sink.close()

    def _refuse_when_finished(self, method: str) -> None:
        if self._is_finished:
            raise finished(method)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()


def _whole(call: str, step: int, last: int | None = None) -> int:
    try:
        number = operator.index(step)
    except TypeError as problem:
        raise UsageError(f"{call}(step={step!r}): a step is a whole number") from problem
    if last is not None and number < last:
        raise UsageError(f"{call}(step={number}): the last step was {last}, and steps only grow")
    if isinstance(step, bool) or not 0 <= number <= LARGEST_STEP:
        raise UsageError(f"{call}(step={step!r:.40}): a step is a whole number from 0 to {LARGEST_STEP}")
    return number
