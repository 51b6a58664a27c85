"""The event log's entries: everything that changes what the server answers, as values, as CBOR, and chained by hashes. Pure.

An event holds its number, time, kind, body and the hash of the one before. The hash is over the body's plaintext: the body stands sealed
in the database, and sealing it anew does not break the chain (docs/storage.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from coffer_protocol import cbor
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import CofferError
from coffer_protocol.identity import PublicKey

from ..errors import EventError

_LABEL: Final = "coffer/server/1 event"
# What the first event has in the place of the hash of the one before.
BEGINNING: Final = sha256(b"coffer/server/1 log")
# Large uploads are many events of a size that is read and written at once.
CHANGES_PER_EVENT: Final = 500
# A change has an array and six items; the map around them a few.
_BODY_ITEMS: Final = 7 * CHANGES_PER_EVENT + 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherAdded:
    """The owner of `key` may publish `coffer`, and is called `name`, if anything."""

    coffer: str
    key: PublicKey
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherRemoved:
    """The publisher with the id `publisher` may no longer publish `coffer`."""

    coffer: str
    publisher: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBlocked:
    """From here on, the server knows nobody with the id `client`, whether it has ever seen one or not."""

    client: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUnblocked:
    """The id `client` is again what publishers and releases say it is."""

    client: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A client has this blob, under this mark, from a release on.

    Attributes:
        id: the client's.
        alg, since, sha256, mark: as in an entry of OkOpen (docs/protocol.md, 3).
        blob_bytes: the size of the blob.
    """

    id: bytes
    alg: int
    since: int
    sha256: bytes
    mark: bytes
    blob_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A client is not in a coffer from a release on."""

    id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Some of what the release `serial` changes, at most `CHANGES_PER_EVENT`. Stands before its `Released`, as often as there is need."""

    coffer: str
    serial: int
    changes: tuple[Entered | Left, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A release was committed. `signed` says which, and whose."""

    signed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A release from before the database had a log. Who might publish then is not known; where it is not `held`, nor what was in it."""

    signed: bytes
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was only in releases of `coffer` before `first` was let go of."""

    coffer: str
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationBegun:
    """From here on, values are sealed under the root key with this number."""

    root_key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationEnded:
    """Every value is sealed under the root key with this number, and the others are gone."""

    root_key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKeysTakenOver:
    """The root keys open from here on with the identity of the server with the id `server`, and no longer with the one before."""

    server: bytes


Happening: TypeAlias = (
    PublisherAdded
    | PublisherRemoved
    | ClientBlocked
    | ClientUnblocked
    | Changed
    | Released
    | Adopted
    | Pruned
    | RotationBegun
    | RotationEnded
    | RootKeysTakenOver
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the log.

    Attributes:
        number: from 1, without a gap.
        at: seconds since 1970.
        kind: what `body` is of.
        body: CBOR.
        prev: the hash of the event before.
    """

    number: int
    at: int
    kind: str
    body: bytes
    prev: bytes

    @property
    def sha256(self) -> bytes:
        """The hash that the next event holds."""
        return sha256(cbor.encode([_LABEL, self.number, self.at, self.kind, self.body, self.prev]))

    @property
    def happening(self) -> Happening:
        """What has happened.

        Raises:
            EventError: it is not an event of this version.
        """
        try:
            fields = cbor.decode(self.body, max_items=_BODY_ITEMS)
            return _DECODERS[self.kind](fields)
        except (CofferError, KeyError, TypeError, ValueError):
            raise EventError(f"event {self.number} ({self.kind!r}) is not one that this Coffer knows") from None


def event(happening: Happening, *, number: int, at: int, prev: bytes) -> Event:
    """The line of the log that says it."""
    return Event(number=number, at=at, kind=KINDS[type(happening)], body=cbor.encode(_fields(happening)), prev=prev)


KINDS: Final[Mapping[type[Happening], str]] = {
    PublisherAdded: "publisher-added",
    PublisherRemoved: "publisher-removed",
    ClientBlocked: "client-blocked",
    ClientUnblocked: "client-unblocked",
    Changed: "changed",
    Released: "released",
    Adopted: "adopted",
    Pruned: "pruned",
    RotationBegun: "rotation-begun",
    RotationEnded: "rotation-ended",
    RootKeysTakenOver: "root-keys-taken-over",
}


def _fields(happening: Happening) -> Mapping[str, object]:
    match happening:
        case PublisherAdded(coffer=coffer, key=key, name=name):
            return {"coffer": coffer, "key": key.text(), "name": name}
        case PublisherRemoved(coffer=coffer, publisher=publisher):
            return {"coffer": coffer, "publisher": publisher}
        case ClientBlocked(client=client) | ClientUnblocked(client=client):
            return {"client": client}
        case Changed(coffer=coffer, serial=serial, changes=changes):
            return {"coffer": coffer, "serial": serial, "changes": [_change_fields(change) for change in changes]}
        case Released(signed=signed):
            return {"signed": signed}
        case Adopted(signed=signed, held=held):
            return {"signed": signed, "held": held}
        case Pruned(coffer=coffer, first=first):
            return {"coffer": coffer, "first": first}
        case RotationBegun(root_key=root_key) | RotationEnded(root_key=root_key):
            return {"root_key": root_key}
        case RootKeysTakenOver(server=server):
            return {"server": server}


def _change_fields(change: Entered | Left) -> list[object]:
    match change:
        case Entered():
            return [change.id, change.alg, change.since, change.sha256, change.mark, change.blob_bytes]
        case Left():
            return [change.id]


def _publisher_added(fields: Any) -> Happening:
    return PublisherAdded(**fields | {"key": PublicKey.from_text(fields["key"])})


def _changed(fields: Any) -> Happening:
    return Changed(**fields | {"changes": tuple(_change(change) for change in fields["changes"])})


def _change(fields: list[Any]) -> Entered | Left:
    if len(fields) == 1:
        return Left(id=fields[0])
    client, alg, since, digest, mark, blob_bytes = fields
    return Entered(id=client, alg=alg, since=since, sha256=digest, mark=mark, blob_bytes=blob_bytes)


def _plain(kind: Callable[..., Happening]) -> Callable[[Any], Happening]:
    return lambda fields: kind(**fields)


_DECODERS: Final[Mapping[str, Callable[[Any], Happening]]] = {kind: _plain(happening) for happening, kind in KINDS.items()} | {
    "publisher-added": _publisher_added,
    "changed": _changed,
}
