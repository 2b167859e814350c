"""Puts a paper account together: its folder, the pinned model, the broker, the trader."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpen.bars import Panel
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.facts import LOCKBOX_FIRST, MODEL, NAME
from sharpen.paper.account_files import paths_of
from sharpen.paper.account_settings import AccountSettings, keep_beginning
from sharpen.paper.ledger import Ledger
from sharpen.paper.model import (
    BoostedStrategy,
    SwitchedStrategy,
    check_digest,
    load_strategy,
    suffix_of,
)
from sharpen.paper.ports import Strategy
from sharpen.paper.recorded import RecordedClock, RecordedSession
from sharpen.paper.simulated import SimulatedBroker
from sharpen.paper.trader import Parts, Trader
from sharpen.registry.files import checked_files
from sharpen.registry.names import find, is_model
from sharpen.store.collection_rows import VersionRow
from sharpen.store.queries import Reader


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model as it was stored.

    Attributes:
        name: What the user called it.
        path: The file.
        digest: SHA-256 that the file must have.
        facts: Settings, symbols and feature names.
    """

    name: str
    path: Path
    digest: str
    facts: Mapping[str, Any]


@contextmanager
def recorded_session(
    folder: Path,
    model: ModelFile,
    panel: Panel,
    settings: AccountSettings,
    say: Callable[[str], None],
) -> Generator[tuple[RecordedSession, Ledger]]:
    """Give a session of recorded bars on a simulated account, and its ledger.

    Args:
        folder: The store's folder.
        model: What to trade by; while positions are held, the one that the account began with stays.
        panel: The bars.
        settings: Of the account.
        say: Is told what people should know.

    Raises:
        Refused: Another trader holds the account, or it is that of a real broker.
        UsageError: The model is damaged, or the account began with something else.
    """
    path, kill_switch, _ = paths_of(folder, settings.account)
    with Ledger(path) as ledger:
        known = ledger.fact("broker_account")
        if known is not None:
            raise Refused(
                f"account {settings.account} is the ledger of {known}, not of the simulated broker: give"
                " another name with --account"
            )
        keep_beginning(ledger, settings.account, settings.beginning)
        if ledger.fact("session") is None:
            ledger.keep_fact("session", _session_name(path.stem, settings.seed))
        broker = SimulatedBroker(
            path.with_suffix(".broker"), settings.cash, settings.frictions, settings.seed
        )
        try:
            clock = RecordedClock(float(ledger.fact("last_time") or 0.0))
            strategy = pinned(path.parent / "models", ledger, model, clock.now, say)
            parts = Parts(
                ledger, broker, strategy, clock, kill_switch, settings.limits, say, lambda _bar, _now: False
            )
            yield RecordedSession(panel, Trader(parts), broker, clock), ledger
        finally:
            broker.close()


def pinned(
    folder: Path, ledger: Ledger, model: ModelFile, now: float, say: Callable[[str], None]
) -> BoostedStrategy:
    """Return the strategy to trade by, and pin it: another one takes over only when nothing is held.

    A copy of each pinned model is kept, so that an alias which has moved on cannot take it away.

    Args:
        folder: Where copies are kept.
        ledger: Of the account.
        model: What was asked for.
        now: Unix seconds.
        say: Is told when the pinned model stays or gives way.
    """
    held = ledger.fact("digest")
    if held is not None and held != model.digest:
        is_flat = not ledger.positions() and not ledger.intents(only_open=True)
        text = f"{held[:8]} -> {model.digest[:8]} ({model.name})"
        if not is_flat:
            kept = _kept(folder, held)
            ledger.note("model waits", f"{text}: the pinned model stays until nothing is held", now)
            say(f"model waits: {text}: the pinned model stays until nothing is held")
            return load_strategy(kept.path, kept.digest, kept.facts)
        keep_switch(ledger, held)
        ledger.note("model switched", text, now)
        say(f"model switched: {text}")
    kept = _keep(folder, model)
    strategy = load_strategy(kept, model.digest, model.facts)
    ledger.keep_fact("model", model.name)
    ledger.keep_fact("digest", model.digest)
    return strategy


def keep_switch(ledger: Ledger, digest: str) -> None:
    """Keep by which model the bars up to now were decided on, for the report."""
    before = [*switches(ledger), (ledger.last_bar() or "", digest)]
    ledger.keep_fact("switches", json.dumps(before))


def switches(ledger: Ledger) -> list[tuple[str, str]]:
    """Return the last bar and the digest of each model that gave way to another, the oldest first."""
    return [(bar, digest) for bar, digest in json.loads(ledger.fact("switches") or "[]")]


def strategy_of(folder: Path, account: str, ledger: Ledger) -> Strategy:
    """Return what an account has decided by: at each bar the model that it had then."""

    def load(digest: str) -> Strategy:
        kept = pinned_model(folder, account, digest)
        return load_strategy(kept.path, kept.digest, kept.facts)

    newest = load(ledger.fact("digest") or "")
    earlier = [(bar, load(digest)) for bar, digest in switches(ledger) if bar]
    return SwitchedStrategy(tuple(earlier), newest) if earlier else newest


def _keep(folder: Path, model: ModelFile) -> Path:
    """Return a copy of a model under its digest, made when it is not there yet."""
    check_digest(model.path, model.digest)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / (model.digest + suffix_of(model.facts))
    if not path.exists():
        (folder / f"{model.digest}.json").write_text(json.dumps(dict(model.facts)), encoding="utf-8")
        draft = folder / f"{model.digest}.draft"
        shutil.copyfile(model.path, draft)
        draft.replace(path)
    return path


def _kept(folder: Path, digest: str) -> ModelFile:
    files = [p for p in folder.glob(f"{digest}*") if p.suffix not in (".json", ".draft")]
    if not files:
        raise UsageError(
            f"the copy of the pinned model {digest[:12]} is gone from {folder}: close the account"
        )
    facts = json.loads((folder / f"{digest}.json").read_text(encoding="utf-8"))
    return ModelFile(digest[:8], files[0], digest, facts)


def pinned_model(folder: Path, account: str, digest: str) -> ModelFile:
    """Return the copy of a model that an account has traded by."""
    return _kept(paths_of(folder, account)[0].parent / "models", digest)


def _session_name(account: str, seed: int) -> str:
    """Return what orders' names begin with: an account that begins anew meets the same chance."""
    return hashlib.sha256(f"{account} {seed}".encode()).hexdigest()[:6]


@dataclass(frozen=True, slots=True)
class RunModel:
    """The model of a sweep's run.

    Attributes:
        file: The model.
        data: The bars that it was trained on, by name.
        trade_from: The first time that no search has seen.
    """

    file: ModelFile
    data: str
    trade_from: str


def model_of(reader: Reader, word: str) -> RunModel:
    """Return the model that a word means: one of the registry, or that of a run.

    Args:
        reader: The store.
        word: A model, such as ``xgb_classifier:candidate``, or a run, such as ``last-best``.

    Raises:
        NotFound: There is no such model or run.
        StoreError: A file of the model is damaged.
        UsageError: The run kept no model, or the version is an artifact that does not decide.
    """
    if not is_model(reader, word):
        try:
            return model_of_run(reader, word)
        except NotFound as problem:
            raise NotFound(f"{problem.message}; 'sharpen models' lists the models") from problem
    row = find(reader, word)
    facts: Mapping[str, Any] | None = row.record.get("decides_by")
    if facts is None or len(row.files) != 1:
        run = row.run_id or "RUN"
        raise UsageError(
            f"{row.name} is what a program logged, and does not say how it decides: trade a model that"
            f" 'sharpen register {run} --as NAME' keeps, which needs a run of 'sharpen run'"
        )
    ((name, path),) = checked_files(reader.home, row).items()
    digest = next(file.digest for file in row.files if file.name == name)
    file = ModelFile(row.name, path, digest, facts)
    return RunModel(file, row.record["data"]["name"] or "stocks", unseen_from(row))


def unseen_from(row: VersionRow) -> str:
    """Return the first time that the search which found a version has not seen; empty where none is known."""
    decides_by: Mapping[str, Any] = row.record.get("decides_by") or {}
    return str(row.record["lockbox"]["first"] or decides_by.get("trained_through", ""))


def model_of_run(reader: Reader, word: str) -> RunModel:
    """Return the model that a run kept.

    Args:
        reader: The store.
        word: A run, such as ``last-best``.

    Raises:
        NotFound: There is no such run.
        UsageError: It kept no model.
    """
    run = reader.run(word)
    models = [a for a in reader.artifacts(run_id=run.id) if a.type == MODEL]
    if len(models) != 1:
        raise UsageError(
            f"run {run.id} kept {len(models)} files of type model, and one is needed: train the winner again"
            " with 'sharpen rerun', or name another run"
        )
    kept = models[0]
    facts = {**kept.metadata}
    trade_from = run.summary.get(LOCKBOX_FIRST) or facts.get("trained_through", "")
    file = ModelFile(f"{run.id} ({kept.name})", kept.path, kept.digest, facts)
    return RunModel(file, str(run.summary.get(NAME, "stocks")), str(trade_from))
