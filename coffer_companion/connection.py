"""A session with a server over trio: one connection and its messages, but not what they mean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

import trio

from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import KeyNotFoundError, MalformedMessageError, ProtocolError, ServerError, UnreachableError
from coffer_protocol.identity import Identity, format_id
from coffer_protocol.message import Error, KeyNotFound, Link, Message
from coffer_protocol.session import ClientSession
from coffer_protocol.suite.noise import NoiseInitiator

from .errors import ConflictError, DeniedError

# For each of the address's hosts, from the first packet to Link.
CONNECT_TIMEOUT_S: Final = 10.0
# A server answers from its database. A commit of a million shards takes the longest.
ANSWER_TIMEOUT_S: Final = 600.0
_RECEIVE_BYTES: Final = 1 << 16
_LOST: Final = "the connection to the server was lost: try again"

M = TypeVar("M", bound=Message)


class Connection:
    """A session after its handshake. `connect` makes it."""

    def __init__(self, stream: trio.abc.Stream, session: ClientSession) -> None:
        self._stream = stream
        self._session = session

    async def send(self, message: Message) -> None:
        """Send one message.

        Raises:
            ServerError: the server had already refused.
            UnreachableError: the connection is lost.
        """
        data = self._session.send(message)
        try:
            with trio.fail_after(ANSWER_TIMEOUT_S):
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.TooSlowError):
            # The server's Error may still be readable (docs/protocol.md, 3).
            await self._receive_any()
            raise UnreachableError(_LOST) from None

    async def _receive_any(self) -> Message:
        try:
            with trio.fail_after(ANSWER_TIMEOUT_S):
                while (message := self._session.next_message()) is None:
                    self._session.receive(bytes(await self._stream.receive_some(_RECEIVE_BYTES)))
        except trio.BrokenResourceError:
            raise UnreachableError(_LOST) from None
        except trio.TooSlowError:
            raise UnreachableError(f"the server did not answer within {ANSWER_TIMEOUT_S:.0f} s: try again") from None
        match message:
            case Error(code=code, sentence=sentence):
                raise _refusal(code, sentence)
            case KeyNotFound():
                raise KeyNotFoundError(f"the server does not know this identity, {format_id(self._session.client_id)}")
        return message

    async def receive(self, expected: type[M]) -> M:
        """Return the server's next message, which must be of type `expected`.

        Raises:
            ServerError, KeyNotFoundError: the server refused.
            ProtocolError: the server broke the protocol.
            UnreachableError: the connection is lost, or was silent for too long.
        """
        message = await self._receive_any()
        if not isinstance(message, expected):
            raise MalformedMessageError(f"the server answered with {type(message).__name__} instead of {expected.__name__}")
        return message

    async def request(self, message: Message, expected: type[M]) -> M:
        """Send a message and return the answer. Raises what `send` and `receive` raise."""
        await self.send(message)
        return await self.receive(expected)

    async def close(self) -> None:
        """Send Bye if the protocol allows it, and close the connection."""
        with trio.move_on_after(1):
            with suppress(ProtocolError, trio.BrokenResourceError):
                await self._stream.send_all(self._session.bye())
        await trio.aclose_forcefully(self._stream)


def _refusal(code: str, sentence: str) -> ServerError:
    """Return the server's Error as the type that says what can be done about it."""
    match code:
        case "busy":
            return ServerError(code, sentence, hint="nothing was changed: try again in a minute")
        case "conflict":
            return ConflictError(code, sentence, hint="look at it (coffer-companion history), then try again")
        case "denied" | "suite":
            return DeniedError(code, sentence)
    return ServerError(code, sentence)


@asynccontextmanager
async def connect(address: ServerAddress, identity: Identity) -> AsyncIterator[Connection]:
    """Connect to the first of the address's hosts that can be reached, and close the session at the end.

    Raises:
        UnreachableError: no host could be reached in time.
        KeyNotFoundError: the server does not know this identity.
        ServerError: the server refused this identity.
        ProtocolError: the answer did not come from this server.
    """
    stream = await _open_stream(address)
    session = ClientSession(NoiseInitiator(identity, address.server))
    connection = Connection(stream, session)
    try:
        with trio.move_on_after(CONNECT_TIMEOUT_S) as scope:
            await stream.send_all(session.hello())
            await connection.receive(Link)
        if scope.cancelled_caught:
            raise UnreachableError(f"the server at {address.hosts[0]} did not answer within {CONNECT_TIMEOUT_S:.0f} s: try again")
        yield connection
    except trio.BrokenResourceError:
        raise UnreachableError(_LOST) from None
    finally:
        with trio.CancelScope(shield=True):
            await connection.close()


async def _open_stream(address: ServerAddress) -> trio.SocketStream:
    failures = []
    for host in address.hosts:
        try:
            with trio.fail_after(CONNECT_TIMEOUT_S):
                return await trio.open_tcp_stream(host.name, host.port)
        except trio.TooSlowError:
            failures.append(f"{host}: no answer within {CONNECT_TIMEOUT_S:.0f} s")
        except OSError as error:
            failures.append(f"{host}: {error.strerror or error}")
    raise UnreachableError(
        f"no server could be reached ({'; '.join(failures)})",
        hint="is the server running (coffer-server run DIR), and does the address name its host?",
    )
