"""Compares two states of a coffer by their notes: which clients differ, and in which keys. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from coffer_protocol.identity import format_fingerprint
from coffer_protocol.release.notes import Note

from .plan import ChangeKind, ClientChange, KeyChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The difference between two states.

    Attributes:
        before: the notes of the ids that differ, in the state before.
        after: the same in the state after, in the order in which the clients are to be shown.
        restated: for ids that are removed, the notes that they would have in the state after, if these are known. A hash is made for one
            id, so without them two keys of one client cannot be compared.
        staying: the clients that have another key, which does not differ.
        incomparable: the ids whose two notes have hashes under different note keys, which say nothing about the values.
        public: for each client's name, the new values that are not secret, as text.
        remarks: for each client's name, a remark for people.
    """

    before: Mapping[bytes, Note]
    after: Mapping[bytes, Note]
    restated: Mapping[bytes, Note] = field(default_factory=dict)
    staying: Collection[str] = ()
    incomparable: Collection[bytes] = ()
    public: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)

    def changes(self) -> Iterator[ClientChange]:
        """Yield the clients that differ: those of the state after in its order, then those that are only in the state before."""
        old_ids, new_ids = _ids_by_name(self.before), _ids_by_name(self.after)
        for name in dict.fromkeys((*new_ids, *old_ids)):
            old, new = old_ids.get(name, []), new_ids.get(name, [])
            if not old and name not in self.staying:
                yield ClientChange(client=name, change=ChangeKind.ADDED, keys=self._keys(name, None, self.after[new[0]]))
            elif not new and name not in self.staying:
                yield ClientChange(client=name, change=ChangeKind.REMOVED)
            else:
                yield self._changed(name, old, new)

    def _changed(self, name: str, old: list[bytes], new: list[bytes]) -> ClientChange:
        came, went = [id_ for id_ in new if id_ not in old], [id_ for id_ in old if id_ not in new]
        remarks = [f"{_keys_counted(len(ids))} {word}" for ids, word in ((came, "added"), (went, "removed")) if ids]
        keys: tuple[KeyChange, ...] = ()
        is_emptied = is_resealed = is_unknown = False
        if (pair := self._pair(old, new)) is not None:
            before, after, is_comparable = pair
            keys = self._keys(name, before, after, is_comparable=is_comparable)
            is_emptied = bool(before.keys) and not after.keys
            if not is_comparable:
                is_unknown = not remarks and not keys
                remarks.append("sealed again under another note key, so its values cannot be compared")
            elif not keys and [key for key, _ in before.keys] != [key for key, _ in after.keys]:
                remarks.append("its keys are in another order")
            is_resealed = not remarks and not keys
        elif old and new:
            remarks.append("under other public keys, so its values cannot be compared")
        if name in self.remarks:
            remarks.append(self.remarks[name])
        return ClientChange(
            client=name,
            change=ChangeKind.CHANGED,
            keys=keys,
            remark=", ".join(remarks),
            is_emptied=is_emptied,
            is_rekeyed=name in self.remarks,
            is_resealed=is_resealed and name not in self.remarks,
            is_unknown=is_unknown and name not in self.remarks,
        )

    def _pair(self, old: list[bytes], new: list[bytes]) -> tuple[Note, Note, bool] | None:
        """Return two notes about the same id, and whether their hashes can be compared.

        If several hosts have the same secrets, the notes of any host tell what changed. One whose hashes can be compared tells more.
        """
        for client_id in sorted(old, key=lambda client_id: client_id in self.incomparable):
            if client_id in new:
                return self.before[client_id], self.after[client_id], client_id not in self.incomparable
            if client_id in self.restated:
                return self.before[client_id], self.restated[client_id], True
        return None

    def _keys(self, name: str, before: Note | None, after: Note, *, is_comparable: bool = True) -> tuple[KeyChange, ...]:
        old = {} if before is None else dict(before.keys)
        shown = self.public.get(name, {})
        changes = [
            KeyChange(key=key, change=ChangeKind.CHANGED if key in old else ChangeKind.ADDED, public=shown.get(key))
            for key, digest in after.keys
            if key not in old or (is_comparable and old[key] != digest)
        ]
        stays = {key for key, _ in after.keys}
        changes += [KeyChange(key=key, change=ChangeKind.REMOVED) for key in old if key not in stays]
        return tuple(changes)


def _ids_by_name(notes: Mapping[bytes, Note]) -> dict[str, list[bytes]]:
    ids: dict[str, list[bytes]] = {}
    for client_id, note in notes.items():
        ids.setdefault(note.client, []).append(client_id)
    return ids


def _keys_counted(number: int) -> str:
    return "1 public key" if number == 1 else f"{number} public keys"


def fingerprint_change(before: Note | None, fingerprint: bytes | None) -> str | None:
    """Return a remark if a client's id had another fingerprint before: an id does not name all of its keys."""
    if before is None or before.fingerprint is None or fingerprint is None or before.fingerprint == fingerprint:
        return None
    return f"its keys change: {format_fingerprint(before.fingerprint)} becomes {format_fingerprint(fingerprint)}"
