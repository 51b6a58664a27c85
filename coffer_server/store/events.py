"""The entries of the event log: everything that changes what the server answers, as values and as CBOR, chained by hashes.

This module is pure. An event holds its number, time, kind and body, and the hash of the event before it. The hash covers the body's
plaintext: the body is sealed in the database, and sealing it again does not break the chain (docs/storage.md).
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
# The first event has this in the place of the hash of the event before it.
BEGINNING: Final = sha256(b"coffer/server/1 log")
# A large upload becomes many events, each small enough to be read and written at once.
CHANGES_PER_EVENT: Final = 500
# A change is an array of six items. The map around the changes has a few more.
_BODY_ITEMS: Final = 7 * CHANGES_PER_EVENT + 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherAdded:
    """From now on the owner of `key` may publish `coffer`. The operator calls it `name`, if that is set.

    If `may_block`, it may also block and unblock the coffer's clients.
    """

    coffer: str
    key: PublicKey
    name: str | None
    may_block: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherRemoved:
    """From now on the publisher with the id `publisher` may no longer publish `coffer`."""

    coffer: str
    publisher: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBlocked:
    """From now on the server treats the id `client` as unknown, whether or not it has ever seen it."""

    client: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUnblocked:
    """From now on the id `client` has the rights again that publishers and releases give it."""

    client: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """From a release on, a client has this blob with this mark.

    Attributes:
        id: the client's id.
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
    """From a release on, a client is no longer in a coffer."""

    id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Some of the changes of the release `serial`, at most `CHANGES_PER_EVENT`. All of them come before the release's `Released`."""

    coffer: str
    serial: int
    changes: tuple[Entered | Left, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A release was committed. Its head, with the serial and the publisher, is in `signed`."""

    signed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """The contents that only releases of `coffer` before `first` had were deleted."""

    coffer: str
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationBegun:
    """From now on values are sealed under the root key with this number."""

    root_key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationEnded:
    """Every value is sealed under the root key with this number, and the other root keys were deleted."""

    root_key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKeysTakenOver:
    """From now on the root keys open with the identity of the server with the id `server`, and no longer with the former identity."""

    server: bytes


Happening: TypeAlias = (
    PublisherAdded
    | PublisherRemoved
    | ClientBlocked
    | ClientUnblocked
    | Changed
    | Released
    | Pruned
    | RotationBegun
    | RotationEnded
    | RootKeysTakenOver
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An entry of the log.

    Attributes:
        number: the number of the event. Numbers begin with 1 and have no gaps.
        at: the time in seconds since 1970.
        kind: the kind of event, one of `KINDS`.
        body: what happened, as CBOR.
        prev: the hash of the event before this one.
    """

    number: int
    at: int
    kind: str
    body: bytes
    prev: bytes

    @property
    def sha256(self) -> bytes:
        """The hash of this event, which the next event holds."""
        return sha256(cbor.encode([_LABEL, self.number, self.at, self.kind, self.body, self.prev]))

    @property
    def happening(self) -> Happening:
        """What happened.

        Raises:
            EventError: if the event is not one of this version.
        """
        try:
            fields = cbor.decode(self.body, max_items=_BODY_ITEMS)
            return _DECODERS[self.kind](fields)
        except (CofferError, KeyError, TypeError, ValueError):
            raise EventError(f"this version of Coffer cannot read event {self.number} ({self.kind!r})") from None


def event(happening: Happening, *, number: int, at: int, prev: bytes) -> Event:
    """Return the entry of the log for what happened."""
    return Event(number=number, at=at, kind=KINDS[type(happening)], body=cbor.encode(_fields(happening)), prev=prev)


KINDS: Final[Mapping[type[Happening], str]] = {
    PublisherAdded: "publisher-added",
    PublisherRemoved: "publisher-removed",
    ClientBlocked: "client-blocked",
    ClientUnblocked: "client-unblocked",
    Changed: "changed",
    Released: "released",
    Pruned: "pruned",
    RotationBegun: "rotation-begun",
    RotationEnded: "rotation-ended",
    RootKeysTakenOver: "root-keys-taken-over",
}


def _fields(happening: Happening) -> Mapping[str, object]:
    match happening:
        case PublisherAdded(coffer=coffer, key=key, name=name, may_block=may_block):
            return {"coffer": coffer, "key": key.body, "name": name, "may_block": may_block}
        case PublisherRemoved(coffer=coffer, publisher=publisher):
            return {"coffer": coffer, "publisher": publisher}
        case ClientBlocked(client=client) | ClientUnblocked(client=client):
            return {"client": client}
        case Changed(coffer=coffer, serial=serial, changes=changes):
            return {"coffer": coffer, "serial": serial, "changes": [_change_fields(change) for change in changes]}
        case Released(signed=signed):
            return {"signed": signed}
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
    return PublisherAdded(**fields | {"key": PublicKey.from_body(fields["key"])})


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
