"""``doomed_verb.py HOME``: register, promote and rollback die at each moment of their writing.

Each verb dies in a copy of the store before its first write, in the next copy one moment later, and so on,
until it lives. After each death the copy must be whole: the alias is where it was or should be, as the
log says, and the verb typed again brings it there. How often each died is printed.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine.default import DefaultDialect

from sharpen.cli import main
from sharpen.store.audit import audit_entry, broken_links
from sharpen.store.collection_rows import aliases, audit_rows, versions
from sharpen.store.queries import Reader

# what is typed, and before and after it: versions, where the alias points, the log's last word
VERBS = [
    ("register last-2 --as xgb", (1, 0, "promoted"), (2, 0, "registered")),
    ("promote xgb:v1 candidate", (2, 0, "registered"), (2, 1, "promoted")),
    ("rollback xgb candidate --reason worse", (2, 1, "promoted"), (2, 0, "rolled back")),
]


def die_at(n):
    """Die of SIGKILL at the n-th moment: before a write, before its transaction ends, or right after that."""
    left = [n]
    commit = DefaultDialect.do_commit

    def count(_connection=None, _cursor=None, statement="INSERT", *_):
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def counted_commit(dialect, connection):
        is_writing = connection.in_transaction
        if is_writing:
            count()
        commit(dialect, connection)
        if is_writing:
            count()

    DefaultDialect.do_commit = counted_commit
    sa.event.listen(sa.Engine, "before_cursor_execute", count)


def in_a_child(work):
    """Return how a child ended that did the work: its exit code, or minus its signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def call(home, words):
    return CliRunner().invoke(main, ["--home", str(home), *words]).exit_code


def check(home, allowed):
    reader = Reader(home)
    entries = [audit_entry(row) for row in audit_rows(reader, "xgb")]
    pointed = [row.version for row in aliases(reader, "xgb") if row.alias == "candidate"]
    found = len(versions(reader, "xgb")), (pointed[0] if pointed else None), entries[-1].action
    assert not broken_links(audit_rows(reader)), "the log is torn"
    assert found in allowed, found
    registered = [entry.details["version"] for entry in entries if entry.action == "registered"]
    assert registered == list(range(found[0])), "a version without its entry, or an entry without its version"
    return 0


def kill_at_each_moment(home, words, before, after):
    """Return how often the verb died before one lived."""
    for n_deaths in range(1000):
        copy = home.with_name(f"{words[0]}-{n_deaths}")
        shutil.copytree(home, copy)

        def doomed(copy=copy, at=1 + n_deaths):
            die_at(at)
            return call(copy, words)

        def again(copy=copy):
            check(copy, (before, after))
            code = call(copy, words)
            assert code == 0 or words[0] == "rollback", code  # it has just gone back: it must not go further
            return check(copy, (after,))

        ended = in_a_child(doomed)
        assert in_a_child(again) == 0, f"{words} {n_deaths}"
        shutil.rmtree(copy)
        if ended != -signal.SIGKILL:
            assert ended == 0
            return n_deaths
    raise AssertionError


def run(home):
    """Let each verb die, and then do it: the next one goes on from there. All imports come first."""
    warm = home.with_name("warm")
    shutil.copytree(home, warm)
    for typed, *_ in VERBS:
        assert call(warm, typed.split()) == 0
    for typed, before, after in VERBS:
        print(typed.split()[0], kill_at_each_moment(home, typed.split(), before, after), flush=True)
        assert call(home, typed.split()) == 0


if __name__ == "__main__":
    run(Path(sys.argv[1]))
