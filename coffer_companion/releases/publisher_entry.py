"""A publisher in the tree: a client whose secrets are the note keys (docs/protocol.md, 7, "Note key").

Its note says that it is a publisher, and has its keys, so that every publisher can give a new note key to all the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coffer_common.identifiers import publisher_label
from coffer_protocol import shard
from coffer_protocol.identity import PublicKey, format_id
from coffer_protocol.release.notes import ROLE_PUBLISHER, Note, NoteKeys

from ..settings import KnownPublisher
from .shards import Wanted

_SHORT_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherEntry:
    """A publisher in the tree: its name among the publishers (empty if it has none), and its keys."""

    name: str
    key: PublicKey

    @property
    def label(self) -> str:
        """What people know it by: its name, if it has one, and its fingerprint."""
        return publisher_label(self.name, self.key)

    def wanted(self, note_keys: NoteKeys) -> Wanted:
        """Return the shard that a release must have for this publisher."""
        secrets = note_keys.secrets()
        return Wanted(client=self.name, key=self.key, secrets=secrets, shard=shard.encode(secrets), role=ROLE_PUBLISHER)

    def known(self) -> KnownPublisher:
        """Return the form in which the publisher's state remembers it."""
        return KnownPublisher(name=self.name, body=self.key.body)

    @classmethod
    def from_known(cls, known: KnownPublisher) -> PublisherEntry:
        """Return the publisher that the state remembers as `known`."""
        return cls(name=known.name, key=PublicKey.from_body(known.body))


def publishers_among(notes: Mapping[bytes, Note]) -> dict[bytes, PublisherEntry]:
    """Return the publishers among some entries, by their ids. The note of an entry says whether it is a publisher."""
    return {
        client_id: PublisherEntry(name=note.client, key=note.publisher_key())
        for client_id, note in notes.items()
        if note.role == ROLE_PUBLISHER
    }


def label_of(sign: bytes, known: Mapping[bytes, PublisherEntry]) -> str:
    """Return what people know a publisher by whose publisher key this is. `known` has entries by publisher keys."""
    entry = known.get(sign)
    # The fingerprint covers all keys, and only an entry has them.
    return f"key {format_id(sign)[:_SHORT_DIGITS]}" if entry is None else entry.label
