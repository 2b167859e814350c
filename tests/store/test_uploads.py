"""Uploads under way, when the store is cleared or copied."""

import os
import subprocess
from pathlib import Path

import pytest

from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.store.backup import back_up
from sharpen.store.blobs import blob_path, checked_path, put_file
from sharpen.store.references import remove, unreferenced
from sharpen.store.uploads import (
    FOLDER,
    announced,
    announcement,
    expect,
    forget,
    known,
    new_name,
    read_note,
    remember,
    write_note,
)

WEEK_S = 7 * 86_400.0
MD5S = ("a" * 32, "b" * 32)


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "store"
    with connect(home) as client:
        client.call("ping")
        yield home


def put(home, text, md5=None):
    source = home / "source"
    source.write_text(text)
    digest, n_bytes = put_file(home, source)
    if md5:
        remember(home, md5, digest, n_bytes)
    source.unlink()
    return digest, n_bytes


def announce(home):
    """Announce a version of two files, of which one has been put, and its manifest."""
    name = new_name()
    write_note(announcement(home, name), {"given": {}, "collection": "p/c"})
    expect(home, name, MD5S)
    digest, n_bytes = put(home, "manifest")
    write_note(
        announcement(home, name), {"collection": "p/c", "manifest": {"digest": digest, "n_bytes": n_bytes}}
    )
    return name, digest, put(home, "weights", MD5S[0])[0]


def test_what_was_sent_for_an_artifact_that_is_not_complete_is_not_cleared_away(home):
    lost, _ = put(home, "nobody's")
    name, *sent = announce(home)
    now = announcement(home, name).stat().st_mtime + 60.0
    assert announced(home).digests == set(sent)
    found = unreferenced(home, now, older_than_s=0.0)
    assert [one.path for one in found] == [blob_path(home, lost)]
    # as it was seen before the announcement: what is put aside is brought back
    every = unreferenced(home, now + WEEK_S, older_than_s=0.0)
    assert {one.path for one in every} == {blob_path(home, digest) for digest in (lost, *sent)}
    assert remove(home, every) == (1, len("nobody's"))
    assert all(checked_path(home, digest) for digest in sent)
    assert known(home, MD5S[0])
    assert known(home, MD5S[1]) is None


def test_what_was_sent_and_never_completed_goes_after_a_week(home):
    name, *sent = announce(home)
    now = announcement(home, name).stat().st_mtime + WEEK_S + 60.0
    assert forget(home, now - WEEK_S) == 0
    found = unreferenced(home, now)
    assert forget(home, now) == 2
    assert remove(home, found)[0] == 2
    assert not any(blob_path(home, digest).exists() for digest in sent)
    assert forget(home, now) == 1  # the MD5 of a blob that is gone
    assert [path for path in (home / FOLDER).rglob("*") if path.is_file()] == []


def test_a_list_that_still_grows_keeps_what_was_announced_long_ago(home):
    name, *sent = announce(home)
    os.utime(announcement(home, name), (0, 0))
    assert announced(home, announcement(home, name).with_suffix(".files").stat().st_mtime + 1.0).digests == {
        *sent
    }


def test_a_copy_holds_what_an_upload_needs_to_go_on(home, tmp_path):
    name, *sent = announce(home)
    back_up(home, tmp_path / "copy.tar")
    copy = tmp_path / "copy"
    copy.mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "copy.tar", "-C", copy], check=True)
    assert read_note(announcement(copy, name)) == read_note(announcement(home, name))
    assert announced(copy) == announced(home)
    assert all(checked_path(copy, digest) for digest in sent)
    assert known(copy, MD5S[0])


@pytest.mark.parametrize("name", ["", "../keys", "pending-" + "g" * 32, "pending-" + "a" * 31])
def test_a_name_that_none_has_becomes_no_path(name):
    with pytest.raises(UsageError, match="no such artifact"):
        announcement(Path("/none"), name)
