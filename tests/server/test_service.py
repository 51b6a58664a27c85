from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from coffer_protocol.question import Fetch
from coffer_server.config import Settings
from coffer_server.errors import BusyError, DeniedError, StoreError, TooLargeError
from coffer_server.service import PRUNE_S, Service
from coffer_server.store.base import Retention
from tests.server.memory_store import MemoryStore

from .publishing import ISSUED, Author, client_id
from .streams import service_of

pytestmark = pytest.mark.trio

COFFER = "web-shop"


class CountingStore(MemoryStore):
    """Notes how it is pruned, and fails where a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.pruned: list[Retention] = []
        self.fault: StoreError | None = None
        self.heard: Callable[[str, int], None] | None = None

    def prune(self, retention: Retention, *, now: int) -> int:
        self.pruned.append(retention)
        if self.fault is not None:
            raise self.fault
        return super().prune(retention, now=now)

    def follow(self, heard: Callable[[str, int], None]) -> None:
        self.heard = heard


class Noting:
    """A watcher that notes that it was woken."""

    is_answered = False
    client = client_id(100)
    serial = 1

    def __init__(self) -> None:
        self.reached: list[object] = []

    def reach(self, fetched: object) -> None:
        self.reached.append(fetched)

    def wake(self) -> None:
        self.reached.append(None)


@pytest.fixture
def store() -> CountingStore:
    """Empty."""
    return CountingStore()


@pytest.fixture
def service(store: CountingStore, tmp_path: Path) -> Service:
    """A service over the store."""
    return service_of(store, tmp_path, Settings(keep_releases=3, keep_days=2, upload_shards=1))


async def test_a_coffer_has_one_upload_open(service: Service) -> None:
    with service.upload_of(COFFER):
        with pytest.raises(BusyError), service.upload_of(COFFER):
            pass
        with service.upload_of("billing"):
            pass
    with service.upload_of(COFFER):
        pass


async def test_an_upload_that_fails_is_not_open_any_more(service: Service) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), service.upload_of(COFFER):
            _ = 1 // 0


async def test_an_upload_has_the_limits_of_the_settings(service: Service) -> None:
    author = Author()
    with service.upload_of(COFFER) as upload:
        upload.add(author.put(client_id(1), b"x"))
        with pytest.raises(TooLargeError):
            upload.add(author.put(client_id(2), b"x"))


async def test_a_write_that_the_store_refuses_is_noted(service: Service) -> None:
    def fail() -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        await service.write(fail)
    assert service.write_status.refused is not None
    assert service.write_status.refused.reason == "the disk is full"
    assert await service.write(lambda: 7) == 7
    assert service.write_status.refused is None


async def test_a_request_that_is_denied_says_nothing_of_the_store(service: Service) -> None:
    def deny() -> None:
        raise DeniedError("not yours")

    with pytest.raises(DeniedError):
        await service.write(deny)
    assert service.write_status.refused is None


async def test_old_releases_are_looked_for_at_the_start_and_after_each_commit(
    service: Service, store: CountingStore, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(service.run)
    await trio.testing.wait_all_tasks_blocked()
    assert store.pruned == [Retention(releases=3, age_s=2 * 86400)]
    service.committed("web-shop", 1)
    await trio.testing.wait_all_tasks_blocked()
    assert len(store.pruned) == 2


async def test_they_are_looked_for_each_hour_even_after_a_failure(
    service: Service, store: CountingStore, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    store.fault = StoreError("it is locked")
    nursery.start_soon(service.run)
    await trio.sleep(PRUNE_S * 2.5)
    assert len(store.pruned) == 3


async def test_a_release_that_the_store_hears_of_reaches_watchers(
    service: Service, store: CountingStore, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(service.run)
    await trio.testing.wait_all_tasks_blocked()
    assert store.heard is not None
    watcher = Noting()
    with service.broadcast.watching("web-shop", watcher):
        # From a thread of the store's own.
        await trio.to_thread.run_sync(store.heard, "web-shop", 1)
        await trio.sleep(1)
    assert watcher.reached == [None]


async def test_what_only_memory_has_is_written_at_the_end(service: Service, store: CountingStore) -> None:
    author = Author()
    store.add_publisher(coffer=author.coffer, key=author.key, name=None, now=ISSUED)
    release = author.first()
    store.commit(coffer=author.coffer, publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    fetch = Fetch(id=author.key.id, serial=1, at=ISSUED)
    service.adoption.note(author.coffer, fetch)
    await service.flush()
    with store.fetches(coffer=author.coffer, publisher=author.key.id) as recorded:
        assert list(recorded) == [fetch]
    assert service.noted(author.coffer).fetches == {}
