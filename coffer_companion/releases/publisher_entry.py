"""A publisher in the tree: a client whose secrets are the note keys (docs/protocol.md, 7, "Note key").

Its note says that it is a publisher, and has its keys, so that every publisher can hand a new note key to all the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coffer_protocol import shard
from coffer_protocol.identity import PublicKey, format_id
from coffer_protocol.release.notes import ROLE_PUBLISHER, Note, NoteKeys

from ..settings import KnownPublisher
from .shards import Wanted

_SHORT_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherEntry:
    """A publisher in the tree: what the others call it (empty if nobody gave it a name), and its keys."""

    name: str
    key: PublicKey

    @property
    def label(self) -> str:
        """What a person knows it by."""
        return self.name or short_key(self.key.sign)

    def wanted(self, note_keys: NoteKeys) -> Wanted:
        """Return the shard of this publisher, as the release must have it."""
        secrets = note_keys.secrets()
        return Wanted(client=self.name, key=self.key, secrets=secrets, shard=shard.encode(secrets), role=ROLE_PUBLISHER)

    def known(self) -> KnownPublisher:
        """Return what this publisher's state keeps of it."""
        return KnownPublisher(name=self.name, body=self.key.body)

    @classmethod
    def from_known(cls, known: KnownPublisher) -> PublisherEntry:
        """Return the publisher of which `known` was kept."""
        return cls(name=known.name, key=PublicKey.from_body(known.body))


def publishers_among(notes: Mapping[bytes, Note]) -> dict[bytes, PublisherEntry]:
    """Return the publishers among some entries, by their ids. What an entry is, its note says."""
    return {
        client_id: PublisherEntry(name=note.client, key=note.publisher_key())
        for client_id, note in notes.items()
        if note.role == ROLE_PUBLISHER
    }


def short_key(publisher_key: bytes) -> str:
    """Return the first digits of a publisher key, which are shown if it has no name."""
    return format_id(publisher_key)[:_SHORT_DIGITS]
