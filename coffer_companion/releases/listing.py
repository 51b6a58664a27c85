"""A release's entries, packed into 96 bytes each, so that a hundred thousand clients take ten megabytes and not a hundred."""

from __future__ import annotations

import heapq
import struct
from bisect import bisect_left
from collections.abc import Collection, ItemsView, Iterable, Iterator, Mapping, ValuesView
from operator import attrgetter
from typing import Final

from coffer_protocol.errors import MalformedMessageError
from coffer_protocol.identity import ID_BYTES
from coffer_protocol.message import Entry
from coffer_protocol.release.head import SignedHead
from coffer_protocol.release.listing import check_listing_untrusted

# id, alg, since, SHA-256 of the blob, mark.
_RECORD: Final = struct.Struct(">32sQQ32s16s")
_MARK_BYTES: Final = 16


class Listing(Mapping[bytes, Entry]):
    """Entries by id, in the order of their ids. Each `Entry` is made only when it is used."""

    __slots__ = ("_packed",)

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """Pack entries, which must come in strictly rising order of their ids. `check_listing_untrusted` checks that for a server's."""
        self._packed = bytearray()
        for entry in entries:
            self.append(entry)

    def append(self, entry: Entry) -> None:
        """Add an entry after all others."""
        self._packed += _RECORD.pack(entry.id, entry.alg, entry.since, entry.sha256, entry.mark)

    def pack(self) -> bytes:
        """Return the bytes of the entries, for `unpack`."""
        return bytes(self._packed)

    @classmethod
    def unpack(cls, packed: bytes) -> Listing:
        """Return the listing that `pack` made these bytes of.

        Raises:
            ValueError: they are not whole entries.
        """
        if len(packed) % _RECORD.size:
            raise ValueError("the last entry is not whole")
        listing = cls()
        listing._packed += packed
        return listing

    def __len__(self) -> int:
        return len(self._packed) // _RECORD.size

    def _id_at(self, index: int) -> bytes:
        start = index * _RECORD.size
        return bytes(self._packed[start : start + ID_BYTES])

    def _records(self) -> Iterator[bytes]:
        packed = bytes(self._packed)
        for start in range(0, len(packed), _RECORD.size):
            yield packed[start : start + _RECORD.size]

    def __getitem__(self, client_id: bytes) -> Entry:
        index = bisect_left(range(len(self)), client_id, key=self._id_at)
        if index == len(self) or self._id_at(index) != client_id:
            raise KeyError(client_id)
        return _unpack(self._packed[index * _RECORD.size : (index + 1) * _RECORD.size])

    def __iter__(self) -> Iterator[bytes]:
        return (record[:ID_BYTES] for record in self._records())

    def values(self) -> ValuesView[Entry]:
        """Return the entries, without a search for each."""
        return _Values(self)

    def items(self) -> ItemsView[bytes, Entry]:
        """Return ids and entries, without a search for each."""
        return _Items(self)

    def changed(self, made: Listing, dropped: Collection[bytes]) -> Iterator[Entry]:
        """Yield the entries after those of `made` have replaced or joined them and the ids in `dropped` are removed, in their order."""
        kept = (entry for entry in self.values() if entry.id not in made and entry.id not in dropped)
        return heapq.merge(kept, made.values(), key=attrgetter("id"))


class _Values(ValuesView[Entry]):
    """The entries of a listing, in one pass."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(listing)
        self._listing = listing

    def __iter__(self) -> Iterator[Entry]:
        return map(_unpack, self._listing._records())


class _Items(ItemsView[bytes, Entry]):
    """The ids and entries of a listing, in one pass."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(listing)
        self._listing = listing

    def __iter__(self) -> Iterator[tuple[bytes, Entry]]:
        return ((entry.id, entry) for entry in self._listing.values())


def _unpack(record: bytes | bytearray) -> Entry:
    client_id, alg, since, sha256, mark = _RECORD.unpack(record)
    return Entry(id=client_id, alg=alg, since=since, sha256=sha256, mark=mark)


def differences(before: Listing, after: Listing) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Yield for each id whose blob differs between two releases, in order, its entry in both; None if it has no entry there."""
    old_records, new_records = before._records(), after._records()
    old, new = next(old_records, None), next(new_records, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[:ID_BYTES] < new[:ID_BYTES]):
            assert old is not None
            yield _unpack(old), None
            old = next(old_records, None)
        elif old is None or new[:ID_BYTES] < old[:ID_BYTES]:
            yield None, _unpack(new)
            new = next(new_records, None)
        else:
            # A mark says nothing about the blob: a Reuse may carry a new mark.
            if old[:-_MARK_BYTES] != new[:-_MARK_BYTES]:
                yield _unpack(old), _unpack(new)
            old, new = next(old_records, None), next(new_records, None)


def read_listing_untrusted(release: SignedHead, entries: Iterable[Entry]) -> Listing:
    """Check what a server lists as `check_listing_untrusted` does, and keep it. Raises what that raises."""
    listing = Listing()

    def kept() -> Iterator[Entry]:
        for entry in entries:
            _append_untrusted(listing, entry)
            yield entry

    check_listing_untrusted(release, kept())
    return listing


def _append_untrusted(listing: Listing, entry: Entry) -> None:
    try:
        listing.append(entry)
    except struct.error:
        raise MalformedMessageError("an entry of the listing holds a number that no release has") from None


def read_changes_untrusted(release: SignedHead, before: Listing, changes: Iterable[Entry | bytes]) -> Listing:
    """Return the entries of a release, made of those of an earlier one and what a server says has changed since.

    Args:
        release: the release, whose head was accepted.
        before: the entries of the earlier one.
        changes: each entry that is new or different, and the id of each that is gone.

    Raises:
        ListingError: what results is not the release that was signed.
        MalformedMessageError: a change is not one.
    """
    made, gone = Listing(), set()
    for change in changes:
        if isinstance(change, bytes):
            gone.add(change)
        else:
            _append_untrusted(made, change)
    return read_listing_untrusted(release, before.changed(made, gone))
