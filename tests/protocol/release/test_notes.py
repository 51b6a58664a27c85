from __future__ import annotations

import pytest

from coffer_protocol import shard
from coffer_protocol.errors import NoteError
from coffer_protocol.release.notes import Note, NoteKey
from coffer_protocol.shard import Secret
from tests.support import Draws, vectors

VECTOR = vectors("releases")["note"]
KEY = NoteKey(key=bytes.fromhex(VECTOR["note_key"]))
ID = bytes.fromhex(VECTOR["id"])
SECRETS = shard.decode(bytes.fromhex(VECTOR["shard"]))


def test_the_mark_of_the_vector() -> None:
    mark = KEY.mark(coffer="shop", client_id=ID, since=VECTOR["since"], shard=bytes.fromhex(VECTOR["shard"]))
    assert mark.hex() == VECTOR["mark"]


def test_the_note_of_the_vector_both_ways() -> None:
    sealed = bytes.fromhex(VECTOR["note"])
    note = KEY.note(coffer="shop", client_id=ID, client=VECTOR["client"], secrets=SECRETS)
    assert KEY.open(sealed, coffer="shop", client_id=ID, since=VECTOR["since"]) == note
    assert KEY.seal(note, coffer="shop", client_id=ID, since=VECTOR["since"], random=Draws(sealed[:24])) == sealed


@pytest.mark.parametrize(("coffer", "client_id", "since"), [("shoq", ID, 1), ("shop", bytes(32), 1), ("shop", ID, 2)])
def test_a_note_belongs_to_one_place(coffer: str, client_id: bytes, since: int) -> None:
    with pytest.raises(NoteError):
        KEY.open(bytes.fromhex(VECTOR["note"]), coffer=coffer, client_id=client_id, since=since)


@pytest.mark.parametrize("sealed", [b"", bytes(23), bytes(24), bytes(300)])
def test_what_is_no_note(sealed: bytes) -> None:
    with pytest.raises(NoteError):
        KEY.open(sealed, coffer="shop", client_id=ID, since=1)


def test_another_key_opens_nothing_and_marks_otherwise() -> None:
    other = NoteKey.generate()
    with pytest.raises(NoteError):
        other.open(bytes.fromhex(VECTOR["note"]), coffer="shop", client_id=ID, since=1)
    assert other.mark(coffer="shop", client_id=ID, since=1, shard=b"") != KEY.mark(coffer="shop", client_id=ID, since=1, shard=b"")


def test_a_note_has_its_limit() -> None:
    note = Note(client="web", keys=tuple((f"key{n}", bytes(16)) for n in range(4000)))
    with pytest.raises(NoteError, match="web"):
        KEY.seal(note, coffer="shop", client_id=ID, since=1)


def test_the_key_goes_round_as_a_secret() -> None:
    assert NoteKey.from_secrets((KEY.secret(),)) == KEY
    assert KEY.key.hex() not in repr(KEY)


@pytest.mark.parametrize(
    "secrets",
    [(), (Secret(key="other", value=bytes(32)),), (KEY.secret(), Secret(key="x", value=1)), (Secret(key="note-key", value=bytes(31)),)],
)
def test_shards_without_a_note_key(secrets: tuple[Secret, ...]) -> None:
    with pytest.raises(NoteError):
        NoteKey.from_secrets(secrets)
