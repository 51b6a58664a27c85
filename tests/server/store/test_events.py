"""The event log's entries, and their chain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coffer_server.errors import EventError
from coffer_server.store import events
from coffer_server.store.events import (
    BEGINNING,
    CHANGES_PER_EVENT,
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

from ..publishing import ISSUED, identity

KEY = identity(1).public()
ENTERED = Entered(id=KEY.id, alg=2, since=1, sha256=bytes(32), mark=bytes(16), blob_bytes=1 << 20)
HAPPENINGS: list[Happening] = [
    PublisherAdded(coffer="web-shop", key=KEY, name="laptop", may_block=True),
    PublisherAdded(coffer="web-shop", key=KEY, name=None, may_block=False),
    PublisherRemoved(coffer="web-shop", publisher=KEY.id),
    ClientBlocked(client=KEY.id),
    ClientUnblocked(client=KEY.id),
    Changed(coffer="web-shop", serial=3, changes=(ENTERED, Left(id=bytes(32)))),
    Changed(coffer="web-shop", serial=3, changes=(ENTERED,) * CHANGES_PER_EVENT),
    Released(signed=b"signed"),
    Pruned(coffer="web-shop", first=9),
    RotationBegun(root_key=2),
    RotationEnded(root_key=2),
    RootKeysTakenOver(server=identity(9).id()),
]


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda happening: type(happening).__name__)
def test_what_was_written_is_read(happening: Happening) -> None:
    assert events.event(happening, number=1, at=ISSUED, prev=BEGINNING).happening == happening


def test_every_kind_is_tried() -> None:
    assert {type(happening) for happening in HAPPENINGS} == set(events.KINDS)


def test_the_hash_covers_everything() -> None:
    event = events.event(RotationBegun(root_key=1), number=1, at=ISSUED, prev=BEGINNING)
    others = [
        replace(event, number=2),
        replace(event, at=ISSUED + 1),
        replace(event, kind="rotation-ended"),
        replace(event, body=event.body + b"\0"),
        replace(event, prev=bytes(32)),
    ]
    assert len({event.sha256, *(other.sha256 for other in others)}) == len(others) + 1


@pytest.mark.parametrize(("kind", "body"), [("unknown", b"\xa0"), ("pruned", b"\xa0"), ("pruned", b"\xff"), ("changed", b"\x01")])
def test_what_is_no_event_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(EventError, match="event 7"):
        _ = Event(number=7, at=ISSUED, kind=kind, body=body, prev=bytes(32)).happening
