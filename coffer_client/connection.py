"""One connection to one host: a session over a blocking socket, under a deadline, and a sentence for whatever goes wrong."""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import Final, NoReturn, Self, TypeVar

from coffer_protocol.address import Host
from coffer_protocol.errors import (
    KeyNotFoundError,
    ServerError,
    TruncatedError,
    UnopenableError,
    UnreachableError,
)
from coffer_protocol.message import Error, KeyNotFound, Link, Message
from coffer_protocol.session import ClientSession
from coffer_protocol.suite import Initiator
from coffer_protocol.suite.noise import NoiseInitiator

from .credential import Credential
from .errors import BusyServerError, RefusedClientError

_RECEIVE_BYTES: Final = 1 << 16
# Errors of a server that another host of the same address, or the same one a little later, may not have (PROTOCOL.md, 3).
_PASSING_CODES: Final = frozenset({"busy", "limit", "internal"})
# Errors that say that this client is not the one whom the server knows.
_CLIENT_CODES: Final = frozenset({"denied", "suite"})
# What besides may be behind a connection that is closed without an answer, where the client speaks suite 0.
_BARE_ADDRESS: Final = (
    ". This client uses a bare key, which needs the address that `coffer-companion address --bare` prints, of a server that allows suite 0"
)

M = TypeVar("M", bound=Message)


class Deadline:
    """A point in time by which something must be done."""

    __slots__ = ("_at",)

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_s(self) -> float:
        """The seconds that are left, at least 0."""
        return max(0.0, self._at - time.monotonic())

    def apply(self, sock: socket.socket) -> None:
        """Let the socket's next operation take what is left.

        Raises:
            TimeoutError: nothing is.
        """
        left_s = self.left_s()
        # For a socket, 0 would mean that it does not block.
        if left_s <= 0:
            raise TimeoutError
        sock.settimeout(left_s)


def _initiator(credential: Credential, server_id: bytes) -> Initiator:
    if not credential.bare:
        return NoiseInitiator(credential.identity, server_id)
    from coffer_protocol.suite.box import BoxInitiator

    return BoxInitiator(credential.identity, server_id)


def _connect(host: Host, deadline: Deadline) -> socket.socket:
    """A connection to the first of the host's addresses that takes one.

    Raises:
        UnreachableError: none did.
        TimeoutError: none did in time.
    """
    try:
        # Given as text, the name would be encoded by the idna codec, whose tables take milliseconds to load; it is ASCII.
        places = socket.getaddrinfo(host.name.encode(), host.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UnreachableError(f"{host}: the name cannot be resolved ({error.strerror}): compare it with the operator's address") from None
    reason = "it has no address"
    for family, kind, protocol, _, place in places:
        sock = socket.socket(family, kind, protocol)
        try:
            deadline.apply(sock)
            sock.connect(place)
        except TimeoutError:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            reason = error.strerror or str(error)
        else:
            return sock
    raise UnreachableError(f"{host}: {reason}. Is the server running (`coffer-server run`), and is the address the operator's?")


class Connection:
    """A session over a socket. Entered, it is closed at the end.

    Attributes:
        deadline: by when what is done next must be done; whoever waits for something new sets a new one.
    """

    def __init__(self, host: Host, *, server_id: bytes, credential: Credential, deadline: Deadline) -> None:
        """Connect to the first of the host's addresses that takes a connection; nothing is sent yet.

        Args:
            host: the place.
            server_id: the server that is to answer there.
            credential: who asks.
            deadline: by when.

        Raises:
            UnreachableError: nobody listens there.
            TimeoutError: nobody did in time.
        """
        self.deadline = deadline
        self._host = host
        self._credential = credential
        # Whether it has failed: nothing can be sent any more.
        self._is_broken = False
        self._session = ClientSession(_initiator(credential, server_id))
        self._socket = _connect(host, deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close it, without a word."""
        self._socket.close()

    def hello(self) -> None:
        """The handshake, to Link.

        Raises:
            KeyNotFoundError, ServerError: the server refused.
            UnreachableError: it closed without an answer.
            UnopenableError: what answered is not the server of the address.
        """
        self._write(self._session.hello())
        try:
            self.receive(Link)
        except UnopenableError as error:
            raise UnopenableError(f"{self._host}: {error}") from None
        except UnreachableError as error:
            raise UnreachableError(f"{error}{_BARE_ADDRESS if self._credential.bare else ''}") from None

    def send(self, message: Message) -> None:
        """Send a message. Where the server has closed already, what it said before is found at the next receive (PROTOCOL.md, 3).

        Raises:
            UnreachableError: the session has failed before.
            TimeoutError: it was not taken in time.
        """
        if self._is_broken:
            raise UnreachableError(f"{self._host}: the session has failed")
        self._write(self._session.send(message))

    def _write(self, data: bytes) -> None:
        self.deadline.apply(self._socket)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            return

    def receive(self, expected: type[M]) -> M:
        """The server's next message, where the protocol lets only one type follow. Raises as `next_message`."""
        message = self.next_message()
        # The session lets nothing else through than what may follow.
        assert isinstance(message, expected)
        return message

    def next_message(self) -> Message:
        """The server's next message, which is no refusal.

        Raises:
            KeyNotFoundError, ServerError: the server refused.
            UnreachableError: it closed the connection.
            ProtocolError: it broke the protocol.
            TimeoutError: it said nothing in time.
        """
        self._is_broken = True
        message = self._next_message()
        self._is_broken = False
        return message

    def _next_message(self) -> Message:
        try:
            while (message := self._session.next_message()) is None:
                self._session.receive(self._read())
        except TruncatedError as error:
            raise UnreachableError(f"{self._host}: {error}") from None
        match message:
            case KeyNotFound():
                raise KeyNotFoundError(_unknown_client(self._credential))
            case Error():
                _refuse(message, self._credential)
        return message

    def _read(self) -> bytes:
        self.deadline.apply(self._socket)
        try:
            return self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            raise
        except OSError:
            # A reset says what the end of the stream says: the server has closed.
            return b""

    def bye(self) -> None:
        """Say Bye. The secrets are here: whether it arrives is no longer this client's concern."""
        if self._is_broken:
            return
        try:
            self._write(self._session.bye())
        except TimeoutError:
            return


def _unknown_client(credential: Credential) -> str:
    if credential.bare:
        other = "if the definition has this client's public key text instead, leave out --bare and COFFER_BARE"
    else:
        other = "if the definition has this client's bare key, of 64 hex digits, set COFFER_BARE=1"
    return (
        "the server does not know this client. Send this line to your operator, for [clients] in the definition (the name is free to "
        f"choose); {other}.\n{credential.clients_line()}"
    )


def _refuse(error: Error, credential: Credential) -> NoReturn:
    """Raise the server's Error under the type that says what can be done about it."""
    if error.code in _PASSING_CODES:
        raise BusyServerError(error.code, f"{error.sentence}; try again in a minute")
    if error.code not in _CLIENT_CODES:
        raise ServerError(error.code, error.sentence)
    if error.code == "denied":
        advice = "If this client should have secrets here, send this line to your operator, for [clients] in the definition."
    elif credential.bare:
        advice = (
            "The definition has a public key text for this client, and this is its bare key: leave out --bare and COFFER_BARE, or send "
            "this line to your operator, for [clients] in the definition."
        )
    else:
        advice = (
            "The definition has 64 hex digits for this client, which is the form of a bare key, and this identity is used whole: send this "
            "line to your operator, to stand in their place under [clients]."
        )
    raise RefusedClientError(error.code, error.sentence, f"{advice}\n{credential.clients_line()}")
