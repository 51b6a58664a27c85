"""A real listener whose every connection follows a script, so that it can lie and fall silent as no Coffer server would."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from coffer_client.config.credential import Credential
from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.errors import TruncatedError, UnopenableError
from coffer_protocol.identity import Identity
from coffer_protocol.message import Ask, Bye, Get, Held, Hello, Link, Message, OkGet, Watch
from coffer_protocol.question import tell_heads
from coffer_protocol.session import ServerSession
from coffer_protocol.shard import SecretValue
from coffer_protocol.suite.box import BoxResponder
from coffer_protocol.suite.noise import NoiseResponder, hint
from tests.support import identity

from .releases import COFFER, PUBLISHER, History, make_body

SERVER = identity("server")
# Nothing here takes so long; it ends a test that would hang.
_GUARD_S = 60.0

M = TypeVar("M", bound=Message)
# What is answered to `heads` from a serial on.
Heads: TypeAlias = Callable[[int], Sequence[bytes]]


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, own: Identity) -> None:
        self._socket = sock
        self.session = ServerSession(
            {0: lambda: BoxResponder(own.plain_secret()), 1: lambda: NoiseResponder({hint(own.id()): own.box_secret()})}
        )
        # They come whenever the client has been given a release, and have no answer.
        self.receipts: list[Held] = []

    def expect(self, expected: type[M]) -> M:
        """The client's next message but for receipts, which must be of that type."""
        message = self._next()
        assert isinstance(message, expected)
        return message

    def _next(self) -> Message:
        while isinstance(message := self.next_of_all(), Held):
            self.receipts.append(message)
        return message

    def next_of_all(self) -> Message:
        """The client's next message, also if it is a receipt."""
        while (message := self.session.next_message()) is None:
            self.session.receive(self._socket.recv(1 << 16))
        return message

    def send(self, message: Message) -> None:
        """Send as the protocol says."""
        self._socket.sendall(self.session.send(message))

    def write(self, data: bytes) -> None:
        """Send anything."""
        self._socket.sendall(data)

    def link(self) -> None:
        """The handshake, to Link."""
        self.expect(Hello)
        self.send(Link())

    def hear(self) -> Message | None:
        """The client's next message; None where it has gone."""
        with contextlib.suppress(TruncatedError, ConnectionError):
            return self._next()
        return None

    def answer_get(self, body: bytes) -> None:
        """The handshake, and `body` in the OkGet."""
        self.link()
        self.expect(Get)
        self.send(OkGet(coffer=body))

    def answer_questions(self, heads: Heads) -> None:
        """Answer each Ask until the client goes."""
        while isinstance(message := self.hear(), Ask):
            _, serial = message.params
            assert isinstance(serial, int)
            self.send(tell_heads(heads(serial)))

    def has_gone(self) -> bool:
        """Wait until the client says something, or goes without a word."""
        return not self._socket.recv(1, socket.MSG_PEEK)

    def wait_for_close(self) -> None:
        """Say nothing until the client has gone."""
        with contextlib.suppress(ConnectionError):
            while self._socket.recv(1 << 16):
                pass


Script: TypeAlias = Callable[[Peer], None]


class FakeServer:
    """Listens on a free port of a loopback address while it is entered; an error of its script is raised at the end."""

    def __init__(self, script: Script, *, own: Identity = SERVER, listens: str = "127.0.0.1") -> None:
        self._script = script
        self._own = own
        self._error: BaseException | None = None
        self._listener = socket.create_server((listens, 0), family=socket.AF_INET6 if ":" in listens else socket.AF_INET)
        self._thread = threading.Thread(target=self._serve)
        self.host = Host(name=listens, port=self._listener.getsockname()[1])
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Wakes the thread out of its accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(_GUARD_S)
        self._listener.close()
        if self._error is not None and error is None:
            raise self._error

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(_GUARD_S)
            with connection:
                try:
                    self._script(Peer(connection, self._own))
                except BaseException as error:  # noqa: BLE001 (it belongs to the test's own thread)
                    self._error = error

    def address(self, *, bare: bool = False, serial: int = 0) -> ServerAddress:
        """The address that the operator would give."""
        return address_of(self.host, bare=bare, serial=serial)


def address_of(*hosts: Host, bare: bool = False, serial: int = 0) -> ServerAddress:
    """The address of `SERVER`, at these hosts."""
    return ServerAddress(
        server=SERVER.plain_id() if bare else SERVER.id(),
        hosts=hosts,
        coffer=COFFER,
        publishers=(PUBLISHER.publisher_key(),),
        serial=serial,
    )


def unused_host() -> Host:
    """Where nobody listens: a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Host(name="127.0.0.1", port=listener.getsockname()[1])


def giving(body: bytes) -> Script:
    """Behaves, and gives `body` in its OkGet, whatever that is."""

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        peer.send(OkGet(coffer=body))
        peer.wait_for_close()

    return script


def serving(credential: Credential, secrets: Mapping[str, SecretValue], *, expires: int | None = None) -> Script:
    """Behaves, to the Bye."""
    body = make_body(credential, secrets, expires=expires)

    def script(peer: Peer) -> None:
        peer.link()
        peer.expect(Get)
        peer.send(OkGet(coffer=body))
        peer.expect(Bye)

    return script


def staying(credential: Credential, secrets: Mapping[str, SecretValue]) -> Script:
    """Behaves, and has no news for whoever watches; its clients may end wherever they are."""
    body = make_body(credential, secrets)

    def script(peer: Peer) -> None:
        with contextlib.suppress(TruncatedError, ConnectionError):
            peer.answer_get(body)
            while isinstance(peer.hear(), Watch):
                pass

    return script


def hosting(history: History, *, newest: int | None = None, heads: Heads | None = None) -> Script:
    """Serves a history, up to the release `newest`, and shows these heads of it: an honest server, where nothing else is said."""

    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[newest - 1 if newest else -1])
        peer.answer_questions(heads or history.heads_from)

    return script


def releasing(history: History) -> Script:
    """Gives the first release of a history to Get, and each later one to a Watch; then it closes."""

    def script(peer: Peer) -> None:
        peer.answer_get(history.bodies[0])
        for body in history.bodies[1:]:
            peer.expect(Watch)
            peer.send(OkGet(coffer=body))

    return script


def giving_in_turn(*scripts: Script) -> Script:
    """Another script for each connection; the last one for all that follow."""
    waiting = list(scripts)

    def script(peer: Peer) -> None:
        (waiting.pop(0) if len(waiting) > 1 else waiting[0])(peer)

    return script


def expecting_visits(script: Script) -> Script:
    """As `script`, where some connections are only made to see whether they are taken, or whether they come to a session."""

    def visited(peer: Peer) -> None:
        if not peer.has_gone():
            with contextlib.suppress(TruncatedError):
                script(peer)

    return visited


def refusing_a_stranger(peer: Peer) -> None:
    """Closes without a word, for the Hello is for another server's key."""
    try:
        peer.expect(Hello)
    except UnopenableError:
        return
    raise AssertionError("the Hello was for this server")


def answering(answer: Callable[[Hello], Message]) -> Script:
    """Answers the Hello with this in the place of Link."""

    def script(peer: Peer) -> None:
        peer.send(answer(peer.expect(Hello)))
        peer.wait_for_close()

    return script
