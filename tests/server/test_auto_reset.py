from __future__ import annotations

import pytest
import trio
import trio.testing

from coffer_server.auto_reset import AutoResetEvent

pytestmark = pytest.mark.trio


async def test_it_wakes_the_task_that_waits() -> None:
    event, woken = AutoResetEvent(), list[int]()

    async def wait() -> None:
        await event.wait()
        woken.append(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert woken == []
        event.set()
    assert woken == [1]


async def test_what_was_set_before_is_not_missed_and_counts_once(autojump_clock: trio.testing.MockClock) -> None:
    event = AutoResetEvent()
    event.set()
    event.set()
    await event.wait()
    with trio.move_on_after(60) as again:
        await event.wait()
    assert again.cancelled_caught


async def test_a_wait_that_is_cancelled_takes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    event = AutoResetEvent()
    with trio.move_on_after(1):
        await event.wait()
    event.set()
    with trio.fail_after(1):
        await event.wait()
