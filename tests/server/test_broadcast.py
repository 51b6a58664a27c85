"""The broadcast, with watchers that only note what reaches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import pytest
import structlog
import trio
import trio.testing

from coffer_protocol.release.coffer import SealedAnswer
from coffer_server.broadcast import Broadcast
from coffer_server.errors import StoreError
from coffer_server.store.base import Fetched

from .publishing import client_id

pytestmark = pytest.mark.trio


class Noting:
    """A watcher."""

    def __init__(self, number: int) -> None:
        self.client = client_id(number)
        self.serial = 1
        self.is_answered = False
        self.reached: list[Fetched | None] = []
        self.wakings = 0

    def reach(self, fetched: Fetched | None) -> None:
        self.reached.append(fetched)

    def wake(self) -> None:
        self.wakings += 1


class Releases:
    """What the broadcast reads: the clients it asked for, batch by batch."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []
        self.serial = 1
        self.fails = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def fetch_all(self, clients: Sequence[bytes]) -> dict[bytes, Fetched]:
        await trio.lowlevel.checkpoint()
        self.asked.append(list(clients))
        self.meanwhile()
        if self.fails:
            raise StoreError("the disk is gone")
        body = SealedAnswer(signed=b"", index=0, path=(), alg=2, since=1, blob=b"")
        # Nobody's number is above 1000.
        return {client: Fetched(coffer="shop", serial=self.serial, body=body) for client in clients if client < client_id(1000)}


@pytest.fixture
async def releases(nursery: trio.Nursery) -> Releases:
    """What the broadcast of the test reads."""
    return Releases()


@pytest.fixture
async def broadcast(releases: Releases, nursery: trio.Nursery) -> Broadcast:
    """A broadcast that runs."""
    made = Broadcast()
    nursery.start_soon(made.run, releases.fetch_all)
    return made


def serials(watcher: Noting) -> list[int | None]:
    return [None if fetched is None else fetched.serial for fetched in watcher.reached]


async def test_only_watchers_of_that_coffer_are_reached(broadcast: Broadcast, releases: Releases) -> None:
    one, other = Noting(1), Noting(2)
    with broadcast.watching("shop", one), broadcast.watching("billing", other):
        broadcast.announce("shop", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert (serials(one), serials(other)) == ([1], [])
        assert releases.asked == [[one.client]]
        assert (broadcast.newest("shop"), broadcast.newest("billing")) == (1, 0)


async def test_nobody_is_read_for_where_nobody_watches(broadcast: Broadcast, releases: Releases) -> None:
    with broadcast.watching("shop", Noting(1)):
        pass
    broadcast.announce("shop", 1)
    await trio.testing.wait_all_tasks_blocked()
    assert releases.asked == []
    assert broadcast.newest("shop") == 1


async def test_who_has_no_shard_any_more_is_reached_with_nothing(broadcast: Broadcast) -> None:
    dropped = Noting(1000)
    with broadcast.watching("shop", dropped):
        broadcast.announce("shop", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert serials(dropped) == [None]


async def test_many_are_read_for_in_few_batches(broadcast: Broadcast, releases: Releases) -> None:
    watchers = [Noting(number) for number in range(900)]
    with ExitStack() as stack:
        for watcher in watchers:
            stack.enter_context(broadcast.watching("shop", watcher))
        broadcast.announce("shop", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert all(serials(watcher) == [1] for watcher in watchers)
        assert len(releases.asked) == 4


async def test_one_that_has_its_answer_or_has_gone_is_left_out(broadcast: Broadcast, releases: Releases) -> None:
    answered, gone = Noting(1), Noting(2)
    answered.is_answered = True
    with broadcast.watching("shop", answered), ExitStack() as stack:
        stack.enter_context(broadcast.watching("shop", gone))
        releases.meanwhile = stack.close
        broadcast.announce("shop", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert releases.asked == [[gone.client]]
        assert (serials(answered), serials(gone)) == ([], [])


async def test_a_release_while_another_is_on_its_way(broadcast: Broadcast, releases: Releases) -> None:
    watcher = Noting(1)

    def commit_another() -> None:
        releases.serial = 2
        releases.meanwhile = lambda: None
        broadcast.announce("shop", 2)

    releases.meanwhile = commit_another
    with broadcast.watching("shop", watcher):
        broadcast.announce("shop", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert serials(watcher) == [2, 2]


async def test_a_store_that_fails_leaves_it_to_the_watchers(broadcast: Broadcast, releases: Releases) -> None:
    watcher = Noting(1)
    releases.fails = True
    with broadcast.watching("shop", watcher), structlog.testing.capture_logs() as events:
        broadcast.announce("shop", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert serials(watcher) == [None]
        assert [event["reason"] for event in events] == ["the disk is gone"]
        releases.fails = False
        broadcast.announce("shop", 2)
        await trio.testing.wait_all_tasks_blocked()
        assert serials(watcher) == [None, 1]


class Failing(Noting):
    """A watcher with a fault."""

    def reach(self, fetched: Fetched | None) -> None:
        raise ZeroDivisionError("canary-11d0")


async def test_a_fault_in_one_does_not_keep_it_from_others(broadcast: Broadcast) -> None:
    failing, others = Failing(1), [Noting(2), Noting(3)]
    with ExitStack() as stack, structlog.testing.capture_logs() as events:
        for watcher in (failing, *others):
            stack.enter_context(broadcast.watching("shop", watcher))
        broadcast.announce("shop", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert [serials(watcher) for watcher in others] == [[1], [1]]
        assert failing.wakings == 1
    assert [event["error"] for event in events] == ["ZeroDivisionError"]
    assert "canary-11d0" not in str(events)


async def test_stopping_wakes_those_who_wait_and_those_who_come(broadcast: Broadcast) -> None:
    early, late = Noting(1), Noting(2)
    with broadcast.watching("shop", early):
        assert not broadcast.is_stopping
        broadcast.stop()
        with broadcast.watching("shop", late):
            assert (early.wakings, late.wakings) == (1, 1)
    assert broadcast.is_stopping


@pytest.mark.trio
async def test_the_lowest_serial_that_a_client_watches_at() -> None:
    broadcast = Broadcast()
    low, high, other = Noting(1), Noting(1), Noting(2)
    low.serial, high.serial, other.serial = 3, 5, 4
    with broadcast.watching("shop", high), broadcast.watching("shop", low), broadcast.watching("shop", other):
        assert broadcast.watched("shop") == {client_id(1): 3, client_id(2): 4}
        assert broadcast.watched("billing") == {}
    assert broadcast.watched("shop") == {}
