"""The kinds of network, each with a way to run what waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from coffer_client.conversation.network import Network
from coffer_client.io.blocking import Sockets, finish
from coffer_client.io.eventloop import EventLoop

BACKENDS = ("asyncio", "trio")
DRIVERS = ("sockets", *BACKENDS)

T = TypeVar("T")


def drive(driver: str, work: Callable[[Network], Awaitable[T]]) -> T:
    """What `work` returns, of a network of that kind."""

    async def main(network: Network) -> T:
        return await work(network)

    if driver in BACKENDS:
        return anyio.run(main, EventLoop(), backend=driver)
    return finish(main(Sockets()))
