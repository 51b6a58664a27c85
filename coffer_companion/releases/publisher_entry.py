"""How a publisher stands in the tree: as a client whose one secret is the note key (PROTOCOL.md, 7, *Note key*).

Its note says what it is called and has its public key text, so that every publisher can hand a new note key to all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coffer_protocol import shard
from coffer_protocol.errors import KeyTextError, NoteError
from coffer_protocol.identity import PublicKey, format_id
from coffer_protocol.message import Entry
from coffer_protocol.release.blob import ALG_HPKE
from coffer_protocol.release.notes import Note, NoteKey

from .shards import Wanted

# No client of a definition can be called so: a name has no '@'.
_SIGN: Final = "@"
_SHORT_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherEntry:
    """A publisher in the tree: what the others call it (empty where nobody gave it a name), and its keys."""

    name: str
    key: PublicKey

    @property
    def label(self) -> str:
        """What a person knows it by."""
        return self.name or short_key(self.key.sign)

    def wanted(self, note_key: NoteKey) -> Wanted:
        """Its shard."""
        secrets = (note_key.secret(),)
        return Wanted(client=f"{_SIGN}{self.name} {self.key.text()}", key=self.key, secrets=secrets, shard=shard.encode(secrets))

    @classmethod
    def from_note(cls, note: Note) -> PublisherEntry:
        """The publisher that a note is about.

        Raises:
            NoteError: it is not about one.
        """
        name, _, text = note.client.removeprefix(_SIGN).partition(" ")
        try:
            return cls(name=name, key=PublicKey.from_text(text))
        except KeyTextError:
            raise NoteError(f"the note of publisher {name!r} does not hold its public key") from None


def short_key(publisher_key: bytes) -> str:
    """The first digits of a publisher key: what is shown where it has no name."""
    return format_id(publisher_key)[:_SHORT_DIGITS]


def is_publisher(entry: Entry, *, coffer: str, note_key: NoteKey) -> bool:
    """Whether an entry is a publisher's: its mark says that its shard is the note key. No note is needed for that."""
    if entry.alg != ALG_HPKE:
        return False
    note_key_shard = shard.encode((note_key.secret(),))
    return entry.mark == note_key.mark(coffer=coffer, client_id=entry.id, since=entry.since, shard=note_key_shard)
