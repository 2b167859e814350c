"""Copies of files that are in a bucket or at a server, and how many of them a folder keeps."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from s3_service import S3Service
from sharpen.errors import StoreError, UsageError
from sharpen.store import cache_limit
from sharpen.store.backends import use_bucket
from sharpen.store.blobs import blob_path, checked_path, put_file

NOW = 1_000_000.0
MB = 1_000_000
Keep = Callable[[int, float], str]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Give what puts a copy of a megabyte there, wanted so many hours ago; it returns the digest."""

    def put(n: int, hours_ago: float) -> str:
        text = bytes([n]) * MB
        path = blob_path(tmp_path, digest := hashlib.sha256(text).hexdigest())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        os.utime(path, (NOW - 3600 * hours_ago,) * 2)
        return digest

    return put


def left(home: Path) -> set[str]:
    return {path.parent.name + path.name for path in (home / "blobs").glob("??/*")}


def test_what_was_wanted_longest_ago_goes_first_until_there_is_room(
    tmp_path: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache_limit.VARIABLE, "0.0035")
    by_age = {hours: keep(hours, hours) for hours in (9, 3, 7, 5, 2)}
    cache_limit.bound(tmp_path / "blobs", lambda _: True, NOW)
    assert left(tmp_path) == {by_age[hours] for hours in (2, 3, 5)}


def test_a_file_that_is_nowhere_else_stays(
    tmp_path: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache_limit.VARIABLE, "0")
    alone, sent = keep(9, 9), keep(3, 3)
    cache_limit.bound(tmp_path / "blobs", lambda digest: digest == sent, NOW)
    assert left(tmp_path) == {alone}


def test_a_copy_of_the_last_hour_may_be_in_use(
    tmp_path: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache_limit.VARIABLE, "0")
    used, _ = keep(1, 0.5), keep(2, 1.5)
    cache_limit.bound(tmp_path / "blobs", lambda _: True, NOW)
    assert left(tmp_path) == {used}


def test_a_folder_is_looked_through_once_a_minute(
    tmp_path: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache_limit.VARIABLE, "0")
    (tmp_path / "blobs").mkdir()
    cache_limit.bound(tmp_path / "blobs", lambda _: True, NOW)
    old = keep(9, 9)
    cache_limit.bound(tmp_path / "blobs", lambda _: True, NOW + 1)
    assert left(tmp_path) == {old}
    cache_limit.bound(tmp_path / "blobs", lambda _: True, NOW + cache_limit.PAUSE_S)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("size", ["much", "-1", "nan", "inf"])
def test_what_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv(cache_limit.VARIABLE, size)
    with pytest.raises(UsageError, match=f"{cache_limit.VARIABLE}={size}: give a number of gigabytes"):
        cache_limit.most_bytes()


def test_a_copy_of_the_bucket_goes_and_is_fetched_again(
    tmp_path: Path, s3: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, source = tmp_path / "one", tmp_path / "model.bin"
    use_bucket(home, s3.new_bucket())
    monkeypatch.setenv(cache_limit.VARIABLE, "0")
    digests: list[str] = []
    for text in (b"first", b"second"):
        source.write_bytes(text)
        digests.append(put_file(home, source)[0])
        os.utime(blob_path(home, digests[-1]), (NOW, NOW))
        (home / "blobs" / cache_limit.STAMP).unlink()
    alone = blob_path(home, hashlib.sha256(b"alone").hexdigest())  # as of a process that knew of no bucket
    alone.parent.mkdir(exist_ok=True)
    alone.write_bytes(b"alone")
    os.utime(alone, (NOW, NOW))
    source.write_bytes(b"third")
    newest, _ = put_file(home, source)
    assert left(home) == {newest, alone.parent.name + alone.name}
    assert checked_path(home, digests[0]).read_bytes() == b"first"
    with pytest.raises(StoreError, match="missing"):
        checked_path(home, "0" * 64)
