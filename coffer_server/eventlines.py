"""The rendering of events for `coffer-server log`: as a line of text for people, as an object for scripts."""

from __future__ import annotations

from typing import Any

from coffer_common import times
from coffer_protocol.identity import format_id
from coffer_protocol.release import head as heads

from .store.events import (
    Changed,
    ClientBlocked,
    ClientUnblocked,
    Entered,
    Event,
    Happening,
    Left,
    Pruned,
    PublisherAdded,
    PublisherRemoved,
    Released,
    RootKeysTakenOver,
    RotationBegun,
    RotationEnded,
)


def as_text(event: Event) -> str:
    """Return an event as one line: number, time, kind and subject."""
    return f"{event.number}  {times.show(event.at)}  {event.kind}  {_sentence(event.happening)}"


def _sentence(happening: Happening) -> str:
    match happening:
        case PublisherAdded(coffer=coffer, key=key, name=name):
            return f"{coffer}: {name or '-'} {key.fingerprint_text()}"
        case PublisherRemoved(coffer=coffer, publisher=publisher):
            return f"{coffer}: {format_id(publisher)}"
        case ClientBlocked(client=client) | ClientUnblocked(client=client):
            return format_id(client)
        case Changed(coffer=coffer, serial=serial, changes=changes):
            left = sum(isinstance(change, Left) for change in changes)
            return f"{coffer} {serial}: {len(changes) - left} set, {left} dropped"
        case Released(signed=signed):
            head = heads.claimed_untrusted(signed)
            return f"{head.coffer} {head.serial}: {head.count} keys, publishers among them, by {format_id(head.publisher)}"
        case Pruned(coffer=coffer, first=first):
            return f"{coffer}: contents of releases before {first}"
        case RotationBegun(root_key=root_key) | RotationEnded(root_key=root_key):
            return f"root key {root_key}"
        case RootKeysTakenOver(server=server):
            return f"by server {format_id(server)}"


def as_json(event: Event) -> dict[str, Any]:
    """Return an event as one object, complete: hashes and heads as lower-case hex, ids and publisher keys as elsewhere in Coffer."""
    return {
        "number": event.number,
        "at": event.at,
        "kind": event.kind,
        "prev": event.prev.hex(),
        "sha256": event.sha256.hex(),
        **_fields(event.happening),
    }


def _fields(happening: Happening) -> dict[str, Any]:
    match happening:
        case PublisherAdded(coffer=coffer, key=key, name=name, may_block=may_block):
            keys = {"id": format_id(key.id), "publisher": format_id(key.sign), "fingerprint": key.fingerprint_text()}
            return {"coffer": coffer, **keys, "name": name, "may_block": may_block}
        case PublisherRemoved(coffer=coffer, publisher=publisher):
            return {"coffer": coffer, "id": format_id(publisher)}
        case ClientBlocked(client=client) | ClientUnblocked(client=client):
            return {"id": format_id(client)}
        case Changed(coffer=coffer, serial=serial, changes=changes):
            return {"coffer": coffer, "serial": serial, "changes": [_change(change) for change in changes]}
        case Released(signed=signed):
            return _release(signed)
        case Pruned(coffer=coffer, first=first):
            return {"coffer": coffer, "first": first}
        case RotationBegun(root_key=root_key) | RotationEnded(root_key=root_key):
            return {"root_key": root_key}
        case RootKeysTakenOver(server=server):
            return {"server": format_id(server)}


def _change(change: Entered | Left) -> dict[str, Any]:
    match change:
        case Entered(id=client, alg=alg, since=since, sha256=sha256, blob_bytes=blob_bytes):
            return {"id": format_id(client), "alg": alg, "since": since, "sha256": sha256.hex(), "bytes": blob_bytes}
        case Left(id=client):
            return {"id": format_id(client)}


def _release(signed: bytes) -> dict[str, Any]:
    head = heads.claimed_untrusted(signed)
    return {
        "coffer": head.coffer,
        "serial": head.serial,
        "count": head.count,
        "root": head.root.hex(),
        "publisher": format_id(head.publisher),
        "signed": signed.hex(),
    }
