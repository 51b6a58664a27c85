"""An upload in progress."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from coffer_protocol.message import Drop, Put, Reuse
from coffer_server.errors import StoreError, TooLargeError
from coffer_server.store.base import Change
from coffer_server.upload import BLOB_BYTES, FLUSH_BYTES, Upload, check_room

CHANGES: list[Change] = [
    Put(id=b"\x09" * 32, mark=bytes(16), note=b"note", alg=2, blob=bytes(70_000)),
    Drop(id=b"\1" * 32),
    Reuse(id=b"\2" * 32, mark=bytes(16), alg=1, since=3, sha256=bytes(32)),
]


def test_what_was_added_comes_back_in_order(tmp_path: Path) -> None:
    with Upload(tmp_path, max_bytes=1 << 20, max_shards=10) as upload:
        for change in CHANGES:
            upload.add(change)
            upload.flush()
        assert list(upload.changes()) == CHANGES
        assert upload.counts == {Put: 1, Drop: 1, Reuse: 1}


def test_an_upload_of_nothing(tmp_path: Path) -> None:
    with Upload(tmp_path, max_bytes=1, max_shards=1) as upload:
        assert list(upload.changes()) == []


def test_the_file_has_no_name(tmp_path: Path) -> None:
    with Upload(tmp_path, max_bytes=1 << 30, max_shards=10) as upload:
        upload.add(CHANGES[0])
        upload.flush()
        assert list(tmp_path.iterdir()) == []


def test_it_asks_to_be_flushed(tmp_path: Path) -> None:
    with Upload(tmp_path, max_bytes=1 << 30, max_shards=10) as upload:
        upload.add(Put(id=b"\x09" * 32, mark=bytes(16), note=b"", alg=2, blob=bytes(FLUSH_BYTES // 2)))
        asked = [upload.wants_flush]
        upload.add(Put(id=b"\x09" * 32, mark=bytes(16), note=b"", alg=2, blob=bytes(FLUSH_BYTES // 2)))
        asked.append(upload.wants_flush)
        upload.flush()
        asked.append(upload.wants_flush)
        assert asked == [False, True, False]


def test_limits(tmp_path: Path) -> None:
    with Upload(tmp_path, max_bytes=1000, max_shards=2) as upload:
        upload.add(Drop(id=b"\x09" * 32))
        upload.add(Drop(id=b"\x09" * 32))
        with pytest.raises(TooLargeError, match="over 2 clients"):
            upload.add(Drop(id=b"\x09" * 32))
    with Upload(tmp_path, max_bytes=100, max_shards=5) as upload:
        upload.add(Drop(id=b"\x09" * 32))
        upload.add(Drop(id=b"\x09" * 32))
        with pytest.raises(TooLargeError, match="over 100 bytes"):
            upload.add(Drop(id=b"\x09" * 32))
    with Upload(tmp_path, max_bytes=1 << 30, max_shards=5) as upload:
        upload.add(Put(id=b"\x09" * 32, mark=bytes(16), note=b"", alg=2, blob=bytes(BLOB_BYTES)))
        with pytest.raises(TooLargeError, match="a shard is over"):
            upload.add(Put(id=b"\x09" * 32, mark=bytes(16), note=b"", alg=2, blob=bytes(BLOB_BYTES + 1)))


def test_room_for_what_an_upload_writes_first(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    check_room(tmp_path)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FLUSH_BYTES, hard))
        check_room(tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FLUSH_BYTES - 1, hard))
        with pytest.raises(StoreError, match=r"cannot keep .*: File too large"):
            check_room(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(StoreError, match=r"cannot keep .*: No such file"):
        check_room(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
