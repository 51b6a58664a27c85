from __future__ import annotations

import pytest

from coffer_companion.releases.publisher_entry import PublisherEntry, label_of, publishers_among
from coffer_protocol.identity import format_id
from coffer_protocol.release.notes import ROLE_PUBLISHER, Note, NoteKey, NoteKeys, publisher_note
from tests.support import identity

NOTE_KEYS = NoteKeys(current=NoteKey(key=bytes(range(32))), earlier={4: NoteKey(key=bytes(32))})
LAPTOP = PublisherEntry(name="laptop", key=identity("publisher").public())


def test_its_secrets_are_the_note_keys() -> None:
    wanted = LAPTOP.wanted(NOTE_KEYS)
    assert NoteKeys.from_secrets(wanted.secrets) == NOTE_KEYS
    assert wanted.role == ROLE_PUBLISHER


@pytest.mark.parametrize("name", ["laptop", ""])
def test_a_publisher_is_known_by_its_note(name: str) -> None:
    entry = PublisherEntry(name=name, key=LAPTOP.key)
    notes = {LAPTOP.key.id: publisher_note(name=name, key=LAPTOP.key), bytes(32): Note(client="web")}
    assert publishers_among(notes) == {LAPTOP.key.id: entry}


def test_what_is_kept_of_it() -> None:
    assert PublisherEntry.from_known(LAPTOP.known()) == LAPTOP


def test_a_publisher_without_a_name_is_called_by_its_key() -> None:
    assert LAPTOP.label == f"laptop ({LAPTOP.key.fingerprint_text()})"
    assert PublisherEntry(name="", key=LAPTOP.key).label == LAPTOP.key.fingerprint_text()
    assert label_of(LAPTOP.key.sign, {LAPTOP.key.sign: LAPTOP}) == LAPTOP.label
    assert label_of(LAPTOP.key.sign, {}) == f"key {format_id(LAPTOP.key.sign)[:16]}"
