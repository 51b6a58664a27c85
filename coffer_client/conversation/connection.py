"""One connection to one host: a session over a stream, under a deadline, and a sentence for whatever goes wrong."""

from __future__ import annotations

from coffer_protocol.errors import (
    KeyNotFoundError,
    ServerError,
    TruncatedError,
    UnopenableError,
    UnreachableError,
)
from coffer_protocol.lean import TYPE_CHECKING
from coffer_protocol.message import Error, KeyNotFound, Link, Message
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

# Errors of a server that another host of the same address, or the same one a little later, may not have (PROTOCOL.md, 3).
_PASSING_CODES: Final = frozenset({"busy", "limit", "internal"})
# Errors that say that this client is not the one whom the server knows.
_CLIENT_CODES: Final = frozenset({"denied", "suite"})
# What besides may be behind a connection that is closed without an answer, where the client speaks suite 0.
_BARE_ADDRESS: Final = (
    ". This client uses a bare key, which needs the address that `coffer-companion address --bare` prints, of a server that allows suite 0"
)


def session_with(server_id: bytes, credential: Credential) -> ClientSession:
    """A session with the server of that id, not begun yet.

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
    """A session over a stream. Entered, it is closed at the end.

    Attributes:
        host: the place where the stream leads.
        deadline_s: by when what is done next must be done, on the network's clock; whoever waits for something new sets a new one.
    """

    def __init__(self, session: ClientSession, stream: Stream, host: Host, *, credential: Credential, deadline_s: float) -> None:
        """Nothing is sent yet.

        Args:
            session: with the server that is to answer there.
            stream: connected.
            host: the place where it leads.
            credential: who asks.
            deadline_s: as the attribute.
        """
        self.host: Final = host
        self.deadline_s = deadline_s
        self._stream = stream
        self._credential = credential
        # Whether it has failed: nothing can be sent any more.
        self._is_broken = False
        self._session = session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close it, without a word."""
        await self._stream.close()

    async def hello(self, *, meanwhile: Callable[[], object] | None = None) -> None:
        """The handshake, to Link.

        Args:
            meanwhile: is called while the server works on its answer.

        Raises:
            KeyNotFoundError, ServerError: the server refused.
            UnreachableError: it closed without an answer.
            UnopenableError: what answered is not the server of the address.
            TimeoutError: it was not done in time.
        """
        await self._write(self._session.hello())
        if meanwhile is not None:
            meanwhile()
        try:
            await self.receive(Link)
        except UnopenableError as error:
            raise UnopenableError(f"{self.host}: {error}") from None
        except UnreachableError as error:
            raise UnreachableError(f"{error}{_BARE_ADDRESS if self._credential.bare else ''}") from None

    async def send(self, message: Message) -> None:
        """Send a message. Where the server has closed already, what it said before is found at the next receive (PROTOCOL.md, 3).

        Raises:
            UnreachableError: the session has failed before.
            TimeoutError: it was not taken in time.
        """
        if self._is_broken:
            raise UnreachableError(f"{self.host}: the session has failed")
        await self._write(self._session.send(message))

    async def _write(self, data: bytes) -> None:
        await self._stream.send(data, deadline_s=self.deadline_s)

    async def receive(self, expected: type[M]) -> M:
        """The server's next message, where the protocol lets only one type follow. Raises as `next_message`."""
        message = await self.next_message()
        # The session lets nothing else through than what may follow.
        assert isinstance(message, expected)
        return message

    async def next_message(self) -> Message:
        """The server's next message, which is no refusal.

        Raises:
            KeyNotFoundError, ServerError: the server refused.
            UnreachableError: it closed the connection.
            ProtocolError: it broke the protocol.
            TimeoutError: it said nothing in time.
        """
        self._is_broken = True
        message = await self._next_message()
        self._is_broken = False
        return message

    async def _next_message(self) -> Message:
        try:
            while (message := self._session.next_message()) is None:
                self._session.receive(await self._stream.receive(deadline_s=self.deadline_s))
        except TruncatedError as error:
            raise UnreachableError(f"{self.host}: {error}") from None
        match message:
            case KeyNotFound():
                raise _unknown_client(self._credential)
            case Error():
                _refuse(message, self._credential)
        return message

    async def bye(self) -> None:
        """Say Bye. The secrets are here: whether it arrives is no longer this client's concern."""
        if self._is_broken:
            return
        try:
            await self._write(self._session.bye())
        except TimeoutError:
            return


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
    """Raise the server's Error under the type that says what can be done about it."""
    if error.code in _PASSING_CODES:
        raise BusyServerError(error.code, f"{error.sentence}; try again in a minute")
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
