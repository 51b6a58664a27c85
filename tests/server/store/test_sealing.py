"""Sealing at rest, and root keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from coffer_protocol.crypto import primitives
from coffer_protocol.message import Put
from coffer_server.errors import SealError
from coffer_server.store import sealing
from coffer_server.store.open import open_sqlite
from coffer_server.store.sealing import Keyring, SealedColumn
from coffer_server.store.sql.schema import SEALED

from ..publishing import AT_REST_KEY, ISSUED, Author, identity

KEYRING = Keyring({1: bytes(32), 3: b"\1" * 32})
PLACE = SealedColumn("table.column").of("coffer", bytes(32), 7)


def test_a_value_opens_at_its_place_alone() -> None:
    sealed = KEYRING.seal(PLACE, b"value")
    assert KEYRING.open(PLACE, sealed) == b"value"
    assert len(sealed) == len(b"value") + sealing.OVERHEAD_BYTES
    elsewhere = [
        SealedColumn("table.other").of("coffer", bytes(32), 7),
        SealedColumn("table.column").of("coffer", bytes(32), 8),
        SealedColumn("table.column").of("coffe", bytes(32), 7),
    ]
    for place in elsewhere:
        with pytest.raises(SealError, match="moved"):
            KEYRING.open(place, sealed)


def test_the_parts_of_a_place_do_not_run_into_each_other() -> None:
    place = SealedColumn("table.column")
    assert place.of("ab", "c") != place.of("a", "bc")
    assert place.of(b"ab", b"") != place.of(b"a", b"b")


def test_places_of_the_tables_differ() -> None:
    assert len({place.name for place, _ in SEALED}) == len(SEALED)
    assert all(place.name == f"{column.table.name}.{column.name}" for place, column in SEALED)


@pytest.mark.parametrize("at", [0, 4, 28, -1])
def test_a_value_that_was_changed_does_not_open(at: int) -> None:
    sealed = bytearray(KEYRING.seal(PLACE, b"value"))
    sealed[at] ^= 1
    with pytest.raises(SealError):
        KEYRING.open(PLACE, bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", bytes(43)])
def test_what_is_not_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealError, match="too short"):
        KEYRING.open(PLACE, sealed)


def test_new_values_are_under_the_last_root_key() -> None:
    assert sealing.number_of(KEYRING.seal(PLACE, b"")) == 3
    old = Keyring({1: bytes(32)}).seal(PLACE, b"old")
    assert KEYRING.open(PLACE, old) == b"old"


def test_the_same_value_is_never_sealed_the_same() -> None:
    assert KEYRING.seal(PLACE, b"value") != KEYRING.seal(PLACE, b"value")


def test_a_root_key_opens_with_its_identity_alone() -> None:
    wrapped = sealing.wrap(b"r" * 32, number=2, at_rest_key=AT_REST_KEY)
    assert sealing.unwrap(wrapped, number=2, at_rest_key=AT_REST_KEY) == b"r" * 32
    with pytest.raises(SealError, match="restore the identity"):
        sealing.unwrap(wrapped, number=2, at_rest_key=identity(1).at_rest_key())
    with pytest.raises(SealError):
        sealing.unwrap(wrapped, number=3, at_rest_key=AT_REST_KEY)


def test_at_rest_is_no_key_of_the_protocol() -> None:
    own = identity(1)
    others = {own.box_secret(), own.plain_secret(), own.sign_seed(), *own.seal_secret()}
    assert own.at_rest_key() not in others


def test_expand_is_that_of_rfc_5869() -> None:
    for size in (0, 1, 80):
        info = bytes(range(size))
        assert primitives.hkdf_sha256_expand(b"k" * 32, info=info) == HKDFExpand(SHA256(), 32, info).derive(b"k" * 32)


def test_the_files_tell_nothing(tmp_path: Path) -> None:
    author = Author()
    store = open_sqlite(tmp_path / "coffer.sqlite3", at_rest_key=AT_REST_KEY)
    store.add_publisher(coffer=author.coffer, key=author.key, name="the-laptop-of-ann", now=ISSUED)
    put = Put(id=author.key.id, mark=b"the mark is here", note=b"a note of the client web", alg=2, blob=b"a blob with db.password")
    release = author.release([put])
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    # Before and behind the checkpoint that closing makes.
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    store.close()
    files += b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for text in (b"laptop-of-ann", b"the mark", b"client web", b"db.password", AT_REST_KEY):
        assert text not in files
    # What stands in the open, for it is looked up by: docs/storage.md says so.
    assert author.coffer.encode() in files
    assert author.key.id in files
