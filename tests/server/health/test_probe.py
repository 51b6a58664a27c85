"""How a server finds out how it is, over stores that are well and stores that are not, in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
import trio
import trio.testing

from coffer_protocol.message import Watch
from coffer_server.config import Settings
from coffer_server.errors import StoreError
from coffer_server.health import probe as checkup
from coffer_server.health.probe import Probe
from coffer_server.health.report import Health, Reads, Writes
from coffer_server.service import Service
from coffer_server.store.base import StoreStatus, Trouble
from coffer_server.store.open import open_sqlite
from coffer_server.store.sql.database import BUSY_TIMEOUT_S
from tests.server.memory_store import MemoryStore

from ..conftest import make_read_only
from ..publishing import AT_REST_KEY, ISSUED, Author
from ..streams import Dialer, service_of

pytestmark = pytest.mark.trio


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.at = float(ISSUED)

    def __call__(self) -> float:
        return self.at


class Ailing(MemoryStore):
    """A store that can be ill."""

    def __init__(self) -> None:
        super().__init__()
        self.away: Trouble | None = None
        self.reading: StoreError | None = None
        self.writing: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.attempts = 0

    def status(self) -> StoreStatus:
        if self.reading is not None:
            raise self.reading
        return replace(super().status(), away=self.away)

    def try_writing(self) -> None:
        self.attempts += 1
        self.meanwhile()
        if self.writing is not None:
            raise self.writing


class Patient:
    """A server that can be ill, and who looks at it."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self.store = Ailing()
        self.clock = Clock()
        self.service = service_of(self.store, folder, now=self.clock)
        self._checkup = Probe(self.service, ["127.0.0.1:26337"], lambda: 5)
        nursery.start_soon(self._checkup.run)

    async def examine(self) -> Health:
        return await self._checkup.examine()


@pytest.fixture
async def patient(tmp_path: Path, nursery: trio.Nursery) -> Patient:
    return Patient(tmp_path, nursery)


async def test_one_that_is_well(patient: Patient) -> None:
    author = Author()
    patient.store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    release = author.first()
    patient.store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    patient.clock.at += 60
    health = await patient.examine()
    assert (health.status, health.reads, health.writes) == ("ok", Reads.DATABASE, Writes.ACCEPTED)
    assert (health.at, health.started) == (ISSUED + 60, ISSUED)
    assert (health.event, health.releases) == (2, {"web-shop": 1})
    assert (health.listening, health.connections, health.max_connections) == (("127.0.0.1:26337",), 5, 16_384)
    assert health.reads_trouble is health.writes_trouble is None
    assert not health.is_stopping


async def test_a_database_that_is_away(patient: Patient) -> None:
    patient.store.away = Trouble(since=ISSUED - 5, reason="connection refused")
    health = await patient.examine()
    assert (health.status, health.reads, health.reads_trouble) == ("degraded", Reads.MEMORY, patient.store.away)
    assert (health.writes, health.writes_trouble) == (Writes.REFUSED, Trouble(since=ISSUED - 5, reason="the database is away"))
    # Nobody waits for an attempt that cannot succeed.
    assert patient.store.attempts == 0
    patient.store.away = None
    assert (await patient.examine()).status == "ok"


async def test_a_store_that_cannot_be_read(patient: Patient) -> None:
    patient.store.reading = StoreError("it is damaged")
    for _ in range(2):
        health = await patient.examine()
        assert (health.status, health.reads, health.event, health.releases) == ("degraded", Reads.FAILING, None, {})
        assert health.reads_trouble == Trouble(since=ISSUED, reason="it is damaged")
        patient.clock.at += 1
    patient.store.reading = None
    health = await patient.examine()
    assert (health.reads, health.reads_trouble) == (Reads.DATABASE, None)


async def test_a_store_that_cannot_be_written(patient: Patient) -> None:
    patient.store.writing = StoreError("the disk is full")
    for attempt in range(1, 3):
        health = await patient.examine()
        assert (health.status, health.writes) == ("degraded", Writes.REFUSED)
        assert health.writes_trouble == Trouble(since=ISSUED, reason="the disk is full")
        assert patient.store.attempts == attempt
        patient.clock.at += 1
    patient.store.writing = None
    assert (await patient.examine()).writes is Writes.ACCEPTED


async def test_a_fault_ends_nothing(patient: Patient) -> None:
    patient.store.writing = ZeroDivisionError("canary-03be")
    with structlog.testing.capture_logs() as logged:
        assert (await patient.examine()).writes is Writes.REFUSED
    [fault] = [event for event in logged if event["log_level"] == "error"]
    assert (fault["event"], fault["error"]) == ("the trial write failed", "ZeroDivisionError")
    assert "canary-03be" not in str(logged)
    patient.store.writing = None
    assert (await patient.examine()).writes is Writes.ACCEPTED


async def test_an_upload_that_was_refused_is_told_of_until_writing_works(patient: Patient) -> None:
    def fail() -> None:
        raise StoreError("the disk fails")

    patient.store.writing = StoreError("the disk still fails")
    with pytest.raises(StoreError):
        await patient.service.write(fail)
    patient.clock.at += 30
    assert (await patient.examine()).writes_trouble == Trouble(since=ISSUED, reason="the disk still fails")
    await patient.service.write(lambda: None)
    assert (await patient.examine()).writes is Writes.ACCEPTED


async def test_a_folder_without_room_for_an_upload(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise StoreError(f"cannot keep an upload in progress in {folder}: No space left on device")

    # A small write still succeeds. It does not prove that there is room for an upload.
    await patient.service.write(lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(checkup, "check_room", refuse)
        for _ in range(2):
            health = await patient.examine()
            assert (health.status, health.reads, health.writes) == ("degraded", Reads.DATABASE, Writes.REFUSED)
            assert health.writes_trouble is not None
            assert health.writes_trouble.since == ISSUED
            assert "No space left" in health.writes_trouble.reason
            patient.clock.at += 20
    assert patient.store.attempts == 0
    assert (await patient.examine()).writes is Writes.ACCEPTED


async def test_who_asks_often_does_not_write_often(patient: Patient) -> None:
    for _ in range(10):
        await patient.examine()
        patient.clock.at += 1
    assert patient.store.attempts == 1
    await patient.examine()
    assert patient.store.attempts == 2
    # A write for a publisher proves as much as a trial write.
    await patient.service.write(lambda: None)
    await patient.examine()
    assert patient.store.attempts == 2


async def test_one_that_stops(patient: Patient) -> None:
    patient.service.broadcast.stop()
    assert (await patient.examine()).status == "stopping"


async def test_watchers_are_counted(patient: Patient, nursery: trio.Nursery) -> None:
    author = Author()
    patient.store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    release = author.first()
    patient.store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    dialer = Dialer(patient.service, nursery)
    for count in (1, 2):
        client = await dialer.link(author.identity)
        await client.send(Watch(serial=1))
        await trio.testing.wait_all_tasks_blocked()
        assert (await patient.examine()).watchers == count


# ---------------------------------------------------------------------------------------------- writes that take long


async def test_who_asks_does_not_wait_for_a_write_that_takes_long(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "_PATIENCE_S", 0.01)
    store, clock, ends, has_begun = Ailing(), Clock(), threading.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()

    def hang() -> None:
        token.run_sync_soon(has_begun.set)
        assert ends.wait(60)

    # One that writes in a thread, as a server does.
    service = Service(store=store, responders={}, settings=Settings(), folder=tmp_path, now=clock)
    looking = Probe(service, [], lambda: 0)
    store.meanwhile = hang
    try:
        nursery.start_soon(looking.run)
        # Its own attempt, which goes on behind it.
        assert (await looking.examine()).writes is Writes.ACCEPTED
        await has_begun.wait()
        clock.at += BUSY_TIMEOUT_S + 1
        health = await looking.examine()
        assert (health.status, health.writes) == ("degraded", Writes.WAITING)
        assert health.writes_trouble == Trouble(since=ISSUED, reason="a write has not finished")
        assert store.attempts == 1
    finally:
        ends.set()
        nursery.cancel_scope.cancel()


# ------------------------------------------------------------------------------------------------------- what SQLite says


async def test_on_sqlite(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / "coffer.sqlite3"
    with closing(open_sqlite(path, at_rest_key=AT_REST_KEY)) as store:
        looking = Probe(service_of(store, tmp_path), [], lambda: 0)
        nursery.start_soon(looking.run)
        health = await looking.examine()
        assert (health.status, health.database, health.event) == ("ok", str(path), 0)
        nursery.cancel_scope.cancel()


async def test_a_folder_that_has_become_read_only(as_anybody: Path, nursery: trio.Nursery) -> None:
    author = Author()
    with closing(open_sqlite(as_anybody / "coffer.sqlite3", at_rest_key=AT_REST_KEY)) as store:
        store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
        release = author.first()
        store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
        looking = Probe(service_of(store, as_anybody), [], lambda: 0)
        nursery.start_soon(looking.run)
        assert (await looking.examine()).status == "ok"
        make_read_only(as_anybody)
        health = await looking.examine()
        assert (health.status, health.reads, health.writes) == ("degraded", Reads.DATABASE, Writes.REFUSED)
        assert health.releases == {author.coffer: 1}
        assert health.writes_trouble is not None
        assert f"cannot keep an upload in progress in {as_anybody}: Permission denied" in health.writes_trouble.reason
        nursery.cancel_scope.cancel()
