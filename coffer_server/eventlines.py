"""The rendering of events for `coffer-server log`: as a line of text for people, as an object for scripts."""

from __future__ import annotations

from typing import Any

from coffer_common import times
from coffer_common.identifiers import publisher_label
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


class EventLines:
    """Renders events in their order, from the first on: a publisher is named by what the log has said of it before."""

    def __init__(self) -> None:
        self._publishers: dict[bytes, PublisherAdded] = {}

    def as_text(self, event: Event) -> str:
        """Return an event as one line: number, time, kind and subject."""
        self._note(event)
        return f"{event.number}  {times.show(event.at)}  {event.kind}  {self._sentence(event.happening)}"

    def as_json(self, event: Event) -> dict[str, Any]:
        """Return an event as one object, complete: hashes and heads as lower-case hex, ids and publisher keys as elsewhere in Coffer."""
        self._note(event)
        return {
            "number": event.number,
            "at": event.at,
            "kind": event.kind,
            "prev": event.prev.hex(),
            "sha256": event.sha256.hex(),
            **self._fields(event.happening),
        }

    def _note(self, event: Event) -> None:
        if isinstance(event.happening, PublisherAdded):
            # Sessions know a publisher by its id, and heads by its signing key.
            self._publishers[event.happening.key.id] = self._publishers[event.happening.key.sign] = event.happening

    def _label(self, key: bytes) -> str:
        """Return what people know a publisher, or a client, by whose id or signing key this is."""
        added = self._publishers.get(key)
        return format_id(key) if added is None else publisher_label(added.name, added.key)

    def _publisher(self, key: bytes) -> dict[str, Any]:
        added = self._publishers.get(key)
        return {} if added is None else {"fingerprint": added.key.fingerprint_text(), "name": added.name}

    def _sentence(self, happening: Happening) -> str:
        match happening:
            case PublisherAdded(coffer=coffer, key=key):
                return f"{coffer}: {self._label(key.id)}"
            case PublisherRemoved(coffer=coffer, publisher=publisher):
                return f"{coffer}: {self._label(publisher)}"
            case ClientBlocked(client=client) | ClientUnblocked(client=client):
                return self._label(client)
            case Changed(coffer=coffer, serial=serial, changes=changes):
                left = sum(isinstance(change, Left) for change in changes)
                return f"{coffer} {serial}: {len(changes) - left} set, {left} dropped"
            case Released(signed=signed):
                head = heads.claimed_untrusted(signed)
                return f"{head.coffer} {head.serial}: {head.count} keys, publishers among them, by {self._label(head.publisher)}"
            case Pruned(coffer=coffer, first=first):
                return f"{coffer}: contents of releases before {first}"
            case RotationBegun(root_key=root_key) | RotationEnded(root_key=root_key):
                return f"root key {root_key}"
            case RootKeysTakenOver(server=server):
                return f"by server {format_id(server)}"

    def _fields(self, happening: Happening) -> dict[str, Any]:
        match happening:
            case PublisherAdded(coffer=coffer, key=key, may_block=may_block):
                keys = {"id": format_id(key.id), "publisher": format_id(key.sign)}
                return {"coffer": coffer, **keys, **self._publisher(key.id), "may_block": may_block}
            case PublisherRemoved(coffer=coffer, publisher=publisher):
                return {"coffer": coffer, "id": format_id(publisher), **self._publisher(publisher)}
            case ClientBlocked(client=client) | ClientUnblocked(client=client):
                return {"id": format_id(client), **self._publisher(client)}
            case Changed(coffer=coffer, serial=serial, changes=changes):
                return {"coffer": coffer, "serial": serial, "changes": [_change(change) for change in changes]}
            case Released(signed=signed):
                head = heads.claimed_untrusted(signed)
                return {
                    "coffer": head.coffer,
                    "serial": head.serial,
                    "count": head.count,
                    "root": head.root.hex(),
                    "publisher": format_id(head.publisher),
                    **self._publisher(head.publisher),
                    "signed": signed.hex(),
                }
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
