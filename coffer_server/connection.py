"""What the server answers: one session, from Hello to its end (docs/protocol.md, 3)."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

import trio

from coffer_common.identifiers import publisher_label
from coffer_protocol import limits
from coffer_protocol import question as questions
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import RemoteProtocolError
from coffer_protocol.message import (
    Ask,
    Bye,
    Commit,
    Drop,
    Enrol,
    Get,
    Held,
    Hello,
    KeyNotFound,
    Link,
    Message,
    OkCommit,
    OkOpen,
    Open,
    Put,
    Reuse,
    Watch,
)
from coffer_protocol.question import Block, Question
from coffer_protocol.session import ServerSession

from . import watch
from .channel import Channel
from .errors import DatabaseAwayError, DeniedError, RefusedError, StoppingError, StoreError, UnsupportedError
from .logs import log, place_of
from .questions import Answerer
from .refusals import Refusal
from .service import Service
from .shard_answers import ShardAnswers, log_id
from .store.base import Publisher
from .upload import Upload


async def serve_connection(service: Service, stream: trio.abc.HalfCloseableStream) -> None:
    """Serve one connection to its end. Whatever goes wrong in it ends here."""
    channel = Channel(stream, ServerSession(service.responders), service.unfinished)
    with trio.move_on_after(limits.SESSION_TIMEOUT_S):
        try:
            await _serve_session(service, channel, _address(stream))
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            log.debug("connection lost", reason=type(error).__name__)


def _address(stream: trio.abc.HalfCloseableStream) -> str:
    """Return the address of a peer, as the log shows it."""
    with suppress(OSError):
        if isinstance(stream, trio.SocketStream):
            return str(stream.socket.getpeername()[0])
    return "unknown"


async def _serve_session(service: Service, channel: Channel, address: str) -> None:
    try:
        await _Conversation(service, channel, address).run()
    except RemoteProtocolError as error:
        log.debug("protocol error", reason=type(error).__name__)
        await channel.refuse(error)
    except RefusedError as error:
        log.debug("refused", code=error.code)
        await channel.fail(error.code, str(error))
    except StoppingError:
        log.debug("watcher closed")
    except DatabaseAwayError as error:
        log.warning("a request was not answered", reason=str(error))
        await channel.fail("busy", "the server's database is away: try again, or another server")
    except StoreError as error:
        log.error("the store failed", reason=str(error))
        await channel.fail("internal", "the server's store failed; its log says why")
    except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
        raise
    except Exception as error:  # noqa: BLE001 (a fault in one connection must not end the others)
        log.error("a connection failed", error=type(error).__name__, place=place_of(error))
        await channel.fail("internal", "the server failed; its log says where")


_REFUSALS: Final = {Get: Refusal.FETCH, Watch: Refusal.FETCH, Open: Refusal.OPEN, Ask: Refusal.ASK}


class _Conversation:
    """The messages of one session, in the order of the table; the session refuses any other."""

    def __init__(self, service: Service, channel: Channel, address: str) -> None:
        self._service = service
        self._channel = channel
        self._address = address

    async def run(self) -> None:
        hello = await self._channel.first_message()
        assert isinstance(hello, Hello | Enrol)
        self._client = hello.client
        if isinstance(hello, Enrol):
            self._note(Refusal.ENROL)
            raise UnsupportedError("this server lets nobody in by request; on the operator's machine: add the client to the definition")
        # A Hello may be a replay: nothing is recorded of it. The first frame behind it that opens is the client.
        known = await self._service.read(partial(self._service.store.look_up, self._client))
        if known is None:
            self._note(Refusal.UNKNOWN)
            await self._channel.send(KeyNotFound(client=self._client))
            await self._channel.linger()
            return
        if known.is_publisher:
            self._channel.allow_long_asks()
        self._shards = ShardAnswers(self._service, self._channel, self._client, known)
        await self._channel.send(Link())
        message = None
        while not self._channel.is_over:
            message = await self._answer(message or await self._channel.next_message())

    def _note(self, refusal: Refusal) -> None:
        self._service.refusals.note(refusal, address=self._address, client=log_id(self._client))

    async def _answer(self, message: Message) -> Message | None:
        """Do what a message asks for. Return the next message, if it has come in the meantime."""
        try:
            return await self._do(message)
        except DeniedError:
            self._note(_REFUSALS[type(message)])
            raise

    async def _do(self, message: Message) -> Message | None:
        match message:
            case Get():
                await self._shards.give(await self._shards.fetch())
            case Watch(serial=serial):
                return await watch.Watch(self._service, self._channel, self._shards, serial).run()
            case Held() as held:
                self._shards.take(held)
            case Open(coffer=coffer, known=known):
                await self._publish(coffer, known)
            case Ask() as ask:
                await self._tell(questions.from_ask_untrusted(ask))
            case Bye():
                pass
        return None

    async def _tell(self, question: Question) -> None:
        service = self._service
        answerer = Answerer(store=service.store, asker=self._client, noted=service.noted, now=int(service.now()), version=service.version)
        run = service.write if isinstance(question, Block) else service.read
        await self._channel.send(await run(partial(answerer.answer, question)))

    async def _publish(self, coffer: str, known: bytes | None) -> None:
        # Whether this is a publisher is looked up before the coffer is taken, so that nobody else can keep its publishers out.
        publisher = await self._service.read(partial(self._service.store.publisher, coffer=coffer, publisher=self._client))
        with self._service.upload_of(coffer) as upload:
            await self._channel.send(await self._service.read(partial(self._listing, coffer, known)))
            while True:
                match await self._channel.next_message():
                    case Held() as held:
                        self._shards.take(held)
                    case Put() | Reuse() | Drop() as change:
                        upload.add(change)
                        if upload.wants_flush:
                            await self._service.read(upload.flush)
                    case Commit(signed=signed):
                        await self._commit(publisher, signed, upload)
                        return
                    case _:
                        return

    def _listing(self, coffer: str, known: bytes | None) -> OkOpen:
        with self._service.store.current(coffer=coffer, publisher=self._client) as current:
            if current is None:
                return OkOpen.pack(None, ())
            if known == sha256(current.signed):
                return OkOpen(signed=current.signed, packed=None)
            return OkOpen.pack(current.signed, current.entries)

    async def _commit(self, publisher: Publisher, signed: bytes, upload: Upload) -> None:
        coffer = publisher.coffer
        serial = await self._service.write(
            lambda: self._service.store.commit(
                coffer=coffer, publisher=self._client, signed=signed, changes=upload.changes(), now=int(self._service.now())
            )
        )
        self._service.committed(coffer, serial)
        log.info(
            "release committed",
            coffer=coffer,
            serial=serial,
            publisher=publisher_label(publisher.name, publisher.key),
            **{kind.__name__.lower(): count for kind, count in upload.counts.items()},
        )
        await self._channel.send(OkCommit(serial=serial))
