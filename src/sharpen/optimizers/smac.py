"""SMAC behind the ``ask`` port: the library's forest or process, taught anew from the history."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sharpen.arrays import Floats
from sharpen.extras import require
from sharpen.optimizers import observations
from sharpen.optimizers.brackets import brackets, demands
from sharpen.optimizers.by_fidelity import comparable
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.hyperband import propose
from sharpen.optimizers.port import Answer
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.optimizers.user_prior import ORIGIN, Belief, drawn
from sharpen.plugins import refuse_unless
from sharpen.replay import LastAnswer
from sharpen.seeds import seed_for
from sharpen.space import Space
from sharpen.space.encoding import Cube, cube_of, is_near
from sharpen.trial import ParameterValues, Trial, TrialState

FACADES = ("hpo", "mf", "bb", "ac")
N_POINTS = 256  # that the library puts in order at once
MOST_STARTUP = 25
PER_PARAMETER = {"hpo": 10, "bb": 8, "ac": 10, "mf": 1}
RETRAIN = {"hpo": 8, "bb": 1, "ac": 8, "mf": 8}
NEAREST, NEAREST_BUSY = 1e-3, 0.05


class Library(Protocol):
    """Who puts points in order: the library in a process of its own."""

    def points(self, question: dict[str, Any]) -> list[list[float]]:
        """Return points, see :func:`sharpen.optimizers.smac_process.suggest`."""
        ...


class SmacProcess:
    """A process with the library in it, which is started at the first question and ends with this one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def points(self, question: dict[str, Any]) -> list[list[float]]:
        """Return what the library proposes; a process that has died is started once more.

        Raises:
            RuntimeError: The library cannot answer.
        """
        line = json.dumps(question)
        with self._lock:
            answer = json.loads(self._answer(line) or self._answer(line) or '{"problem": "its process died"}')
        if "problem" in answer:
            raise RuntimeError(f"SMAC: {answer['problem']}")
        return answer["points"]

    def close(self) -> None:
        """End the process; another question would start it again."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.communicate()

    def _answer(self, line: str) -> str:
        """Return the answer to a question; an empty text when the process dies of it."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = _start()
        to_process, from_process = self._process.stdin, self._process.stdout
        if to_process is None or from_process is None:  # never: both are pipes
            return ""
        try:
            to_process.write(line + "\n")
            to_process.flush()
        except BrokenPipeError:
            return ""
        return from_process.readline()


def _start() -> subprocess.Popen[str]:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-m", "sharpen.optimizers.smac_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **one_thread, "PYTHONHASHSEED": "0"},
        start_new_session=True,  # Ctrl-C is for the sweep: it ends with its input
    )


LIBRARY = SmacProcess()
"""One for all searches of this process."""
atexit.register(LIBRARY.close)


@dataclass(frozen=True, slots=True)
class Smac:
    """Looks where SMAC's model expects the largest improvement; needs the library ``smac``.

    The facades are the library's: ``hpo`` a random forest, ``ac`` one with more random proposals, ``bb`` a
    Gaussian process, ``mf`` Hyperband whose new configurations come from the forest of ``hpo``.

    The model is taught from the history whenever so many more trials have ended (``retrain_after``); until
    then the next points of the same order are proposed. So the same history gives the same proposals, also
    after a restart, which the library alone does not promise. A teaching takes seconds, and nobody waits for
    it who has something to do. Points that are near a running trial are passed over, so that agents which ask
    together are sent to different places. An infeasible trial counts as the worst one. Of several metrics the
    first one is searched.

    Source: Lindauer et al. (2022), SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter
    Optimization, JMLR 23; Hvarfner et al. (2022), πBO, for beliefs.

    Attributes:
        facade: ``hpo``, ``mf``, ``bb`` or ``ac``.
        n_startup_trials: How many outcomes it wants before it trusts a model; evenly spread until then. 0 for
            ten a parameter (eight with ``bb``), at most 25.
        retrain_after: How many trials end between two teachings; 0 for the facade's own: 1 with ``bb``, else
            8.
        n_candidates: How many random points compete; 0 for the facade's own number.
        max_fidelity: With ``mf``: the most that a run may spend, in units of ``budget_variable``.
        min_fidelity: The least.
        eta: Of the runs on a rung the best ``1 / eta`` go on, with ``eta`` times the budget.
        budget_variable: The parameter that holds a run's budget.
        prior_weight: How strongly it holds to what is near the configurations of ``prior``, in trials: after
            as many that counts as much as the expected improvement, and fades. 0 for not at all.
        seed: The sweep's seed.
    """

    facade: str = "hpo"
    n_startup_trials: int = 0
    retrain_after: int = 0
    n_candidates: int = 0
    max_fidelity: float | None = None
    min_fidelity: float = 1.0
    eta: float = 3.0
    budget_variable: str = ""
    prior_weight: float = 0.0
    seed: int | None = None
    _library: Library = field(default=LIBRARY, repr=False, compare=False)
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)
    _points: LastAnswer[dict[str, Any], list[list[float]]] = field(
        default_factory=LastAnswer[dict[str, Any], list[list[float]]], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Refuse settings that make no sense, and an installation without the library."""
        require("smac", "smac")
        has_budget = self.max_fidelity is not None or bool(self.budget_variable)
        budget = demands(self.min_fidelity, self.max_fidelity, self.eta) if self.facade == "mf" else {}
        refuse_unless(
            "smac",
            {
                f"facade must be one of {', '.join(FACADES)}": self.facade in FACADES,
                "n_startup_trials must be 0 or more": self.n_startup_trials >= 0,
                "retrain_after must be 0 or more": self.retrain_after >= 0,
                "n_candidates must be 0 or more": self.n_candidates >= 0,
                "prior_weight must be 0 or more": self.prior_weight >= 0,
                "facade ac has no n_candidates": not (self.facade == "ac" and self.n_candidates),
                "max_fidelity and budget_variable need facade: mf": self.facade == "mf" or not has_budget,
                **budget,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return ``n`` proposals; with ``mf`` first those that go on to a larger budget."""
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)

        def ordered(question: dict[str, Any]) -> list[list[float]]:
            return self._points.get(question, self._library.points)

        searching = _Searching(self, cube_of(space), history, rng, batch, ordered)
        if self.facade != "mf":
            searching.take(n, list(history))
            return batch.proposals
        cycle = brackets(self.min_fidelity, self.max_fidelity or 0.0, self.eta)
        return propose(history, n, cycle, searching, name="smac", passes=0)


@dataclass(frozen=True, eq=False)
class _Searching:
    """An answer in the making."""

    settings: Smac
    cube: Cube
    history: Sequence[Trial]
    rng: np.random.Generator
    batch: ProposalBatch
    ordered: Callable[[dict[str, Any]], list[list[float]]]

    def draw(self, n: int, n_before: int) -> list[ParameterValues]:
        """Return new configurations, by a model of the largest budget of which enough trials finished."""
        self.batch.number = n_before
        self.take(n, comparable(self.history, self._n_startup))
        return [p.config for p in self.batch.proposals]

    def take(self, n: int, past: Sequence[Trial]) -> None:
        """Propose what a history makes the model propose."""
        points = self._points(past)
        queue = iter(points)
        belief = Belief.of(self.cube, self.history, 0.0 if len(points) else self.settings.prior_weight)
        for _ in range(n):
            config = drawn(belief, self.cube, self.batch.seen, self.rng) if belief else self._next(queue)
            self.batch.add(config, "smac")

    def _next(self, queue: Iterator[Floats]) -> ParameterValues | None:
        """Return the next configuration that is new, allowed and not near one at work."""
        in_flight = [t.config for t in self.history if not t.state.is_final and self._is_inside(t)]
        tried = [t.config for t in self.history if t.state.is_final and self._is_inside(t)]
        in_flight += [p.config for p in self.batch.proposals]
        at_work, known = self.cube.encode(in_flight), self.cube.encode(tried)
        for u in queue:
            config = self.cube.decode(u)
            if self.cube.space.key(config) in self.batch.seen or not self.cube.space.allows(config):
                continue
            if not (is_near(self.cube, u, at_work, NEAREST_BUSY) or is_near(self.cube, u, known, NEAREST)):
                return config
        return None

    def _is_inside(self, trial: Trial) -> bool:
        return self.cube.space.contains(trial.config)

    def _points(self, past: Sequence[Trial]) -> Floats:
        """Return points in the order in which to try them; none while too little is known."""
        s, step = self.settings, self.settings.retrain_after or RETRAIN[self.settings.facade]
        ended = [t for t in past if t.state in (TrialState.FINISHED, TrialState.STOPPED)]
        ended = [t for t in ended if self._is_inside(t)]
        n_taught = self._n_startup + (len(ended) - self._n_startup) // step * step
        known = observations.read(
            self.cube.space, ended[: max(n_taught, 0)], 2 * len(ended) + 2, use_reports=False
        )
        if n_taught < self._n_startup or not self.cube.axes or not len(known.y):
            return np.empty((0, len(self.cube.axes)))
        costs = {t.number: -float(y) for t, y in zip(known.scored, known.y, strict=True)}
        worst = max(costs.values())
        is_bad = {t.number: f <= 0 for t, f in zip(known.judged, known.feasible, strict=True)}
        seed = int(self.rng.integers(2**31)) if s.seed is None else seed_for(s.seed, "smac", n_taught)
        question: dict[str, Any] = {
            "facade": s.facade,
            "levels": [axis.units.size if axis.kind == "category" else 0 for axis in self.cube.axes],
            "points": self._told([t.config for t in known.judged]),
            "costs": [worst if is_bad[t.number] else costs[t.number] for t in known.judged],
            "n": N_POINTS,
            "seed": seed,
            "settings": {"maximizer": {"challengers": s.n_candidates}} if s.n_candidates else {},
        }
        given = [t.config for t in self.history if t.origin == ORIGIN and self._is_inside(t)]
        if given and s.prior_weight:
            weight = s.prior_weight / (
                1 + max(n_taught, 0)
            )  # of the teaching: until the next nothing changes
            question["belief"] = {"centres": self._told(given), "weight": weight}
        return self._heard(self.ordered(question))

    def _told(self, configs: Sequence[ParameterValues]) -> list[list[float]]:
        """Return configurations as the library is told them: an option is its place; an absent one's is 0."""
        u = self.cube.encode(configs)
        for d, axis in enumerate(self.cube.axes):
            if axis.kind == "category":
                u[:, d] = np.abs(u[:, d, None] - axis.units).argmin(1)
        return u.tolist()

    def _heard(self, points: list[list[float]]) -> Floats:
        u = np.array(points)
        for d, axis in enumerate(self.cube.axes):
            if axis.kind == "category":
                u[:, d] = axis.units[u[:, d].astype(int)]
        return self.cube.snap(u)

    @property
    def _n_startup(self) -> int:
        n_axes = len(self.cube.axes)
        usual = min(PER_PARAMETER[self.settings.facade] * n_axes, MOST_STARTUP)
        return max(self.settings.n_startup_trials or usual, 2)
