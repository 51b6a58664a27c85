from __future__ import annotations

import pytest

from coffer_companion.releases.publisher_entry import PublisherEntry, is_publisher
from coffer_protocol.errors import NoteError
from coffer_protocol.identity import format_id
from coffer_protocol.message import Entry
from coffer_protocol.release.notes import Note, NoteKey
from tests.support import identity

NOTE_KEY = NoteKey(key=bytes(range(32)))
LAPTOP = PublisherEntry(name="laptop", key=identity("publisher").public())


def entry(*, alg: int = 2, shard: bytes | None = None, note_key: NoteKey = NOTE_KEY) -> Entry:
    wanted = LAPTOP.wanted(NOTE_KEY)
    mark = note_key.mark(coffer="shop", client_id=wanted.key.id, since=4, shard=wanted.shard if shard is None else shard)
    return Entry(id=wanted.key.id, alg=alg, since=4, sha256=bytes(32), mark=mark)


def test_the_one_secret_is_the_note_key() -> None:
    assert NoteKey.from_secrets(LAPTOP.wanted(NOTE_KEY).secrets) == NOTE_KEY


def test_a_publisher_is_known_by_its_mark() -> None:
    assert is_publisher(entry(), coffer="shop", note_key=NOTE_KEY)
    assert not is_publisher(entry(), coffer="other", note_key=NOTE_KEY)
    assert not is_publisher(entry(shard=b"another"), coffer="shop", note_key=NOTE_KEY)
    assert not is_publisher(entry(note_key=NoteKey(key=bytes(32))), coffer="shop", note_key=NOTE_KEY)
    assert not is_publisher(entry(alg=1), coffer="shop", note_key=NOTE_KEY)


@pytest.mark.parametrize("name", ["laptop", ""])
def test_its_note_has_its_name_and_keys(name: str) -> None:
    standing = PublisherEntry(name=name, key=LAPTOP.key)
    assert PublisherEntry.from_note(Note(client=standing.wanted(NOTE_KEY).client, keys=())) == standing


@pytest.mark.parametrize("client", ["web", "@laptop", "@laptop coffer1abc", ""])
def test_a_note_about_somebody_else_is_refused(client: str) -> None:
    with pytest.raises(NoteError):
        PublisherEntry.from_note(Note(client=client, keys=()))


def test_who_has_no_name_is_called_by_its_key() -> None:
    assert LAPTOP.label == "laptop"
    assert PublisherEntry(name="", key=LAPTOP.key).label == format_id(LAPTOP.key.sign)[:16]
