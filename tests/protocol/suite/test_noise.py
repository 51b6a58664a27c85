from __future__ import annotations

from typing import Any

import pytest

from coffer_protocol.crypto import primitives
from coffer_protocol.errors import UnopenableError
from coffer_protocol.message import MessageType
from coffer_protocol.suite.noise import IK, IK_HFS, PROLOGUE, PROTOCOL_NAME, HandshakeState, NoiseInitiator, NoiseResponder, hint
from tests.support import Draws, identity, public_vectors, vectors

VECTORS = vectors("suite1")
WEB, SERVER = identity("web"), identity("server")


def unhex(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name])


def initiator() -> NoiseInitiator:
    return NoiseInitiator(WEB, SERVER.id(), random=Draws(unhex("client_e"), unhex("kem_seed")))


def responder() -> NoiseResponder:
    return NoiseResponder(
        {hint(SERVER.id()): SERVER.box_secret()},
        random=Draws(unhex("server_e")),
        encapsulate=lambda key: (unhex("kem_ciphertext"), unhex("kem_shared_secret")),
    )


def content(number: int) -> bytes:
    return bytes.fromhex(VECTORS["frames"][number]["content"])


def test_the_handshake_of_the_vectors_to_the_byte() -> None:
    client, server = initiator(), responder()
    assert client.hello(MessageType.HELLO) == content(0)
    assert server.read_hello(MessageType.HELLO, content(0)) == WEB.id()
    link, server_transport = server.answer(MessageType.LINK, b"")
    assert link == content(1)
    body, client_transport = client.finish(MessageType.LINK, link)
    assert body == b""
    for frame in VECTORS["frames"][2:]:
        kind, body, sealed = MessageType(frame["type"]), bytes.fromhex(frame["body"]), bytes.fromhex(frame["content"])
        sender, receiver = (client_transport, server_transport) if frame["who"] == "client" else (server_transport, client_transport)
        assert sender.seal(kind, body) == sealed
        assert receiver.open(kind, sealed) == body


@pytest.mark.parametrize("frame", VECTORS["instead_of_link"], ids=lambda frame: hex(frame["type"]))
def test_what_may_come_instead_of_link(frame: Any) -> None:
    client, server = initiator(), responder()
    server.read_hello(MessageType.HELLO, client.hello(MessageType.HELLO))
    kind, body = MessageType(frame["type"]), bytes.fromhex(frame["body"])
    assert server.answer(kind, body)[0].hex() == frame["content"]
    assert client.finish(kind, bytes.fromhex(frame["content"]))[0] == body


def test_the_handshake_that_begins_with_enrol_to_the_byte() -> None:
    client, server = initiator(), responder()
    enrol, welcome = (bytes.fromhex(frame["content"]) for frame in VECTORS["enrol"])
    assert client.hello(MessageType.ENROL) == enrol
    assert server.read_hello(MessageType.ENROL, enrol) == WEB.id()
    assert server.answer(MessageType.WELCOME, b"")[0] == welcome
    assert client.finish(MessageType.WELCOME, welcome)[0] == b""


def test_a_hello_is_not_taken_for_an_enrol() -> None:
    with pytest.raises(UnopenableError):
        responder().read_hello(MessageType.ENROL, content(0))


def test_hash_and_keys_of_the_vectors() -> None:
    state = HandshakeState(
        protocol_name=PROTOCOL_NAME,
        prologue=PROLOGUE,
        pattern=IK_HFS,
        initiator=True,
        static=WEB.box_secret(),
        ephemeral=unhex("client_e"),
        remote_static=SERVER.id(),
        kem_seed=unhex("kem_seed"),
    )
    assert state.write_message(b"\0") == content(0)[5:]
    assert state.read_message_untrusted(content(1)) == b"\1"
    assert state.symmetric.hash == unhex("handshake_hash")


@pytest.mark.parametrize("number", [0, 1])
def test_plain_noise_ik_of_cacophony_and_snow(number: int) -> None:
    vector = public_vectors("noise_ik")[number]

    def state(role: str, *, is_initiator: bool) -> HandshakeState:
        return HandshakeState(
            protocol_name=vector["protocol_name"].encode(),
            prologue=bytes.fromhex(vector[f"{role}_prologue"]),
            pattern=IK,
            initiator=is_initiator,
            static=bytes.fromhex(vector[f"{role}_static"]),
            ephemeral=bytes.fromhex(vector[f"{role}_ephemeral"]),
            remote_static=bytes.fromhex(vector.get(f"{role}_remote_static", "")),
        )

    ours, theirs = state("init", is_initiator=True), state("resp", is_initiator=False)
    messages = [(bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"])) for message in vector["messages"]]
    for sender, receiver, (payload, ciphertext) in zip((ours, theirs), (theirs, ours), messages[:2], strict=True):
        assert sender.write_message(payload) == ciphertext
        assert receiver.read_message_untrusted(ciphertext) == payload
    if "handshake_hash" in vector:
        assert ours.symmetric.hash.hex() == theirs.symmetric.hash.hex() == vector["handshake_hash"]
    (to_theirs, to_ours), (from_ours, from_theirs) = ours.symmetric.split(), theirs.symmetric.split()
    for position, (payload, ciphertext) in enumerate(messages[2:]):
        sending, receiving = (to_theirs, from_ours) if position % 2 == 0 else (from_theirs, to_ours)
        assert sending.encrypt(b"", payload) == ciphertext
        assert receiving.decrypt(b"", ciphertext) == payload


def test_there_are_public_vectors_of_plain_noise_ik() -> None:
    assert len(public_vectors("noise_ik")) == 2


def test_every_byte_of_hello_counts() -> None:
    hello = initiator().hello(MessageType.HELLO)
    for place in range(len(hello)):
        with pytest.raises(UnopenableError):
            responder().read_hello(MessageType.HELLO, hello[:place] + bytes([hello[place] ^ 1]) + hello[place + 1 :])


def test_every_byte_of_link_counts() -> None:
    for place in range(len(content(1))):
        client = initiator()
        client.hello(MessageType.HELLO)
        forged = content(1)[:place] + bytes([content(1)[place] ^ 0x80]) + content(1)[place + 1 :]
        with pytest.raises(UnopenableError):
            client.finish(MessageType.LINK, forged)


@pytest.mark.parametrize("size", [0, 4, 5, 36, 1301, 1303])
def test_a_hello_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(UnopenableError):
        responder().read_hello(MessageType.HELLO, (initiator().hello(MessageType.HELLO) + b"x")[:size])


@pytest.mark.parametrize("low", ["00" * 32, "01" + "00" * 31, "ed" + "ff" * 30 + "7f"])
def test_an_ephemeral_key_that_must_not_be_used_is_refused(low: str) -> None:
    hello = initiator().hello(MessageType.HELLO)
    with pytest.raises(UnopenableError):
        responder().read_hello(MessageType.HELLO, hello[:5] + bytes.fromhex(low) + hello[37:])


def test_a_hello_for_another_server_is_refused_before_any_key_is_used() -> None:
    hello = NoiseInitiator(WEB, identity("worker").id()).hello(MessageType.HELLO)
    # There is no key to be used: with one, this secret of no bytes would fail otherwise.
    with pytest.raises(UnopenableError, match="another server"):
        NoiseResponder({hint(SERVER.id()): b""}).read_hello(MessageType.HELLO, hello)


def test_the_type_inside_must_be_the_type_outside() -> None:
    client, server = initiator(), responder()
    server.read_hello(MessageType.HELLO, client.hello(MessageType.HELLO))
    link, server_transport = server.answer(MessageType.LINK, b"")
    with pytest.raises(UnopenableError):
        client.finish(MessageType.ERROR, link)
    client = initiator()
    client.hello(MessageType.HELLO)
    _, transport = client.finish(MessageType.LINK, link)
    with pytest.raises(UnopenableError):
        server_transport.open(MessageType.BYE, transport.seal(MessageType.GET, b""))


def test_frames_cannot_be_replayed_or_reordered() -> None:
    client, server = initiator(), responder()
    server.read_hello(MessageType.HELLO, client.hello(MessageType.HELLO))
    link, server_transport = server.answer(MessageType.LINK, b"")
    _, transport = client.finish(MessageType.LINK, link)
    first, second = transport.seal(MessageType.PUT, b"1"), transport.seal(MessageType.PUT, b"2")
    with pytest.raises(UnopenableError):
        server_transport.open(MessageType.PUT, second)
    server = responder()
    server.read_hello(MessageType.HELLO, content(0))
    _, server_transport = server.answer(MessageType.LINK, b"")
    assert server_transport.open(MessageType.PUT, first) == b"1"
    with pytest.raises(UnopenableError):
        server_transport.open(MessageType.PUT, first)


def test_a_fresh_ephemeral_key_for_every_hello() -> None:
    answers = []
    for _ in range(2):
        server = NoiseResponder({hint(SERVER.id()): SERVER.box_secret()})
        server.read_hello(MessageType.HELLO, content(0))
        answers.append(server.answer(MessageType.LINK, b"")[0][: primitives.X25519_BYTES])
    assert answers[0] != answers[1]
