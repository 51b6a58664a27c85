"""Fetches on their way into the store."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import structlog
import trio
import trio.testing

from coffer_protocol.question import Fetch
from coffer_server.adoption import FLUSH_S, Adoption, merged
from coffer_server.errors import StoreError

from .publishing import client_id


def fetch(number: int, serial: int = 1) -> Fetch:
    return Fetch(id=client_id(number), serial=serial, at=serial)


class Recorder:
    """Takes what is recorded, each time with the moment; fails where a test says so."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, list[tuple[str, Fetch]]]] = []
        self.fails = False

    async def record(self, fetches: Iterable[tuple[str, Fetch]]) -> None:
        await trio.lowlevel.checkpoint()
        if self.fails:
            raise StoreError("the disk is full")
        self.batches.append((trio.current_time(), list(fetches)))


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
    assert adoption.pending("shop") == {}


@pytest.mark.trio
async def test_what_is_pending_is_known_by_coffer() -> None:
    adoption = Adoption()
    adoption.note("shop", fetch(1))
    adoption.note("billing", fetch(2))
    assert adoption.pending("shop") == {client_id(1): fetch(1)}
    assert adoption.pending("nowhere") == {}


@pytest.mark.trio
async def test_what_cannot_be_recorded_is_tried_again() -> None:
    adoption, recorder = Adoption(), Recorder()
    adoption.note("shop", fetch(1))
    recorder.fails = True
    with structlog.testing.capture_logs() as events:
        await adoption.flush(recorder.record)
    assert [event["reason"] for event in events] == ["the disk is full"]
    assert adoption.pending("shop") == {client_id(1): fetch(1)}
    recorder.fails = False
    await adoption.flush(recorder.record)
    assert [batch for _, batch in recorder.batches] == [[("shop", fetch(1))]]


@pytest.mark.trio
async def test_what_is_noted_while_the_store_writes_stays() -> None:
    adoption = Adoption()
    adoption.note("shop", fetch(1))
    adoption.note("shop", fetch(2))

    async def record(fetches: Iterable[tuple[str, Fetch]]) -> None:
        await trio.lowlevel.checkpoint()
        adoption.note("shop", fetch(1, serial=2))

    await adoption.flush(record)
    assert adoption.pending("shop") == {client_id(1): fetch(1, serial=2)}


def test_merged() -> None:
    recorded = iter([fetch(1), fetch(2)])
    pending = {client_id(2): fetch(2, serial=5), client_id(3): fetch(3)}
    assert list(merged(recorded, pending)) == [fetch(1), fetch(2, serial=5), fetch(3)]
    assert len(pending) == 2
