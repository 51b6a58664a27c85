"""One fetch: connect, ask, verify (PROTOCOL.md, 3, 5 and 7). A blocking socket: an application's start pays for no event loop."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.errors import (
    KeyNotFoundError,
    ServerError,
    TruncatedError,
    TurnError,
    UnopenableError,
    UnreachableError,
)
from coffer_protocol.identity import Identity
from coffer_protocol.message import Error, Get, KeyNotFound, Link, Message, OkGet
from coffer_protocol.release.coffer import accept_untrusted
from coffer_protocol.session import ClientSession
from coffer_protocol.suite import Initiator
from coffer_protocol.suite.noise import NoiseInitiator

from . import keyfile, settings
from .coffer import Coffer
from .credential import Credential
from .errors import BusyServerError, ConfigurationError, RefusedClientError
from .settings import Settings

DEFAULT_TIMEOUT_S: Final = 10.0
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


def fetch(
    *,
    server: ServerAddress | str | None = None,
    identity: Identity | keyfile.Path | None = None,
    bare: bool = False,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Coffer:
    """This client's secrets, fetched and verified.

    Args:
        server: the address that `coffer-companion address` prints; None takes COFFER_SERVER.
        identity: an identity or the path of its file; None takes COFFER_IDENTITY (a path), COFFER_IDENTITY_TEXT (the secret text), or
            `$XDG_CONFIG_HOME/coffer/client.key`.
        bare: whether the server knows this client by its bare NaCl key (suite 0). Files of `keygen --bare` and COFFER_BARE=1 say it too.
        timeout_s: seconds for everything: connecting, asking, and receiving. Names are resolved by the system, in its own time.

    Returns:
        A read-only mapping whose values hide themselves in their repr, with the release that they are of.

    Raises:
        ConfigurationError, KeyTextError: the address or the identity is missing, or cannot be used.
        UnreachableError: no host could be reached, or none answered in time.
        ServerError: the server refused; by the subclass BusyServerError it may serve later.
        KeyNotFoundError: the server does not know this client.
        ProtocolError: what answered is not the server of the address, or the connection was tampered with.
        ReleaseError, ShardError: what came back does not verify. Nothing of it is returned.
        UnavailableError: this machine's libraries have no ML-KEM-768.
    """
    return retrieve(settings.load(server=server, identity=identity, bare=bare, environment=os.environ), timeout_s=timeout_s)


def retrieve(wanted: Settings, *, timeout_s: float, clock: Callable[[], float] = time.time) -> Coffer:
    """As `fetch`, of settings that are complete. The address's hosts are tried in order, each with its share of the time that is left.

    Args:
        wanted: from where, what, and as whom.
        timeout_s: seconds for all hosts together.
        clock: gives the seconds since 1970, against which a release expires.

    Raises:
        As `fetch`.
    """
    if not 0 < timeout_s < float("inf"):
        raise ConfigurationError("the timeout is a number of seconds above 0")
    end = Deadline(timeout_s)
    failures: list[UnreachableError | BusyServerError] = []
    for number, host in enumerate(wanted.address.hosts):
        share_s = end.left_s() / (len(wanted.address.hosts) - number)
        try:
            return _ask(host, wanted, Deadline(share_s), clock)
        except (UnreachableError, BusyServerError) as error:
            failures.append(error)
        except TimeoutError:
            failures.append(UnreachableError(f"{host}: no answer within {share_s:.3g} s: try again, or with a longer timeout"))
    if len(failures) == 1:
        raise failures[0]
    raise UnreachableError("no host of the address could serve: " + "; ".join(map(str, failures)))


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


def _ask(host: Host, wanted: Settings, deadline: Deadline, clock: Callable[[], float]) -> Coffer:
    credential = wanted.credential
    session = ClientSession(_initiator(credential, wanted.address.server))
    with _connect(host, deadline) as sock:
        connection = _Connection(sock, session, deadline, host, credential)
        connection.hello()
        connection.send(session.send(Get()))
        body = connection.receive(OkGet).coffer
        accepted = accept_untrusted(body, wanted.demand, identity=credential.identity, plain=credential.bare, now=clock())
        connection.bye()
    return Coffer(accepted)


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


class _Connection:
    """A session over a socket, under one deadline; what goes wrong gets its sentence here."""

    def __init__(self, sock: socket.socket, session: ClientSession, deadline: Deadline, host: Host, credential: Credential) -> None:
        self._socket = sock
        self._session = session
        self._deadline = deadline
        self._host = host
        self._credential = credential

    def hello(self) -> None:
        """The handshake, to Link.

        Raises:
            KeyNotFoundError, ServerError: the server refused.
            UnreachableError: it closed without an answer.
            UnopenableError: what answered is not the server of the address.
        """
        self.send(self._session.hello())
        try:
            self.receive(Link)
        except TurnError:
            raise UnopenableError(
                f"{self._host}: what answered does not speak Coffer: compare the host and port with the operator's address"
            ) from None
        except UnopenableError as error:
            raise UnopenableError(f"{self._host}: {error}") from None
        except UnreachableError as error:
            raise UnreachableError(f"{error}{_BARE_ADDRESS if self._credential.bare else ''}") from None

    def send(self, data: bytes) -> None:
        """Write to the server. Where it has closed already, what it said before is found at the next receive (PROTOCOL.md, 3).

        Raises:
            TimeoutError: it was not taken in time.
        """
        self._deadline.apply(self._socket)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            return

    def receive(self, expected: type[M]) -> M:
        """The server's next message.

        Raises:
            KeyNotFoundError, ServerError: the server refused.
            UnreachableError: it closed the connection.
            ProtocolError: it broke the protocol.
            TimeoutError: it said nothing in time.
        """
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
        # The session lets nothing else through than what may follow.
        assert isinstance(message, expected)
        return message

    def _read(self) -> bytes:
        self._deadline.apply(self._socket)
        try:
            return self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            raise
        except OSError:
            # A reset says what the end of the stream says: the server has closed.
            return b""

    def bye(self) -> None:
        """Say Bye. The secrets are here: whether it arrives is no longer this client's concern."""
        try:
            self.send(self._session.bye())
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
