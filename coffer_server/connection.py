"""What the server answers: one session, from Hello to its end (PROTOCOL.md, 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio

from coffer_protocol import limits
from coffer_protocol.errors import RemoteProtocolError
from coffer_protocol.identity import format_id
from coffer_protocol.message import (
    Ask,
    Bye,
    Commit,
    Drop,
    Get,
    Hello,
    KeyNotFound,
    Link,
    OkCommit,
    OkGet,
    OkOpen,
    Open,
    Put,
    Reuse,
    Watch,
)
from coffer_protocol.session import ServerSession
from coffer_protocol.suite import Responder

from .channel import Channel
from .config import Settings
from .errors import BusyError, RefusedError, UnsupportedError, WrongSuiteError
from .logs import log, place_of
from .store import rules
from .store.base import Store
from .upload import Upload

# Look-ups at one time: more threads than cores only wait for each other.
_READERS: Final = 8
_LOG_ID_DIGITS: Final = 16

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all connections of a server share.

    Attributes:
        store: releases and publishers.
        responders: makes a responder for each suite that is served.
        settings: the server's.
        folder: where uploads in progress are kept.
        now: seconds since 1970.
    """

    store: Store
    responders: Mapping[int, Callable[[], Responder]]
    settings: Settings
    folder: Path
    now: Callable[[], float]
    _reads: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(_READERS))
    # One writer: a store commits one release at a time, and those that wait should not hold readers' threads.
    _writes: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))
    _uploading: set[bytes] = field(default_factory=set)

    async def read(self, call: Callable[[], _Result]) -> _Result:
        """Run a call that blocks for a short time."""
        return await trio.to_thread.run_sync(call, limiter=self._reads)

    async def write(self, call: Callable[[], _Result]) -> _Result:
        """Run a call that changes the store."""
        return await trio.to_thread.run_sync(call, limiter=self._writes)

    @contextmanager
    def upload_of(self, publisher: bytes) -> Iterator[Upload]:
        """The one upload that a publisher may have open.

        Raises:
            BusyError: it has one.
        """
        if publisher in self._uploading:
            raise BusyError("this publisher has an upload open in another session: wait until it has ended")
        self._uploading.add(publisher)
        try:
            with Upload(self.folder, max_bytes=self.settings.upload_bytes, max_shards=self.settings.upload_shards) as upload:
                yield upload
        finally:
            self._uploading.discard(publisher)


async def serve_connection(service: Service, stream: trio.abc.HalfCloseableStream) -> None:
    """Serve one connection to its end. Whatever goes wrong in it ends here."""
    channel = Channel(stream, ServerSession(service.responders))
    with trio.move_on_after(limits.SESSION_TIMEOUT_S):
        try:
            await _serve_session(service, channel)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            log.debug("connection lost", reason=type(error).__name__)


async def _serve_session(service: Service, channel: Channel) -> None:
    try:
        await _Conversation(service, channel).run()
    except RemoteProtocolError as error:
        log.debug("protocol error", reason=type(error).__name__)
        await channel.refuse(error)
    except RefusedError as error:
        log.debug("refused", code=error.code)
        await channel.fail(error.code, str(error))
    except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
        raise
    except Exception as error:  # noqa: BLE001 (a fault in one connection must not end the others)
        log.error("a connection failed", error=type(error).__name__, place=place_of(error))
        await channel.fail("internal", "the server failed; its log says where")


class _Conversation:
    """The messages of one session, in the order of the table; the session refuses any other."""

    def __init__(self, service: Service, channel: Channel) -> None:
        self._service = service
        self._channel = channel
        self._client = b""

    async def run(self) -> None:
        hello = await self._channel.first_message()
        assert isinstance(hello, Hello)
        self._client = hello.client
        # A Hello may be a replay: nothing is recorded of it. The first frame behind it that opens is the client.
        known = await self._service.read(partial(self._service.store.look_up, self._client))
        if known is None:
            log.debug("unknown client")
            await self._channel.send(KeyNotFound(client=self._client))
            await self._channel.linger()
            return
        self._check_suite(known.suite)
        await self._channel.send(Link())
        while not self._channel.is_over:
            await self._answer()

    def _check_suite(self, suite: int) -> None:
        if suite == self._channel.suite:
            return
        if suite == 1:
            raise WrongSuiteError(
                "this key is registered as a full public key: speak suite 1, or ask your operator to register its 64 hex digits"
            )
        raise WrongSuiteError(
            "this key is registered as a bare NaCl key: speak suite 0, or ask your operator to register its public key text"
        )

    async def _answer(self) -> None:
        match await self._channel.next_message():
            case Get():
                await self._get()
            case Open(coffer=coffer):
                await self._publish(coffer)
            case Watch() | Ask():
                raise UnsupportedError("this server does not answer that yet")
            case Bye():
                pass

    async def _get(self) -> None:
        fetched = await self._service.read(partial(self._service.store.fetch, self._client))
        self._check_suite(rules.SUITE_OF_ALG[fetched.body.alg])
        await self._channel.send(OkGet(coffer=fetched.body.encode()))
        log.info("fetch served", client=self._log_id, coffer=fetched.coffer, serial=fetched.serial)

    async def _publish(self, coffer: str) -> None:
        with self._service.upload_of(self._client) as upload:
            await self._channel.send(await self._service.read(partial(self._listing, coffer)))
            while True:
                match await self._channel.next_message():
                    case Put() | Reuse() | Drop() as change:
                        upload.add(change)
                        if upload.wants_flush:
                            await self._service.read(upload.flush)
                    case Commit(signed=signed):
                        await self._commit(coffer, signed, upload)
                        return
                    case _:
                        return

    def _listing(self, coffer: str) -> OkOpen:
        with self._service.store.current(coffer=coffer, publisher=self._client) as current:
            return OkOpen.pack(current.signed, current.entries)

    async def _commit(self, coffer: str, signed: bytes, upload: Upload) -> None:
        serial = await self._service.write(
            lambda: self._service.store.commit(
                coffer=coffer, publisher=self._client, signed=signed, changes=upload.changes(), now=int(self._service.now())
            )
        )
        log.info(
            "release committed",
            coffer=coffer,
            serial=serial,
            publisher=self._log_id,
            **{kind.__name__.lower(): count for kind, count in upload.counts.items()},
        )
        await self._channel.send(OkCommit(serial=serial))

    @property
    def _log_id(self) -> str:
        """Enough of the client's id to know it by."""
        return format_id(self._client)[:_LOG_ID_DIGITS]
