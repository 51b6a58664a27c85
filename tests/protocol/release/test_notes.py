from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coffer_protocol import cbor, shard
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import NoteError
from coffer_protocol.identity import BareKey, ClientKey, Identity, PublicKey
from coffer_protocol.limits import EARLIER_NOTE_KEYS
from coffer_protocol.release import blob as blobs
from coffer_protocol.release.notes import ROLE_CLIENT, ROLE_PUBLISHER, Note, NoteKey, NoteKeys, publisher_note
from coffer_protocol.release.tree import Leaf
from coffer_protocol.shard import Secret
from tests.support import Draws, identity, vectors

VECTORS = vectors("releases")
KEY = NoteKey(key=bytes.fromhex(VECTORS["note_key"]["note_key"]))
PUBLISHER = VECTORS["publisher_entry"]
WEB = identity("web").public()


def leaf_of(entry: Any) -> Leaf:
    digest = sha256(bytes.fromhex(entry["blob"]))
    return Leaf(coffer="shop", client_id=bytes.fromhex(entry["id"]), alg=entry["alg"], since=entry["since"], blob_sha256=digest)


def key_of(entry: Any) -> ClientKey:
    to = bytes.fromhex(entry["to"])
    return BareKey(id=to) if entry["alg"] == blobs.ALG_SEALED_BOX else PublicKey.from_body(to)


NOTE = VECTORS["notes"][0]
LEAF = leaf_of(NOTE)
SEALED = bytes.fromhex(NOTE["note"])


def test_the_three_keys_of_the_vectors() -> None:
    derived = {"mark_key": KEY._mark_key, "key_hash_key": KEY._hash_key, "seal_key": KEY._seal_key}
    assert {name: key.hex() for name, key in derived.items()} == {name: VECTORS["note_key"][name] for name in derived}


@pytest.mark.parametrize("entry", [*VECTORS["notes"], PUBLISHER], ids=["web", "box", "publisher"])
def test_marks_of_the_vectors(entry: Any) -> None:
    mark = KEY.mark(leaf_of(entry), role=entry["role"], key=key_of(entry), shard=bytes.fromhex(entry["shard"]))
    assert mark.hex() == entry["mark"]


@pytest.mark.parametrize("entry", VECTORS["notes"], ids=lambda entry: entry["client"])
def test_notes_of_the_vectors_both_ways(entry: Any) -> None:
    sealed, leaf = bytes.fromhex(entry["note"]), leaf_of(entry)
    secrets = shard.decode(bytes.fromhex(entry["shard"]))
    note = KEY.client_note(coffer="shop", key=key_of(entry), client=entry["client"], secrets=secrets)
    assert note.encode().hex() == entry["note_body"]
    assert KEY.open(sealed, leaf) == note
    assert KEY.seal(note, leaf, random=Draws(sealed[:24])) == sealed


def test_the_publishers_entry_of_the_vectors() -> None:
    sealed, leaf = bytes.fromhex(PUBLISHER["note"]), leaf_of(PUBLISHER)
    publisher = Identity(seed=bytes.fromhex(PUBLISHER["seed"]))
    note = KEY.open(sealed, leaf)
    assert note == publisher_note(name="laptop", key=publisher.public())
    assert note.publisher_key() == publisher.public()
    assert note.encode().hex() == PUBLISHER["note_body"]
    assert KEY.seal(note, leaf, random=Draws(sealed[:24])) == sealed
    opened = blobs.open_blob(publisher, alg=leaf.alg, coffer="shop", since=leaf.since, blob=bytes.fromhex(PUBLISHER["blob"]))
    assert opened.hex() == PUBLISHER["shard"]
    assert NoteKeys.from_secrets(shard.decode(opened)) == NoteKeys(current=KEY)


@pytest.mark.parametrize("entry", VECTORS["refuse_notes"], ids=lambda entry: entry["why"])
def test_notes_of_the_vectors_are_refused(entry: Any) -> None:
    with pytest.raises(NoteError):
        KEY.open(bytes.fromhex(entry["note"]), LEAF)


@pytest.mark.parametrize(
    "changed",
    [{"coffer": "shoq"}, {"client_id": bytes(32)}, {"alg": 1}, {"since": 2}, {"blob_sha256": bytes(32)}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_note_and_a_mark_belong_to_one_blob(changed: dict[str, Any]) -> None:
    other = replace(LEAF, **changed)
    with pytest.raises(NoteError):
        KEY.open(SEALED, other)
    assert KEY.mark(other, role=0, key=WEB, shard=b"") != KEY.mark(LEAF, role=0, key=WEB, shard=b"")


def test_a_mark_tells_role_keys_and_shard() -> None:
    marks = {
        KEY.mark(LEAF, role=ROLE_CLIENT, key=WEB, shard=b""),
        KEY.mark(LEAF, role=ROLE_PUBLISHER, key=WEB, shard=b""),
        KEY.mark(LEAF, role=ROLE_CLIENT, key=replace(WEB, seal_x25519=identity("worker").public().seal_x25519), shard=b""),
        KEY.mark(LEAF, role=ROLE_CLIENT, key=BareKey(id=WEB.id), shard=b""),
        KEY.mark(LEAF, role=ROLE_CLIENT, key=WEB, shard=b"x"),
        NoteKey(key=bytes(32)).mark(LEAF, role=ROLE_CLIENT, key=WEB, shard=b""),
    }
    assert len(marks) == 6


@pytest.mark.parametrize("sealed", [b"", bytes(23), bytes(24), bytes(300)])
def test_what_is_no_note(sealed: bytes) -> None:
    with pytest.raises(NoteError):
        KEY.open(sealed, LEAF)


GOOD = {"client": "web", "role": 0, "keys": [], "sign": bytes(32), "fingerprint": bytes(16)}
OF_PUBLISHER = {"client": "", "role": 1, "keys": [], "body": WEB.body}


@pytest.mark.parametrize("fields", [GOOD, GOOD | {"after": bytes(16)}, GOOD | {"keys": [["a", bytes(16)]]}, OF_PUBLISHER])
def test_maps_that_are_notes(fields: dict[str, Any]) -> None:
    assert Note.decode_untrusted(cbor.encode(fields), alg=2).encode() == cbor.encode(fields)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {"client": "web", "role": 0, "keys": []},
        GOOD | {"client": ""},
        GOOD | {"client": "@web"},
        GOOD | {"client": b"web"},
        GOOD | {"role": 1},
        GOOD | {"role": 2},
        GOOD | {"role": False},
        GOOD | {"keys": {}},
        GOOD | {"keys": [["a"]]},
        GOOD | {"keys": [["a", bytes(15)]]},
        GOOD | {"keys": [["", bytes(16)]]},
        GOOD | {"keys": [["a\u202eb", bytes(16)]]},
        GOOD | {"keys": [["a\u2028b", bytes(16)]]},
        GOOD | {"sign": bytes(31)},
        GOOD | {"fingerprint": bytes(15)},
        GOOD | {"after": bytes(15)},
        GOOD | {"body": WEB.body},
        GOOD | {"more": b""},
        OF_PUBLISHER | {"body": WEB.body[:-1]},
        OF_PUBLISHER | {"keys": [["a", bytes(16)]]},
        OF_PUBLISHER | {"sign": bytes(32), "fingerprint": bytes(16)},
        OF_PUBLISHER | {"after": bytes(16)},
        OF_PUBLISHER | {"client": "a b"},
    ],
)
def test_maps_that_are_no_notes(fields: Any) -> None:
    with pytest.raises(NoteError):
        Note.decode_untrusted(cbor.encode(fields), alg=2)


def test_the_note_of_a_bare_client_has_no_keys_of_its_own() -> None:
    with pytest.raises(NoteError):
        Note.decode_untrusted(cbor.encode(GOOD), alg=1)
    assert Note.decode_untrusted(cbor.encode({"client": "web", "role": 0, "keys": []}), alg=1) == Note(client="web")


def test_a_note_has_its_limit() -> None:
    note = Note(client="web", keys=tuple((f"key{n}", bytes(16)) for n in range(4000)))
    with pytest.raises(NoteError, match="web"):
        KEY.seal(note, LEAF)


# ------------------------------------------------------------------------------------------------------ earlier note keys


def test_the_note_keys_of_the_vectors() -> None:
    data = bytes.fromhex(VECTORS["note_keys"]["shard"])
    keys = NoteKeys.from_secrets(shard.decode(data))
    assert shard.encode(keys.secrets()) == data
    for since, expected in VECTORS["note_keys"]["key_of_since"]:
        assert keys.of(since).key.hex() == expected
        assert keys.is_current(since) == (keys.of(since) == keys.current)


def test_a_new_note_key_leaves_the_old_ones_readable() -> None:
    keys = NoteKeys(current=KEY).replaced(5, Draws(bytes(32)))
    assert (keys.of(4), keys.of(5), keys.current) == (KEY, NoteKey(key=bytes(32)), NoteKey(key=bytes(32)))
    assert NoteKeys.from_secrets(keys.secrets()) == keys


def test_only_the_newest_of_the_old_ones_are_kept() -> None:
    keys = NoteKeys(current=KEY)
    for serial in range(2, EARLIER_NOTE_KEYS + 5):
        keys = keys.replaced(serial)
    assert sorted(keys.earlier) == list(range(4, EARLIER_NOTE_KEYS + 4))


def test_no_key_is_in_a_repr() -> None:
    keys = NoteKeys(current=KEY, earlier={4: KEY})
    for shown in (repr(KEY), repr(keys)):
        assert KEY.key.hex() not in shown
        assert repr(KEY.key) not in shown
        assert repr(KEY._seal_key) not in shown


@pytest.mark.parametrize(
    "secrets",
    [
        (),
        (Secret(key="other", value=bytes(32)),),
        (Secret(key="note-key", value=bytes(32)), Secret(key="x", value=1)),
        (Secret(key="note-key", value=bytes(31)),),
        (Secret(key="note-key", value="text"),),
        (Secret(key="note-key.4", value=bytes(32)),),
        (Secret(key="note-key", value=bytes(32)), Secret(key="note-key.", value=bytes(32))),
        (Secret(key="note-key", value=bytes(32)), Secret(key="note-key.04", value=bytes(32))),
        (Secret(key="note-key", value=bytes(32)), Secret(key="note-key.x", value=bytes(32))),
        (Secret(key="note-key", value=bytes(32)), Secret(key="note-key." + "9" * 240, value=bytes(32))),
        (Secret(key="note-key", value=bytes(32)), *(Secret(key=f"note-key.{n}", value=bytes(32)) for n in range(65))),
    ],
)
def test_shards_without_note_keys(secrets: tuple[Secret, ...]) -> None:
    with pytest.raises(NoteError):
        NoteKeys.from_secrets(secrets)
