"""Fetches on their way into the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
import structlog
import trio
import trio.testing

from coffer_protocol.message import Held
from coffer_protocol.question import Fetch
from coffer_server.adoption import FLUSH_S, Adoption, Noted, merged
from coffer_server.errors import StoreError
from coffer_server.store.base import Receipt

from .publishing import client_id


def fetch(number: int, serial: int = 1) -> Fetch:
    return Fetch(id=client_id(number), serial=serial, at=serial)


def receipt(number: int, serial: int, use: int = 0) -> Receipt:
    held = Held(serial=serial, sha256=bytes(32), use=use, receipt=bytes(64))
    return Receipt(coffer="shop", client=client_id(number), held=held)


def fetches(adoption: Adoption, coffer: str) -> dict[bytes, Fetch]:
    return dict(adoption.noted(coffer, watching={}).fetches)


class Recorder:
    """Takes what is recorded, each time with the moment; fails where a test says so."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, list[tuple[str, Fetch]]]] = []
        self.receipts: list[Receipt] = []
        self.fails = False

    async def record(self, fetches: Iterable[tuple[str, Fetch]], receipts: Iterable[Receipt]) -> None:
        await trio.lowlevel.checkpoint()
        if self.fails:
            raise StoreError("the disk is full")
        self.batches.append((trio.current_time(), list(fetches)))
        self.receipts += receipts


@pytest.mark.trio
async def test_what_is_noted_is_recorded_within_a_second(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    adoption, recorder = Adoption(), Recorder()
    nursery.start_soon(adoption.run, recorder.record)
    await trio.sleep(5)
    began = trio.current_time()
    for number in range(3):
        adoption.note("shop", fetch(number))
    await trio.sleep(FLUSH_S / 2)
    adoption.note("shop", fetch(0, serial=2))
    assert recorder.batches == []
    await trio.sleep(5)
    [(when, batch)] = recorder.batches
    assert when - began == pytest.approx(FLUSH_S)
    assert batch == [("shop", fetch(0, serial=2)), ("shop", fetch(1)), ("shop", fetch(2))]
    assert fetches(adoption, "shop") == {}


@pytest.mark.trio
async def test_what_is_pending_is_known_by_coffer() -> None:
    adoption = Adoption()
    adoption.note("shop", fetch(1))
    adoption.note("billing", fetch(2))
    assert fetches(adoption, "shop") == {client_id(1): fetch(1)}
    assert fetches(adoption, "nowhere") == {}


@pytest.mark.trio
async def test_what_cannot_be_recorded_is_tried_again() -> None:
    adoption, recorder = Adoption(), Recorder()
    adoption.note("shop", fetch(1))
    recorder.fails = True
    with structlog.testing.capture_logs() as events:
        await adoption.flush(recorder.record)
    assert [event["reason"] for event in events] == ["the disk is full"]
    assert fetches(adoption, "shop") == {client_id(1): fetch(1)}
    recorder.fails = False
    await adoption.flush(recorder.record)
    assert [batch for _, batch in recorder.batches] == [[("shop", fetch(1))]]


@pytest.mark.trio
async def test_what_is_noted_while_the_store_writes_stays() -> None:
    adoption = Adoption()
    adoption.note("shop", fetch(1))
    adoption.note("shop", fetch(2))

    async def record(fetches: Iterable[tuple[str, Fetch]], receipts: Iterable[Receipt]) -> None:
        await trio.lowlevel.checkpoint()
        adoption.note("shop", fetch(1, serial=2))

    await adoption.flush(record)
    assert fetches(adoption, "shop") == {client_id(1): fetch(1, serial=2)}


@pytest.mark.trio
async def test_the_receipt_of_the_highest_serial_waits_for_each_use() -> None:
    adoption, recorder = Adoption(), Recorder()
    for held in (receipt(1, 2), receipt(1, 4), receipt(1, 3), receipt(1, 1, use=1)):
        adoption.note_receipt(held)
    waiting = adoption.noted("shop", watching={}).receipts
    assert {key: held.serial for key, held in waiting.items()} == {(client_id(1), 0): 4, (client_id(1), 1): 1}
    assert adoption.noted("billing", watching={}).receipts == {}
    await adoption.flush(recorder.record)
    assert sorted(recorder.receipts, key=lambda item: item.held.use) == [receipt(1, 4), receipt(1, 1, use=1)]
    assert adoption.noted("shop", watching={}).receipts == {}


def test_merged() -> None:
    held = receipt(1, 1).held
    recorded = iter([replace(fetch(1), held=(held, None)), replace(fetch(2), held=(held, None))])
    noted = Noted(
        fetches={client_id(2): fetch(2, serial=5), client_id(3): fetch(3)},
        receipts={(client_id(2), 0): receipt(2, 5).held, (client_id(2), 1): receipt(2, 4, use=1).held},
        watching={client_id(1): 1},
    )
    assert list(merged(recorded, noted)) == [
        replace(fetch(1), held=(held, None), watching=1),
        replace(fetch(2, serial=5), held=(receipt(2, 5).held, receipt(2, 4, use=1).held)),
        fetch(3),
    ]


def test_an_older_receipt_does_not_hide_the_one_that_is_recorded() -> None:
    newer = receipt(1, 7).held
    recorded = iter([replace(fetch(1), held=(newer, None))])
    noted = Noted(fetches={}, receipts={(client_id(1), 0): receipt(1, 6).held}, watching={})
    assert list(merged(recorded, noted)) == [replace(fetch(1), held=(newer, None))]
