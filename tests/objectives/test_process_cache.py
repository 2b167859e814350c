"""What a process of its own computes for another."""

import os
import threading

import pytest

from sharpen.errors import DataError
from sharpen.objectives.process_cache import run_in_fork


def test_both_work_at_the_same_time():
    """Each waits for the other: one after the other, they would never end."""
    here, there = os.pipe()
    back, forth = os.pipe()

    def child():
        os.write(there, b"x")
        return os.read(back, 1) + b"z"

    def meanwhile():
        assert os.read(here, 1) == b"x"
        os.write(forth, b"y")

    assert run_in_fork(child, meanwhile) == b"yz"


def test_threads_stay_behind():
    def child():
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        return threading.active_count()

    before = set(threading.enumerate())
    assert run_in_fork(child) == 2  # the child's own and the one that it begins: no other is forked with it
    assert set(threading.enumerate()) <= before


def test_a_problem_of_either_is_raised_and_no_process_is_left(tmp_path):
    def here(words=None):
        (tmp_path / "pid").write_text(str(os.getpid()))
        if words:
            raise DataError(words)

    def fail():
        raise DataError("no library")

    with pytest.raises(DataError, match="no bars"):
        run_in_fork(lambda: here("no bars"))
    assert_gone(tmp_path)
    with pytest.raises(DataError, match="no library"):
        run_in_fork(here, fail)
    assert_gone(tmp_path)


def assert_gone(folder):
    with pytest.raises(ChildProcessError):
        os.waitpid(int((folder / "pid").read_text()), os.WNOHANG)
