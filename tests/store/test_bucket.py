"""Files of a store in a bucket: of moto's server, which is S3 in small."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pyarrow import fs

from postgres_server import PostgresServer
from proxy import Proxy
from s3_guard import Guard
from s3_service import S3Service
from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.errors import StoreError, Unreachable, UsageError
from sharpen.store import bucket
from sharpen.store.backends import use_bucket, use_database
from sharpen.store.backup import back_up
from sharpen.store.blobs import LocalBlobs, blob_path, checked_path, put_file
from sharpen.store.postgres import PostgresStore, open_reader
from sharpen.store.replaced_checkpoints import YOUNG_S, note, remove_replaced
from sharpen.store.sqlite import open_store

SWEEP = "program: t.py\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0.0, max: 1.0}}\n"


@pytest.fixture
def url(s3: S3Service) -> str:
    return s3.new_bucket()


def home_at(folder: Path, url: str) -> Path:
    use_bucket(folder, url)
    return folder


def file_of(folder: Path, content: bytes) -> Path:
    path = folder / "model.bin"
    path.write_bytes(content)
    return path


def room(url: str) -> bucket.OpenBucket:
    return bucket._open_bucket(url, os.getpid())


def content(url: str, digest: str) -> bytes:
    found = room(url)
    with found.system.open_input_stream(found.path(digest)) as stream:
        return stream.read()


def write(url: str, digest: str, text: bytes) -> None:
    found = room(url)
    with found.system.open_output_stream(found.path(digest)) as stream:
        stream.write(text)


def is_there(url: str, digest: str) -> bool:
    found = room(url)
    return found.system.get_file_info(found.path(digest)).is_file


@pytest.mark.parametrize("n_bytes", [0, 1, 12 * bucket.CHUNK_BYTES + 7])
def test_what_one_folder_keeps_another_fetches(tmp_path: Path, url: str, n_bytes: int) -> None:
    text = os.urandom(n_bytes)
    digest, size = LocalBlobs(home_at(tmp_path / "one", url)).put(file_of(tmp_path, text))
    assert (digest, size) == (hashlib.sha256(text).hexdigest(), n_bytes)
    found = LocalBlobs(home_at(tmp_path / "two", url)).fetch(digest)
    assert found == blob_path(tmp_path / "two", digest)
    assert found.read_bytes() == text
    assert not list((tmp_path / "two" / "blobs").glob(".incoming-*"))


def test_a_copy_that_is_damaged_here_is_fetched_again(tmp_path: Path, url: str) -> None:
    home = home_at(tmp_path / "one", url)
    digest, _ = put_file(home, file_of(tmp_path, b"weights"))
    blob_path(home, digest).write_bytes(b"weighty")
    assert checked_path(home, digest).read_bytes() == b"weights"


def test_what_is_damaged_in_the_bucket_is_refused_and_not_kept(tmp_path: Path, url: str) -> None:
    digest, _ = put_file(home_at(tmp_path / "one", url), file_of(tmp_path, b"weights"))
    write(url, digest, b"weighty")
    two = home_at(tmp_path / "two", url)
    with pytest.raises(StoreError, match="is damaged: its content is not what was kept"):
        checked_path(two, digest)
    assert not blob_path(two, digest).exists()
    put_file(two, file_of(tmp_path, b"weights"))  # whoever keeps it once more mends it
    assert content(url, digest) == b"weights"


def test_what_the_bucket_has_not_is_said_to_be_missing(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError, match="is damaged: it is missing"):
        checked_path(home_at(tmp_path, url), "0" * 64)


def test_files_that_are_there_already_go_to_the_bucket(tmp_path: Path, url: str) -> None:
    home = tmp_path / "one"
    digest, _ = put_file(home, file_of(tmp_path, b"older"))
    home_at(home, url)
    assert content(url, digest) == b"older"


@pytest.fixture
def line(s3: S3Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    found = Proxy(s3.port)
    service = {"endpoint_override": f"127.0.0.1:{found.port}", "scheme": "http", "region": "us-east-1"}
    once = fs.AwsStandardS3RetryStrategy(max_attempts=1)  # the tests need no patience but ours
    system = fs.S3FileSystem(retry_strategy=once, **service)
    monkeypatch.setattr(
        bucket, "_open_bucket", lambda url, _pid: bucket.OpenBucket(system, url[5:].partition("?")[0])
    )
    monkeypatch.setattr(bucket, "PATIENCE_S", 0.2)
    yield found
    found.close()


def test_nothing_is_kept_while_the_service_is_away(tmp_path: Path, s3: S3Service, line: Proxy) -> None:
    home = home_at(tmp_path / "one", s3.new_bucket(line.port))
    line.cut()
    source = file_of(tmp_path, b"weights")
    with pytest.raises(Unreachable, match=r"^s3://.* does not take or give files just now: .*NETWORK_CONN"):
        put_file(home, source)
    assert not list((home / "blobs").glob("??/*"))
    assert not list((home / "blobs").glob(".incoming-*"))


def test_it_goes_on_when_the_service_is_back(
    tmp_path: Path, s3: S3Service, line: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = s3.new_bucket(line.port)
    home = home_at(tmp_path / "one", url)
    line.cut()
    monkeypatch.setattr(bucket, "PATIENCE_S", 60.0)
    monkeypatch.setattr(bucket.time, "sleep", lambda _: line.mend())
    digest, _ = put_file(home, file_of(tmp_path, b"weights"))
    assert content(url, digest) == b"weights"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("s3://key:secret@desk/files", "would read the key in this address: set AWS_ACCESS_KEY_ID"),
        ("gs://desk/files", "files are kept at s3://BUCKET/FOLDER"),
        ("s3:///files", "files are kept at s3://BUCKET/FOLDER"),
        ("s3://desk/files?endpont=x", "Unexpected query parameter in S3 URI: 'endpont'"),
        ("s3://[desk/files", "Invalid IPv6 URL"),
    ],
)
def test_what_is_no_bucket_is_refused(tmp_path: Path, given: str, words: str) -> None:
    with pytest.raises(UsageError) as problem:
        use_bucket(tmp_path, given)
    assert words in problem.value.message
    assert "secret" not in problem.value.message
    assert bucket.bucket_of(tmp_path) is None


def test_a_bucket_that_is_not_there_is_refused(tmp_path: Path, s3: S3Service) -> None:
    with pytest.raises(StoreError, match="NO_SUCH_BUCKET"):
        use_bucket(tmp_path, s3.address("nowhere"))
    assert bucket.bucket_of(tmp_path) is None


@pytest.fixture
def guard(s3: S3Service) -> Iterator[Guard]:
    found = Guard(s3.port)
    yield found
    found.close()


def test_a_key_that_only_reads_is_told_which_right_it_lacks(
    tmp_path: Path, s3: S3Service, guard: Guard
) -> None:
    url = s3.new_bucket(guard.port)
    home = home_at(tmp_path / "owner", url)
    digest, _ = put_file(home, file_of(tmp_path, b"weights"))
    guard.forbidden = {"PUT", "POST"}
    with pytest.raises(StoreError) as refused:
        put_file(home, file_of(tmp_path, b"more"))
    sentence = "lets this key write no files: give it the right s3:PutObject, or use another key"
    assert refused.value.message == f"{url} {sentence}"
    with pytest.raises(StoreError, match=sentence):
        use_bucket(tmp_path / "new", url)
    assert bucket.bucket_of(tmp_path / "new") is None
    bucket.link_bucket(tmp_path / "reader", url)
    assert checked_path(tmp_path / "reader", digest).read_bytes() == b"weights"
    bucket.link_bucket(tmp_path / "blind", url)
    guard.forbidden = {"GET", "HEAD"}
    with pytest.raises(StoreError, match="no files: give it the right s3:GetObject, or use another key"):
        checked_path(tmp_path / "blind", digest)


def test_a_folder_has_one_bucket(tmp_path: Path, s3: S3Service, url: str) -> None:
    home = home_at(tmp_path, url)
    use_bucket(home, url)
    with pytest.raises(UsageError, match=f"the files of {home} are in s3://"):
        use_bucket(home, s3.new_bucket())


def test_a_forked_program_keeps_files(tmp_path: Path, url: str) -> None:
    home = home_at(tmp_path / "one", url)
    source = file_of(tmp_path, b"weights")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            put_file(home, source)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert content(url, hashlib.sha256(b"weights").hexdigest()) == b"weights"


def test_a_replaced_checkpoint_leaves_the_bucket_unless_it_is_young(tmp_path: Path, url: str) -> None:
    home = home_at(tmp_path / "one", url)
    store = open_store(home)
    digest, _ = put_file(home, file_of(tmp_path, b"weights"))
    now = blob_path(home, digest).stat().st_mtime
    for ages_s, remains in ((YOUNG_S / 2, True), (2 * YOUNG_S, False)):
        note(home, digest)
        remove_replaced(store.reader(), now + ages_s)
        assert is_there(url, digest) is remains
    store.close()


@pytest.mark.postgres
def test_every_folder_of_a_database_has_the_same_bucket(
    tmp_path: Path, s3: S3Service, url: str, postgres: PostgresServer
) -> None:
    database = postgres.new_database()
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    use_database(one, database)
    PostgresStore(home_at(one, url)).close()
    use_database(two, database)
    PostgresStore(two).close()  # one that writes
    use_database(three, database)
    open_reader(three).dispose()  # one that reads
    assert bucket.bucket_of(two) == bucket.bucket_of(three) == url
    use_database(tmp_path / "four", database)
    home_at(tmp_path / "four", s3.new_bucket())
    with pytest.raises(UsageError, match=r"the files of this store are in s3://.*: remove .*/four/bucket"):
        PostgresStore(tmp_path / "four")


@pytest.mark.postgres
def test_a_store_with_its_files_in_a_bucket_goes_to_a_folder_and_back(
    tmp_path: Path, s3: S3Service, url: str, postgres: PostgresServer
) -> None:
    """A database knows its bucket: whoever copies it from another machine needs no folder of it."""
    one, two, three = (postgres.new_database() for _ in range(3))
    home, folder, another = (tmp_path / name for name in ("home", "folder", "another"))
    use_database(home, one)
    model, config = stored_run(home_at(home, url), tmp_path)
    back = copied("--home", tmp_path / "nowhere", "store", "copy", one, folder)
    assert (back["n_files"], back["damaged"]) == (2, [])
    assert blob_path(folder, model).read_bytes() == b"weights"
    assert bucket.bucket_of(folder) is None
    assert not (tmp_path / "nowhere").exists()
    assert all(path.stat().st_mode & 0o77 == 0 for path in [folder, *folder.rglob("*")])

    beside = s3.new_bucket()
    there = copied("store", "copy", folder, two, "--blobs", beside)
    assert (there["n_files"], there["digest"]) == (2, back["digest"])
    assert content(beside, config) == content(url, config)
    stays = copied("--home", tmp_path / "nowhere", "store", "copy", two, three)
    assert (stays["n_files"], stays["digest"]) == (2, back["digest"])
    use_database(another, three)
    open_reader(another).dispose()
    assert checked_path(another, model).read_bytes() == b"weights"
    assert bucket.bucket_of(another) == beside

    copied("store", "copy", folder, postgres.new_database(), "--switch", "--blobs", s3.new_bucket())
    (folder / "blobs" / model[:2] / model[2:]).unlink()
    assert checked_path(folder, model).read_bytes() == b"weights"


def test_a_backup_has_every_file_of_the_bucket(tmp_path: Path, url: str) -> None:
    home = home_at(tmp_path / "home", url)
    stored_run(home, tmp_path)
    shutil.rmtree(home / "blobs")  # only copies
    found = back_up(home, tmp_path / "all.tar")
    assert (found.n_blobs, found.damaged) == (2, ())


@pytest.mark.postgres
def test_a_folder_that_was_to_have_a_bucket_has_none_when_the_copy_fails(
    tmp_path: Path, url: str, postgres: PostgresServer
) -> None:
    home = tmp_path / "home"
    stored_run(home, tmp_path)
    full = postgres.new_database()
    copied("store", "copy", home, full)
    done = ask("store", "copy", home, full, "--files", tmp_path / "files", "--blobs", url)
    assert (done.exit_code, "is not empty" in done.stderr) == (2, True)
    assert bucket.bucket_of(tmp_path / "files") is None
    other = ask("--home", home, "store", "copy", full, tmp_path / "copy")
    assert (other.exit_code, "has the files of another store" in other.stderr) == (2, True), other.output


def stored_run(home: Path, tmp_path: Path) -> tuple[str, str]:
    """Keep a model with a run, and what it was made of as its checkpoint; return their digests."""
    with connect(home) as client:
        place = {"source": "s.yaml", "workdir": "/"}
        sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=place)["sweep_id"]
        client.call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
        run = client.call("lease", sweep_id=sweep_id, agent_id="a", key="1")["run"]
        lease = {"run_id": run["run_id"], "token": run["token"]}
        client.call("report", **lease, rows=[[1, {"loss": 0.5}]])
        config, _ = put_file(home, file_of(tmp_path, b"layers"))
        model, n_bytes = put_file(home, file_of(tmp_path, b"weights"))
        kept = {"name": "model", "type": "model", "digest": model, "n_bytes": n_bytes}
        client.call("artifact", **lease, **kept, metadata={"made of": config})
        client.call("exit", **lease, exit_code=0, last_words="")
    return model, config


def ask(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def copied(*words: object) -> dict[str, Any]:
    done = ask(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_doctor_says_where_the_files_are(tmp_path: Path, url: str) -> None:
    store = open_store(tmp_path)
    store.close()

    def look() -> Any:
        return CliRunner().invoke(main, ["--home", str(tmp_path), "doctor"])

    home_at(tmp_path, url)
    assert "the bucket answers in" in look().stdout
    (tmp_path / bucket.LINK).write_text(url.replace("s3://b", "s3://c"))
    done = look()
    assert done.exit_code == 1
    assert "the bucket, or its folder, is gone" in " ".join(done.stdout.split())
