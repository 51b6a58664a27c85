"""One session over a stream in memory: what is said of each way in which it can end. What servers do is in test_fetching.py."""

from __future__ import annotations

import pytest

from coffer_client.config.credential import Credential
from coffer_client.conversation.connection import Connection, session_with
from coffer_client.conversation.network import Stream
from coffer_client.errors import BusyServerError
from coffer_client.io.blocking import finish
from coffer_protocol.address import Host
from coffer_protocol.errors import KeyNotFoundError, UnopenableError, UnreachableError
from coffer_protocol.message import Bye, Error, Get, Held, Hello, KeyNotFound, Link, Message, OkGet, Still, Watch
from coffer_protocol.session import ServerSession
from coffer_protocol.suite.box import BoxResponder
from coffer_protocol.suite.noise import NoiseResponder, hint

from ..fake_server import SERVER

HOST = Host(name="coffer.example")
DEADLINE_S = 4711.0


class Line(Stream):
    """A stream whose other end answers each message with the next of some answers, and closes when there are no more."""

    def __init__(self, *answers: Message) -> None:
        self._session = ServerSession(
            {0: lambda: BoxResponder(SERVER.plain_secret()), 1: lambda: NoiseResponder({hint(SERVER.id()): SERVER.box_secret()})}
        )
        self._answers = list(answers)
        self._waiting = b""
        self.heard: list[Message] = []
        self.deadlines: set[float] = set()
        self.is_closed = False

    async def send(self, data: bytes, *, deadline_s: float) -> None:
        self.deadlines.add(deadline_s)
        self._session.receive(data)
        while (message := self._session.next_message()) is not None:
            self.heard.append(message)
            if self._answers:
                self._waiting += self._session.send(self._answers.pop(0))

    async def receive(self, *, deadline_s: float) -> bytes:
        self.deadlines.add(deadline_s)
        data, self._waiting = self._waiting, b""
        return data

    async def close(self) -> None:
        self.is_closed = True


def connection(line: Stream, credential: Credential) -> Connection:
    server_id = SERVER.plain_id() if credential.bare else SERVER.id()
    return Connection(session_with(server_id, credential), line, HOST, credential=credential, deadline_s=DEADLINE_S)


def test_a_session_from_hello_to_bye(credential: Credential) -> None:
    line = Line(Link(), OkGet(coffer=b"sealed"))

    async def work() -> OkGet:
        async with connection(line, credential) as here:
            await here.hello()
            await here.send(Get())
            answer = await here.receive(OkGet)
            await here.bye()
        return answer

    assert finish(work()) == OkGet(coffer=b"sealed")
    assert [type(message) for message in line.heard] == [Hello, Get, Bye]
    assert line.deadlines == {DEADLINE_S}
    assert line.is_closed


def test_a_server_that_closes_is_named(credential: Credential) -> None:
    with pytest.raises(UnreachableError, match=r"^coffer\.example: the server closed the connection without an answer") as caught:
        finish(connection(Line(), credential).hello())
    assert ("--bare" in str(caught.value.hint)) == credential.bare


class Interrupted(Line):
    """A line whose every wait is interrupted once, before what has come can be received."""

    def __init__(self, *answers: Message) -> None:
        super().__init__(*answers)
        self.interruptions = 0

    async def is_interrupted(self, *, deadline_s: float) -> bool:
        self.deadlines.add(deadline_s)
        self.interruptions += 1
        return self.interruptions % 2 == 1


def test_a_wait_that_was_interrupted_goes_on_with_the_next_call(whole: Credential) -> None:
    line = Interrupted(Link(), OkGet(coffer=b"first"), Still(), OkGet(coffer=b"second"))

    async def work() -> list[Message | None]:
        async with connection(line, whole) as here:
            await here.hello()
            await here.send(Get())
            # Only one of the two ways to wait can be interrupted.
            first = await here.receive(OkGet)
            await here.send(Watch(serial=1))
            found: list[Message | None] = [await here.next_message_or_interruption() for _ in range(2)]
            # The session has not failed.
            await here.send(Held(serial=1, sha256=bytes(32), use=1, receipt=bytes(64)))
            found.append(await here.next_message_or_interruption())
            return [first, *found]

    assert finish(work()) == [OkGet(coffer=b"first"), None, Still(), None]
    assert [type(message) for message in line.heard] == [Hello, Get, Watch, Held]
    assert line.deadlines == {DEADLINE_S}


def test_an_unknown_client_is_told_its_line(credential: Credential) -> None:
    identity = credential.identity
    line = Line(KeyNotFound(client=identity.plain_id() if credential.bare else identity.id()))
    with pytest.raises(KeyNotFoundError, match=r"send this line to your operator"):
        finish(connection(line, credential).hello())


def test_what_is_no_answer_of_a_server_is_named(whole: Credential) -> None:
    class Noise(Line):
        async def receive(self, *, deadline_s: float) -> bytes:
            return b"HTTP/1.1 400 Bad Request"

    with pytest.raises(UnopenableError, match=r"^coffer\.example: "):
        finish(connection(Noise(), whole).hello())


def test_a_session_that_has_failed_sends_nothing_more(whole: Credential) -> None:
    line = Line(Link(), Error(code="busy", sentence="later"))

    async def work() -> None:
        here = connection(line, whole)
        await here.hello()
        await here.send(Get())
        with pytest.raises(BusyServerError, match="later"):
            await here.receive(OkGet)
        with pytest.raises(UnreachableError, match="has failed"):
            await here.send(Get())
        await here.bye()

    finish(work())
    assert [type(message) for message in line.heard] == [Hello, Get]
