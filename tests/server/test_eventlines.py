from __future__ import annotations

import json

import pytest

from coffer_protocol.identity import format_id
from coffer_server.eventlines import EventLines
from coffer_server.store import events
from coffer_server.store.events import (
    BEGINNING,
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

from .publishing import ISSUED, Author, client_id, identity

KEY = identity(1).public()
ID = format_id(KEY.id)
WEB, WORKER = client_id(100), client_id(101)
RELEASE = Author().first({WEB: b"x"})
ENTERED = Entered(id=WEB, alg=2, since=3, sha256=bytes(32), mark=b"0123456789abcdef", blob_bytes=1024)
CHANGED = Changed(coffer="web-shop", serial=3, changes=(ENTERED, Left(id=WORKER)))


def event(happening: Happening, number: int = 7) -> Event:
    return events.event(happening, number=number, at=ISSUED, prev=BEGINNING)


@pytest.mark.parametrize(
    ("happening", "line"),
    [
        (
            PublisherAdded(coffer="web-shop", key=KEY, name="laptop", may_block=True),
            f"publisher-added  web-shop: laptop ({KEY.fingerprint_text()})",
        ),
        (PublisherAdded(coffer="web-shop", key=KEY, name=None, may_block=False), f"publisher-added  web-shop: {KEY.fingerprint_text()}"),
        (PublisherRemoved(coffer="web-shop", publisher=KEY.id), f"publisher-removed  web-shop: {format_id(KEY.id)}"),
        (ClientBlocked(client=WEB), f"client-blocked  {format_id(WEB)}"),
        (ClientUnblocked(client=WEB), f"client-unblocked  {format_id(WEB)}"),
        (CHANGED, "changed  web-shop 3: 1 set, 1 dropped"),
        (RotationBegun(root_key=2), "rotation-begun  root key 2"),
        (RotationEnded(root_key=2), "rotation-ended  root key 2"),
        (RootKeysTakenOver(server=WEB), f"root-keys-taken-over  by server {format_id(WEB)}"),
    ],
)
def test_a_line_says_what_happened_and_when(happening: Happening, line: str) -> None:
    assert EventLines().as_text(event(happening)) == f"7  2025-06-15T15:06:40Z  {line}"


def test_a_release_is_told_by_its_head() -> None:
    line = EventLines().as_text(event(Released(signed=RELEASE.signed)))
    assert line.startswith("7  2025-06-15T15:06:40Z  released  web-shop 1: 2 ")
    assert line.endswith(format_id(RELEASE.head.publisher))


def test_a_publisher_is_named_by_what_the_log_has_said_of_it() -> None:
    lines = EventLines()
    key = Author().key
    lines.as_text(event(PublisherAdded(coffer="web-shop", key=key, name="laptop", may_block=False)))
    label = f"laptop ({key.fingerprint_text()})"
    assert lines.as_text(event(Released(signed=RELEASE.signed))).endswith(f" by {label}")
    removed, blocked = event(PublisherRemoved(coffer="web-shop", publisher=key.id)), event(ClientBlocked(client=key.id))
    for each in (removed, blocked):
        assert lines.as_text(each).endswith(label)
        assert lines.as_json(each)["id"] == format_id(key.id)
    for each in (removed, blocked, event(Released(signed=RELEASE.signed))):
        shown = lines.as_json(each)
        assert (shown["name"], shown["fingerprint"]) == ("laptop", key.fingerprint_text())


def test_json_has_all_of_an_event() -> None:
    shown = EventLines().as_json(event(CHANGED))
    assert shown == {
        "number": 7,
        "at": ISSUED,
        "kind": "changed",
        "prev": BEGINNING.hex(),
        "sha256": event(CHANGED).sha256.hex(),
        "coffer": "web-shop",
        "serial": 3,
        "changes": [{"id": format_id(WEB), "alg": 2, "since": 3, "sha256": "00" * 32, "bytes": 1024}, {"id": format_id(WORKER)}],
    }


def test_json_of_a_release_has_its_signed_bytes() -> None:
    shown = EventLines().as_json(event(Released(signed=RELEASE.signed)))
    assert bytes.fromhex(shown["signed"]) == RELEASE.signed
    assert (shown["coffer"], shown["serial"], shown["count"]) == ("web-shop", 1, 2)
    assert shown["publisher"] == format_id(RELEASE.head.publisher)


@pytest.mark.parametrize(
    ("happening", "fields"),
    [
        (
            PublisherAdded(coffer="c", key=KEY, name=None, may_block=True),
            {
                "coffer": "c",
                "id": ID,
                "publisher": format_id(KEY.sign),
                "fingerprint": KEY.fingerprint_text(),
                "name": None,
                "may_block": True,
            },
        ),
        (PublisherRemoved(coffer="c", publisher=KEY.id), {"coffer": "c", "id": format_id(KEY.id)}),
        (ClientBlocked(client=WEB), {"id": format_id(WEB)}),
        (Pruned(coffer="c", first=9), {"coffer": "c", "first": 9}),
        (RotationEnded(root_key=2), {"root_key": 2}),
        (RootKeysTakenOver(server=WEB), {"server": format_id(WEB)}),
    ],
)
def test_json_names_what_an_event_is_about(happening: Happening, fields: dict[str, object]) -> None:
    shown = EventLines().as_json(event(happening))
    assert {name: value for name, value in shown.items() if name not in ("number", "at", "kind", "prev", "sha256")} == fields


def test_no_mark_is_shown() -> None:
    shown = json.dumps(EventLines().as_json(event(CHANGED))) + EventLines().as_text(event(CHANGED))
    assert ENTERED.mark.hex() not in shown
