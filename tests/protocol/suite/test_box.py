from __future__ import annotations

from typing import Any

import pytest

from coffer_protocol import frame
from coffer_protocol.errors import UnopenableError
from coffer_protocol.frame import Frame
from coffer_protocol.message import MessageType
from coffer_protocol.suite import Transport
from coffer_protocol.suite.box import BoxInitiator, BoxResponder, BoxTransport
from tests.support import Draws, identity, vectors

VECTORS = vectors("suite0")
WEB, SERVER = identity("web"), identity("server")
HELLO, LINK = bytes.fromhex(VECTORS["hello"]), bytes.fromhex(VECTORS["link"])


def responder(answer: bytes = LINK) -> BoxResponder:
    return BoxResponder(SERVER.plain_secret(), random=Draws(answer[12:24]))


def linked() -> tuple[Transport, Transport]:
    client, server = BoxInitiator(WEB, SERVER.plain_id()), BoxResponder(SERVER.plain_secret())
    assert server.read_hello(MessageType.HELLO, client.hello(MessageType.HELLO)) == WEB.plain_id()
    link, server_transport = server.answer(MessageType.LINK, b"")
    body, client_transport = client.finish(MessageType.LINK, link)
    assert body == b""
    return client_transport, server_transport


def test_the_server_of_the_vectors_to_the_byte() -> None:
    server = responder()
    assert server.read_hello(MessageType.HELLO, HELLO) == WEB.plain_id()
    link, transport = server.answer(MessageType.LINK, b"")
    assert link == LINK
    for entry in VECTORS["later"]:
        kind, body, content = MessageType(entry["type"]), bytes.fromhex(entry["body"]), bytes.fromhex(entry["content"])
        if entry["who"] == "server":
            assert transport.seal(kind, body) == content
        else:
            assert transport.open(kind, content) == body


def test_the_clients_frames_of_the_vectors_to_the_byte() -> None:
    from coffer_protocol.message import Direction

    transcript = frame.encode(Frame(MessageType.HELLO, HELLO)) + frame.encode(Frame(MessageType.LINK, LINK))
    transport = BoxTransport(own=Direction.CLIENT_TO_SERVER, secret=WEB.plain_secret(), public=SERVER.plain_id(), transcript=transcript)
    for entry in VECTORS["later"]:
        kind, body, content = MessageType(entry["type"]), bytes.fromhex(entry["body"]), bytes.fromhex(entry["content"])
        if entry["who"] == "client":
            assert transport.seal(kind, body) == content
        else:
            assert transport.open(kind, content) == body


@pytest.mark.parametrize("entry", VECTORS["instead_of_link"], ids=lambda entry: hex(entry["type"]))
def test_what_may_come_instead_of_link(entry: Any) -> None:
    content = bytes.fromhex(entry["content"])
    server = responder(content)
    server.read_hello(MessageType.HELLO, HELLO)
    assert server.answer(MessageType(entry["type"]), bytes.fromhex(entry["body"]))[0] == content


def test_a_session() -> None:
    client, server = linked()
    assert server.open(MessageType.GET, client.seal(MessageType.GET, b"")) == b""
    assert client.open(MessageType.OK_GET, server.seal(MessageType.OK_GET, b"shard")) == b"shard"
    assert server.open(MessageType.BYE, client.seal(MessageType.BYE, WEB.plain_id())) == WEB.plain_id()


def test_a_hello_has_152_bytes() -> None:
    assert len(BoxInitiator(WEB, SERVER.plain_id()).hello(MessageType.HELLO)) == 152


def test_every_byte_of_hello_counts() -> None:
    for place in range(len(HELLO)):
        with pytest.raises(UnopenableError):
            responder().read_hello(MessageType.HELLO, HELLO[:place] + bytes([HELLO[place] ^ 1]) + HELLO[place + 1 :])


def test_every_byte_of_link_counts() -> None:
    client, server = BoxInitiator(WEB, SERVER.plain_id()), BoxResponder(SERVER.plain_secret())
    server.read_hello(MessageType.HELLO, client.hello(MessageType.HELLO))
    link, _ = server.answer(MessageType.LINK, b"")
    for place in range(len(link)):
        with pytest.raises(UnopenableError):
            client.finish(MessageType.LINK, link[:place] + bytes([link[place] ^ 1]) + link[place + 1 :])


@pytest.mark.parametrize("content", [b"", LINK[:23], LINK[:24], LINK[:39], LINK])
def test_an_answer_to_another_hello_or_cut_short_is_refused(content: bytes) -> None:
    client = BoxInitiator(WEB, SERVER.plain_id())
    client.hello(MessageType.HELLO)
    with pytest.raises(UnopenableError):
        client.finish(MessageType.LINK, content)


def test_frames_cannot_be_replayed_reordered_reflected_or_given_another_type() -> None:
    client, server = linked()
    first = client.seal(MessageType.GET, b"")
    assert server.open(MessageType.GET, first) == b""
    for receiver, kind, content in ((server, MessageType.GET, first), (client, MessageType.GET, first)):
        with pytest.raises(UnopenableError):
            receiver.open(kind, content)
    client, server = linked()
    client.seal(MessageType.GET, b"skipped")
    with pytest.raises(UnopenableError):
        server.open(MessageType.GET, client.seal(MessageType.GET, b""))
    client, server = linked()
    with pytest.raises(UnopenableError):
        server.open(MessageType.BYE, client.seal(MessageType.GET, b""))


def test_a_replayed_hello_gives_keys_that_its_sender_cannot_use() -> None:
    recorded = linked()[0].seal(MessageType.GET, b"")
    server = BoxResponder(SERVER.plain_secret())
    server.read_hello(MessageType.HELLO, HELLO)
    _, transport = server.answer(MessageType.LINK, b"")
    with pytest.raises(UnopenableError):
        transport.open(MessageType.GET, recorded)
