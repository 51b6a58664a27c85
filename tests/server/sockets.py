"""A client over a blocking socket, for tests against a real server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.identity import Identity
from coffer_protocol.message import Commit, Error, KeyNotFound, Link, Message, OkCommit, OkOpen, Open
from coffer_protocol.session import ClientSession
from coffer_protocol.suite.box import BoxInitiator
from coffer_protocol.suite.noise import NoiseInitiator

from .publishing import Author, Release

# Far more than anything takes, for the machine may have much else to do.
TIMEOUT_S = 120.0

_Wanted = TypeVar("_Wanted", bound=Message)


def connect(host: Host) -> socket.socket:
    """A connection to a server, with a deadline on everything."""
    return socket.create_connection((host.name, host.port), timeout=TIMEOUT_S)


class Client:
    """One session."""

    def __init__(self, connection: socket.socket, session: ClientSession) -> None:
        self.socket = connection
        self.session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *messages: Message) -> None:
        """Send messages."""
        for message in messages:
            self.socket.sendall(self.session.send(message))

    def receive(self) -> Message:
        """The server's next message."""
        while (message := self.session.next_message()) is None:
            self.session.receive(self.socket.recv(65536))
        return message

    def expect(self, kind: type[_Wanted]) -> _Wanted:
        """The server's next message, which must be of this kind."""
        message = self.receive()
        assert isinstance(message, kind), message
        return message

    def expect_error(self, code: str) -> Error:
        """The server's next message, which must be an Error with this code."""
        error = self.expect(Error)
        assert error.code == code, error
        return error

    def say(self, message: Message, kind: type[_Wanted]) -> _Wanted:
        """Send a message, and receive an answer of this kind."""
        self.send(message)
        return self.expect(kind)


def start(address: ServerAddress, identity: Identity, *, plain: bool = False) -> Client:
    """A session up to its Hello. The address must have the id of that suite."""
    initiator = BoxInitiator(identity, address.server) if plain else NoiseInitiator(identity, address.server)
    client = Client(connect(address.hosts[0]), ClientSession(initiator))
    with _closed_on_error(client):
        client.socket.sendall(client.session.hello())
    return client


@contextmanager
def _closed_on_error(client: Client) -> Iterator[None]:
    try:
        yield
    except BaseException:
        client.socket.close()
        raise


def link(address: ServerAddress, identity: Identity, *, plain: bool = False) -> Client:
    """A session that has been linked."""
    client = start(address, identity, plain=plain)
    with _closed_on_error(client):
        client.expect(Link)
    return client


@contextmanager
def opened(address: ServerAddress, author: Author) -> Iterator[Client]:
    """An upload that has begun."""
    with link(address, author.identity) as client:
        client.say(Open(coffer=author.coffer), OkOpen)
        yield client


def upload(address: ServerAddress, author: Author, release: Release) -> None:
    """Publish a release, and let its author note it."""
    with opened(address, author) as client:
        client.send(*release.changes)
        assert client.say(Commit(signed=release.signed), OkCommit).serial == release.head.serial
        client.socket.sendall(client.session.bye())
    author.published(release)


def is_unknown(address: ServerAddress, identity: Identity) -> bool:
    """Whether the server says that it does not know a client."""
    with start(address, identity) as client:
        return isinstance(client.receive(), KeyNotFound)
