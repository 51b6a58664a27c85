"""One connection to one host: a session over a stream, under a deadline, with a clear error for each fault."""

from __future__ import annotations

from coffer_protocol.errors import (
    KeyNotFoundError,
    ServerError,
    TruncatedError,
    UnopenableError,
    UnreachableError,
)
from coffer_protocol.lean import TYPE_CHECKING
from coffer_protocol.message import Bye, Error, KeyNotFound, Link, Message
from coffer_protocol.session import ClientSession
from coffer_protocol.suite.noise import NoiseInitiator

from ..errors import BusyServerError, RefusedClientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Final, NoReturn, Self, TypeVar

    from coffer_protocol.address import Host
    from coffer_protocol.suite import Initiator

    from ..config.credential import Credential
    from .network import Stream

    M = TypeVar("M", bound=Message)

# A server's errors that may be absent at another host of the same address, or at the same host a little later (docs/protocol.md, 3).
_PASSING_CODES: Final = frozenset({"busy", "limit", "internal"})
# A server's errors that mean: this client is not the one that the server knows.
_CLIENT_CODES: Final = frozenset({"denied", "suite"})
# Another possible cause when a server closes the connection of a client of suite 0 without an answer.
_BARE_HINT: Final = (
    "this client uses a bare key: it needs the address that `coffer-companion address --bare` prints, and a server that allows suite 0"
)


def session_with(server_id: bytes, credential: Credential) -> ClientSession:
    """Return a session with the server of that id, not begun yet.

    Raises:
        UnavailableError: this machine's libraries have no ML-KEM-768, which suite 1 needs.
    """
    return ClientSession(_initiator(credential, server_id))


def _initiator(credential: Credential, server_id: bytes) -> Initiator:
    if not credential.bare:
        return NoiseInitiator(credential.identity, server_id)
    from coffer_protocol.suite.box import BoxInitiator

    return BoxInitiator(credential.identity, server_id)


class Connection:
    """A session over a stream. As a context manager, it is closed at the end.

    Attributes:
        host: the host that the stream is connected to.
        deadline_s: when the next steps must be done, on the network's clock. A caller that waits for something new sets a new one.
    """

    def __init__(self, session: ClientSession, stream: Stream, host: Host, *, credential: Credential, deadline_s: float) -> None:
        """Make a connection that has sent nothing yet.

        Args:
            session: a session with the server that should answer.
            stream: a connection to the host.
            host: the host that the stream is connected to.
            credential: the client's credential.
            deadline_s: as the attribute.
        """
        self.host: Final = host
        self.deadline_s = deadline_s
        self._stream = stream
        self._credential = credential
        # Whether the session has failed, so that nothing can be sent any more.
        self._is_broken = False
        self._session = session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection without sending anything."""
        await self._stream.close()

    async def hello(self, *, meanwhile: Callable[[], object] | None = None) -> None:
        """Do the handshake, up to Link.

        Args:
            meanwhile: a function to call while the server works on its answer.

        Raises:
            KeyNotFoundError, ServerError: the server refused.
            UnreachableError: the server closed the connection without an answer.
            UnopenableError: the answer did not come from the server of the address.
            TimeoutError: the handshake was not done in time.
        """
        await self._write(self._session.hello())
        if meanwhile is not None:
            meanwhile()
        try:
            await self.receive(Link)
        except UnopenableError as error:
            raise UnopenableError(f"{self.host}: {error}", hint=error.hint) from None
        except UnreachableError as error:
            hints = [hint for hint in (error.hint, _BARE_HINT if self._credential.bare else None) if hint]
            raise UnreachableError(str(error), hint="; ".join(hints) or None) from None

    async def send(self, message: Message) -> None:
        """Send a message. If the server has already closed, the next `receive` finds what it said before (docs/protocol.md, 3).

        Raises:
            UnreachableError: the session has failed before.
            TimeoutError: the server did not take it in time.
        """
        if self._is_broken:
            raise UnreachableError(f"{self.host}: the session has failed")
        await self._write(self._session.send(message))

    async def _write(self, data: bytes) -> None:
        await self._stream.send(data, deadline_s=self.deadline_s)

    async def receive(self, expected: type[M]) -> M:
        """Return the server's next message if the protocol lets only one type follow. Raises as `next_message`."""
        message = await self.next_message()
        # The session refuses a message that may not follow.
        assert isinstance(message, expected)
        return message

    async def next_message(self) -> Message:
        """Return the server's next message, unless it is a refusal.

        Raises:
            KeyNotFoundError, ServerError: the server refused.
            UnreachableError: the server closed the connection.
            ProtocolError: the server broke the protocol.
            TimeoutError: the server sent nothing in time.
        """
        message = await self._next_message(is_interruptible=False)
        assert message is not None
        return message

    async def next_message_or_interruption(self) -> Message | None:
        """Return what `next_message` does; None if another thread has interrupted the wait, which the next call continues."""
        return await self._next_message(is_interruptible=True)

    async def _next_message(self, *, is_interruptible: bool) -> Message | None:
        self._is_broken = True
        message = await self._received(is_interruptible)
        self._is_broken = False
        return message

    async def _received(self, is_interruptible: bool) -> Message | None:
        try:
            while (message := self._session.next_message()) is None:
                if is_interruptible and await self._stream.is_interrupted(deadline_s=self.deadline_s):
                    return None
                self._session.receive(await self._stream.receive(deadline_s=self.deadline_s))
        except TruncatedError as error:
            raise UnreachableError(f"{self.host}: {error}", hint=error.hint) from None
        match message:
            case KeyNotFound():
                raise _unknown_client(self._credential)
            case Error():
                _refuse(message, self._credential)
        return message

    async def send_if_open(self, message: Message) -> None:
        """Send a message that has no answer, and of which it does not matter whether it arrives."""
        if self._is_broken:
            return
        try:
            await self._write(self._session.send(message))
        except TimeoutError:
            return

    async def bye(self) -> None:
        """Send Bye. The client has its secrets, so it does not matter whether Bye arrives."""
        await self.send_if_open(Bye(client=self._session.client_id))


def _unknown_client(credential: Credential) -> KeyNotFoundError:
    if credential.bare:
        other = "if the definition has this client's public key text, leave out --bare and COFFER_BARE"
    else:
        other = "if the definition has this client's bare key (64 hex digits), set COFFER_BARE=1"
    return KeyNotFoundError(
        "the server does not know this client",
        hint=f"{other}; otherwise send this line to your operator for [clients] in the definition (any name will do):\n"
        f"{credential.clients_line()}",
    )


def _refuse(error: Error, credential: Credential) -> NoReturn:
    """Raise the server's Error as the type that says what can be done about it."""
    if error.code in _PASSING_CODES:
        raise BusyServerError(error.code, error.sentence, hint="try again in a minute")
    if error.code not in _CLIENT_CODES:
        raise ServerError(error.code, error.sentence)
    if error.code == "denied":
        advice = "if this client should have secrets here, send this line to your operator for [clients] in the definition:"
    elif credential.bare:
        advice = (
            "the definition has this client's public key text, and it uses its bare key: leave out --bare and COFFER_BARE, or send this "
            "line to your operator for [clients] in the definition:"
        )
    else:
        advice = (
            "the definition has this client's bare key (64 hex digits), and it uses its whole identity: send this line to your operator, "
            "to replace the 64 hex digits for this client in [clients]:"
        )
    raise RefusedClientError(error.code, error.sentence, hint=f"{advice}\n{credential.clients_line()}")
