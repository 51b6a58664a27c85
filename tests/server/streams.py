"""A client over a trio stream, for tests of the server in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio
import trio.testing

from coffer_protocol.identity import Identity
from coffer_protocol.message import Error, Link, Message
from coffer_protocol.session import ClientSession
from coffer_protocol.suite.box import BoxInitiator, BoxResponder
from coffer_protocol.suite.noise import NoiseInitiator, NoiseResponder, hint
from coffer_server.config import Settings
from coffer_server.connection import serve_connection
from coffer_server.service import Service
from coffer_server.store.base import Store

from .publishing import ISSUED, identity

SERVER = identity(99)

_Wanted = TypeVar("_Wanted", bound=Message)
_Result = TypeVar("_Result")


class InlineService(Service):
    """Calls the store in the loop's own thread: a clock that jumps when all tasks wait would not wait for another."""

    async def in_thread(self, call: Callable[[], _Result], limiter: trio.CapacityLimiter) -> _Result:
        await trio.lowlevel.checkpoint()
        return call()


def service_of(store: Store, folder: Path, settings: Settings | None = None, *, now: Callable[[], float] = lambda: ISSUED) -> Service:
    """A server's service, with `SERVER` as its identity, and a clock that stands where no other is given."""
    keys = {hint(SERVER.id()): SERVER.box_secret()}
    return InlineService(
        store=store,
        responders={1: lambda: NoiseResponder(keys), 0: lambda: BoxResponder(SERVER.plain_secret())},
        settings=settings or Settings(),
        folder=folder,
        now=now,
    )


class StreamClient:
    """One session."""

    def __init__(self, stream: trio.abc.HalfCloseableStream, identity: Identity, *, plain: bool = False) -> None:
        self.stream = stream
        initiator = BoxInitiator(identity, SERVER.plain_id()) if plain else NoiseInitiator(identity, SERVER.id())
        self.session = ClientSession(initiator)

    async def hello(self) -> None:
        """Send Hello."""
        await self.stream.send_all(self.session.hello())

    async def link(self) -> None:
        """Send Hello, and receive Link."""
        await self.hello()
        await self.expect(Link)

    async def send(self, *messages: Message) -> None:
        """Send messages."""
        for message in messages:
            await self.stream.send_all(self.session.send(message))

    async def receive(self) -> Message:
        """The server's next message."""
        while (message := self.session.next_message()) is None:
            self.session.receive(bytes(await self.stream.receive_some(65536)))
        return message

    async def expect(self, kind: type[_Wanted]) -> _Wanted:
        """The server's next message, which must be of this kind."""
        message = await self.receive()
        assert isinstance(message, kind), message
        return message

    async def expect_error(self, code: str) -> Error:
        """The server's next message, which must be an Error with this code."""
        error = await self.expect(Error)
        assert error.code == code, error
        return error

    async def say(self, message: Message, kind: type[_Wanted]) -> _Wanted:
        """Send a message, and receive an answer of this kind."""
        await self.send(message)
        return await self.expect(kind)

    async def bye(self) -> None:
        """Send Bye, and see that the server closes."""
        await self.stream.send_all(self.session.bye())
        await self.expect_end()

    async def expect_end(self) -> None:
        """See that the server says nothing more, and closes."""
        assert await self.stream.receive_some(65536) == b""

    async def close(self) -> None:
        """Close without a word."""
        await trio.aclose_forcefully(self.stream)


class Dialer:
    """Connects clients to a service in memory; each connection is a task of `nursery`."""

    def __init__(self, service: Service, nursery: trio.Nursery) -> None:
        self.service = service
        self._nursery = nursery

    def connect(self, identity: Identity, *, plain: bool = False) -> StreamClient:
        """A connection on which nothing has been said."""
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self._serve, theirs)
        return StreamClient(ours, identity, plain=plain)

    async def link(self, identity: Identity, *, plain: bool = False) -> StreamClient:
        """A session that has been linked."""
        client = self.connect(identity, plain=plain)
        await client.link()
        return client

    async def _serve(self, stream: trio.abc.HalfCloseableStream) -> None:
        # As trio.serve_listeners does it.
        try:
            await serve_connection(self.service, stream)
        finally:
            await trio.aclose_forcefully(stream)
