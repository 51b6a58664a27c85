"""Finds the values that an upload would set back to those of an earlier release: a definition from an old checkout may do that unseen.

The question `past` has the notes of all blobs that the server still holds. Each note proves itself. A server that hides some hides a
revert, and nothing worse.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from coffer_protocol.release.notes import Note
from coffer_protocol.shard import Secret

from .commit import Base
from .plan import Revert
from .shards import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """An id that may have had the wanted values in an earlier release.

    Attributes:
        id: the id.
        item: the shard that its client should have.
        since: the release in which its present blob was made; None if the newest release does not have the id.
        changed: the secrets in which the two differ.
    """

    id: bytes
    item: Wanted
    since: int | None
    changed: tuple[Secret, ...] = ()

    def reverts(self, past: Mapping[int, Collection[str]]) -> Iterator[Revert]:
        """Yield a sentence for what goes back. `past` has the keys that had the wanted values, for each earlier release in rising order."""
        if self.since is None:
            if past:
                yield Revert(client=self.item.client, public_key=self.item.key.fingerprint_text(), serial=max(past))
            return
        newest = {key: serial for serial, keys in past.items() for key in keys}
        for serial in sorted(set(newest.values())):
            keys = tuple(secret.key for secret in self.changed if newest.get(secret.key) == serial)
            # Only a rollback gives a client a blob that is older than one that it has had.
            yield Revert(client=self.item.client, keys=keys, serial=serial, is_taken_back=serial > self.since)


async def find_reverts(base: Base, *, put: Sequence[Wanted], gone: Collection[bytes], notes: Mapping[bytes, Note]) -> tuple[Revert, ...]:
    """Return a sentence for each value that an upload would set back.

    Args:
        base: the base of the release.
        put: the shards that are to be set.
        gone: the ids that are to be dropped.
        notes: the notes of all ids that differ and that the release has.

    Raises:
        What `Reader.past` raises.
    """
    candidates = {found.id: found for found in _candidates(base, put, gone, notes)}
    past: dict[bytes, dict[int, list[str]]] = {client_id: {} for client_id in candidates}
    async for entry, note in base.reader.past(tuple(candidates), base.note_keys):
        had = _in_both(base, entry.id, entry.since, note, candidates[entry.id].changed)
        past[entry.id][entry.since] = [secret.key for secret in had]
    # The hosts of a client have the same secrets, so each sentence is said once.
    return tuple(
        dict.fromkeys(
            revert for client_id, candidate in candidates.items() for revert in candidate.reverts(dict(sorted(past[client_id].items())))
        )
    )


def _candidates(base: Base, put: Sequence[Wanted], gone: Collection[bytes], notes: Mapping[bytes, Note]) -> Iterator[_Candidate]:
    by_name = {item.client: item for item in put}
    pairs = [(item.key.id, item) for item in put if item.key.id in notes]
    # A client whose public key is replaced has its past under the one before.
    pairs += [(id_, by_name[notes[id_].client]) for id_ in gone if id_ in notes and notes[id_].client in by_name]
    for client_id, item in pairs:
        since = base.listing[client_id].since
        same = {secret.key for secret in _in_both(base, client_id, since, notes[client_id], item.secrets)}
        changed = tuple(secret for secret in item.secrets if secret.key not in same)
        if changed:
            yield _Candidate(id=client_id, item=item, since=since, changed=changed)
    for item in put:
        if item.key.id not in base.listing:
            yield _Candidate(id=item.key.id, item=item, since=None)


def _in_both(base: Base, client_id: bytes, since: int, note: Note, secrets: Sequence[Secret]) -> list[Secret]:
    """Return those of some secrets that the blob of the release `since` has too, according to its note."""
    hashes, note_key = dict(note.keys), base.note_keys.of(since)
    return [
        secret
        for secret in secrets
        if hashes.get(secret.key) == note_key.key_hash(coffer=base.target.coffer, client_id=client_id, key=secret.key, value=secret.value)
    ]
