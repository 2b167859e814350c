"""A checkpoint that a newer one has replaced goes at once, whoever dies meanwhile; what is named stays."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.coordinator.harness import CoordinatorHarness

from sharpen.errors import NotFound
from sharpen.store.backup import back_up
from sharpen.store.blobs import blob_path, put_file
from sharpen.store.queries import Reader
from sharpen.store.replaced_checkpoints import are_noted, keeping_replaced, note, remove_replaced

RESUMING = """
program: train.py
method: random
resume: true
metric: {name: val/sharpe, goal: maximize}
parameters: {x: {min: 0.0, max: 1.0}}
"""


@pytest.fixture
def harness(tmp_path):
    found = CoordinatorHarness(tmp_path / "home")
    yield found
    found.close()


def save(harness, held, content, name="checkpoint"):
    """Keep a file with a run as a program does, and return its digest."""
    source = harness.home.parent / "file"
    source.write_text(content)
    digest, n_bytes = put_file(harness.home, source)
    about = {"type": name, "digest": digest, "n_bytes": n_bytes, "metadata": {}}
    harness.ask("artifact", **held, name=name, **about)
    return digest


def in_two_minutes():
    return time.time() + 120.0


def left(home, *digests):
    return [blob_path(home, digest).exists() for digest in digests]


def test_only_the_newest_checkpoint_of_a_run_is_left(harness):
    held = harness.held(harness.create(RESUMING))
    digests = [save(harness, held, f"after {n} steps") for n in range(4)]
    assert left(harness.home, *digests) == [True] * 4
    reader = Reader(harness.home)
    assert remove_replaced(reader) == 0  # another run may be about to name a file that was put this minute
    assert remove_replaced(reader, in_two_minutes()) == 3
    assert left(harness.home, *digests) == [False, False, False, True]
    assert not are_noted(harness.home)


def test_what_something_else_names_stays(harness):
    sweep = harness.create(RESUMING)
    first, second = harness.held(sweep, "k1"), harness.held(sweep, "k2", "b")
    shared = save(harness, first, "weights that two runs have")
    save(harness, second, "weights that two runs have")
    kept = save(harness, first, "a model that is a checkpoint, too")
    save(harness, first, "a model that is a checkpoint, too", name="model")
    save(harness, first, "the newest")
    assert remove_replaced(Reader(harness.home), in_two_minutes()) == 0
    assert left(harness.home, shared, kept) == [True, True]


def test_what_a_run_goes_on_from_stays_while_it_is_at_work(harness):
    sweep = harness.create(RESUMING)
    old = save(harness, harness.held(sweep), "before the crash")
    harness.clock.now += 1e4
    harness.coordinator.tick()  # the agent was silent for too long
    again = harness.lease(sweep, "k2", "b")["run"]
    assert again["checkpoint"]["digest"] == old
    save(harness, {"run_id": again["run_id"], "token": again["token"]}, "after it")
    assert remove_replaced(Reader(harness.home), in_two_minutes()) == 0
    assert left(harness.home, old) == [True]


def test_the_same_checkpoint_once_more_replaces_nothing(harness):
    held = harness.held(harness.create(RESUMING))
    (digest,) = {save(harness, held, "nothing has changed") for _ in range(2)}
    assert remove_replaced(Reader(harness.home), in_two_minutes()) == 0
    assert left(harness.home, digest) == [True]


def test_a_file_that_was_put_once_more_lately_stays(harness):
    held = harness.held(harness.create(RESUMING))
    old = save(harness, held, "old")
    save(harness, held, "new")
    now = in_two_minutes()
    os.utime(blob_path(harness.home, old), (now - 5, now - 5))  # whoever put it is about to name it
    assert remove_replaced(Reader(harness.home), now) == 0
    assert left(harness.home, old) == [True]
    assert are_noted(harness.home)
    assert remove_replaced(Reader(harness.home), now + 60) == 1


def test_nothing_goes_while_the_store_is_copied(harness, tmp_path):
    held = harness.held(harness.create(RESUMING))
    old = save(harness, held, "old")
    save(harness, held, "new")
    with keeping_replaced(harness.home):
        assert remove_replaced(Reader(harness.home), in_two_minutes()) == 0
        assert left(harness.home, old) == [True]
    assert not back_up(harness.home, tmp_path / "copy.tar").damaged
    assert remove_replaced(Reader(harness.home), in_two_minutes()) == 1


# A coordinator that replaces a checkpoint and is killed: before or after that is on the disk, or when the old
# one lies aside.
DYING = """
import os, signal, sys, time
from pathlib import Path
from sharpen.store import replaced_checkpoints
from sharpen.store.queries import Reader
from tests.coordinator.harness import CoordinatorHarness
from sharpen.store.blobs import put_file

home, when, text = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def save(content):
    (home.parent / "file").write_text(content)
    digest, n_bytes = put_file(home, home.parent / "file")
    about = {"type": "checkpoint", "digest": digest, "n_bytes": n_bytes, "metadata": {}}
    harness.ask("artifact", **held, name="checkpoint", **about)

die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
harness = CoordinatorHarness(home)
held = harness.held(harness.create(text))
save("old")
if when == "before":
    harness.coordinator._session.advance = die
save("new")
if when == "aside":
    answers = iter([lambda: set(), die])  # what is named is asked before the move and after it
    replaced_checkpoints._named = lambda reader, digests: next(answers)()
    replaced_checkpoints.remove_replaced(Reader(home), time.time() + 120)
die()
"""


@pytest.mark.parametrize(("killed", "old_stays"), [("before", True), ("after", False), ("aside", False)])
def test_a_kill_between_the_two_steps_loses_nothing_and_leaves_nothing(tmp_path, killed, old_stays):
    home = tmp_path / "home"
    died = subprocess.run([sys.executable, "-c", DYING, home, killed, RESUMING], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    old, new = (hashlib.sha256(text.encode()).hexdigest() for text in ("old", "new"))
    again = CoordinatorHarness(home)
    again.close()
    assert remove_replaced(Reader(home), in_two_minutes()) == (0 if old_stays else 1)
    assert left(home, old, new) == [old_stays, True]
    assert not are_noted(home)


def test_a_note_of_a_file_that_is_gone_is_dropped(harness):
    note(harness.home, "0" * 64)
    remove_replaced(Reader(harness.home), in_two_minutes())
    assert not are_noted(harness.home)


def test_a_folder_without_a_store_has_nothing_to_remove(tmp_path):
    assert not are_noted(tmp_path)
    with pytest.raises(NotFound):
        Reader(tmp_path)
