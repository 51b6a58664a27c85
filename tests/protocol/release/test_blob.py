from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol.errors import BlobError
from coffer_protocol.identity import BareKey
from coffer_protocol.release import blob as blobs
from tests.support import identity

WEB, WORKER = identity("web"), identity("worker")


@given(st.binary(max_size=1000))
def test_padding_both_ways(data: bytes) -> None:
    padded = blobs.pad(data)
    assert len(padded) % 256 == 0
    assert 0 < len(padded) - len(data) <= 256
    assert blobs.unpad(padded) == data


@pytest.mark.parametrize("padded", [b"", bytes(256), b"\x80" + bytes(254), b"\x80" + bytes(511), b"a" * 256, b"a" * 255 + b"\x81"])
def test_what_is_not_padded_so_is_refused(padded: bytes) -> None:
    with pytest.raises(ValueError, match="padded"):
        blobs.unpad(padded)


def test_a_blob_opens_for_its_client_alone_and_where_it_belongs_alone() -> None:
    sealed = blobs.seal(WEB.public(), coffer="shop", since=3, shard=b"shard")
    assert blobs.open_blob(WEB, alg=2, coffer="shop", since=3, blob=sealed) == b"shard"
    for client, alg, coffer, since in (
        (WORKER, 2, "shop", 3),
        (WEB, 1, "shop", 3),
        (WEB, 2, "shoq", 3),
        (WEB, 2, "shop", 4),
        (WEB, 3, "shop", 3),
    ):
        with pytest.raises(BlobError, match="coffer-client id"):
            blobs.open_blob(client, alg=alg, coffer=coffer, since=since, blob=sealed)


def test_a_sealed_box_opens_for_its_client_alone() -> None:
    key = BareKey(id=WEB.plain_id())
    assert blobs.alg_of(key) == 1
    sealed = blobs.seal(key, coffer="shop", since=3, shard=b"shard")
    assert blobs.open_blob(WEB, alg=1, coffer="shop", since=3, blob=sealed) == b"shard"
    with pytest.raises(BlobError):
        blobs.open_blob(WORKER, alg=1, coffer="shop", since=3, blob=sealed)


def test_lengths_tell_little() -> None:
    sizes = {len(blobs.seal(WEB.public(), coffer="shop", since=1, shard=bytes(size))) for size in range(200, 255)}
    assert len(sizes) == 1
