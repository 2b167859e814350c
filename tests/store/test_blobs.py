"""Files by the hash of their content: whatever was changed on the disk is found out when it is read."""

import hashlib
import os

import pytest

from sharpen.errors import StoreError, UsageError
from sharpen.store.blobs import LocalBlobs, blob_path, open_blobs


@pytest.fixture
def kept(tmp_path):
    """Give the blobs of a store, and the digest of the one in it."""
    source = tmp_path / "returns.parquet"
    source.write_bytes(b"ret 0.01" * 1000)
    blobs = LocalBlobs(tmp_path / "store")
    digest, n_bytes = blobs.put(source)
    assert (digest, n_bytes) == (hashlib.sha256(source.read_bytes()).hexdigest(), 8000)
    return blobs, digest


def test_what_was_kept_comes_back(kept):
    blobs, digest = kept
    assert blobs.fetch(digest).read_bytes() == b"ret 0.01" * 1000
    assert open_blobs(f"unix:{blobs.home}") == blobs


def change(path):
    path.write_bytes(b"ret 0.02" + path.read_bytes()[8:])  # as long as before


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def make_folder(path):
    path.unlink()
    path.mkdir()


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def make_device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def make_loop(path):
    path.unlink()
    path.symlink_to(path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (change, "its content is not what was kept"),
        (cut, "its content is not what was kept"),
        (os.unlink, "it is missing"),
        (make_folder, "cannot be read"),
        (make_pipe, "no regular file"),
        (make_device, "no regular file"),
        (make_loop, "cannot be read"),
    ],
)
def test_a_damaged_blob_is_a_sentence_at_once(kept, damage, words):
    blobs, digest = kept
    damage(blob_path(blobs.home, digest))
    with pytest.raises(StoreError, match=words) as problem:
        blobs.fetch(digest)
    assert problem.value.message.startswith(f"blob {digest[:12]} is damaged: ")
    assert "bring it back from a copy of the store" in problem.value.message


@pytest.mark.parametrize("digest", ["", "../../../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_what_is_no_digest_names_no_file(kept, digest):
    with pytest.raises(StoreError, match="no digest of a blob"):
        kept[0].fetch(digest)


@pytest.mark.parametrize("address", ["", "/data/store", "ftp:x"])
def test_what_is_no_address_has_no_blobs(address):
    with pytest.raises(UsageError, match="no address of a store"):
        open_blobs(address)
