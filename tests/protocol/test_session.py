from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coffer_protocol import frame, limits
from coffer_protocol.errors import (
    LimitError,
    LocalProtocolError,
    MalformedMessageError,
    ProtocolError,
    RemoteProtocolError,
    TruncatedError,
    TurnError,
    UnopenableError,
)
from coffer_protocol.frame import Frame
from coffer_protocol.message import (
    RULES,
    Ask,
    Bye,
    Commit,
    Direction,
    Drop,
    Enrol,
    Error,
    Get,
    Held,
    Hello,
    KeyNotFound,
    Link,
    Message,
    MessageType,
    OkCommit,
    OkGet,
    OkOpen,
    OkRequest,
    Open,
    Put,
    Request,
    Reuse,
    Still,
    Tell,
    Watch,
    Welcome,
    encode_body,
    type_of,
)
from coffer_protocol.session import ClientSession, ServerSession
from coffer_protocol.suite import Responder
from coffer_protocol.suite.box import BoxInitiator, BoxResponder
from coffer_protocol.suite.noise import NoiseInitiator, NoiseResponder, hint
from tests.support import identity

WEB, SERVER = identity("web"), identity("server")
ID = b"\7" * 32
SUITES = [0, 1]

RESPONDERS: dict[int, Callable[[], Responder]] = {
    0: lambda: BoxResponder(SERVER.plain_secret()),
    1: lambda: NoiseResponder({hint(SERVER.id()): SERVER.box_secret()}),
}


def client_session(suite: int) -> ClientSession:
    return ClientSession(BoxInitiator(WEB, SERVER.plain_id()) if suite == 0 else NoiseInitiator(WEB, SERVER.id()))


def server_session() -> ServerSession:
    return ServerSession(RESPONDERS)


def linked(suite: int = 1) -> tuple[ClientSession, ServerSession]:
    client, server = client_session(suite), server_session()
    server.receive(client.hello())
    assert server.next_message() == Hello(client=client.client_id)
    client.receive(server.send(Link()))
    assert client.next_message() == Link()
    return client, server


def carry(sender: ClientSession | ServerSession, receiver: ClientSession | ServerSession, sent: Message) -> Message | None:
    receiver.receive(sender.send(sent))
    return receiver.next_message()


def forced(sender: ClientSession | ServerSession, sent: Message) -> bytes:
    """The frame of a message that its sender's own session would not let out."""
    assert sender._transport is not None
    kind = type_of(sent)
    return frame.encode(Frame(kind, sender._transport.seal(kind, encode_body(sent))))


EXAMPLES: dict[MessageType, Message] = {
    type_of(example): example
    for example in (
        Link(),
        Get(),
        OkGet(coffer=b"sealed"),
        Watch(serial=1),
        Still(),
        Held(serial=1, sha256=ID, use=0, receipt=bytes(64)),
        Enrol(client=WEB.id()),
        Welcome(),
        Request(coffer="shop", body=WEB.public().body, owner=WEB.owner_proof(), name="web", proof=None),
        OkRequest(),
        Open(coffer="shop"),
        OkOpen.pack(None, []),
        Put(id=ID, mark=bytes(16), note=b"", alg=2, blob=b"blob"),
        Drop(id=ID),
        Commit(signed=b"signed"),
        OkCommit(serial=1),
        Ask(name="heads", params=[]),
        Tell(answer=b"\x80"),
        Reuse(id=ID, mark=bytes(16), alg=2, since=1, sha256=ID),
        Bye(client=WEB.id()),
        KeyNotFound(client=WEB.id()),
        Error(code="internal", sentence="x"),
    )
}


@pytest.mark.parametrize("suite", SUITES)
def test_the_main_job(suite: int) -> None:
    client, server = linked(suite)
    assert client.suite == server.suite == suite
    assert carry(client, server, Get()) == Get()
    assert carry(server, client, OkGet(coffer=b"sealed")) == OkGet(coffer=b"sealed")
    server.receive(client.bye())
    assert server.next_message() == Bye(client=client.client_id)
    assert client.is_over
    assert server.is_over
    server.receive(b"")
    assert server.next_message() is None


@pytest.mark.parametrize("suite", SUITES)
def test_fed_a_byte_at_a_time(suite: int) -> None:
    client, server = client_session(suite), server_session()

    def trickle(data: bytes, receiver: ClientSession | ServerSession) -> Message | None:
        for place in range(len(data)):
            assert receiver.next_message() is None
            receiver.receive(data[place : place + 1])
        return receiver.next_message()

    assert trickle(client.hello(), server) == Hello(client=client.client_id)
    assert trickle(server.send(Link()), client) == Link()
    assert trickle(client.send(Get()), server) == Get()
    assert trickle(server.send(OkGet(coffer=b"sealed")), client) == OkGet(coffer=b"sealed")
    assert trickle(client.bye(), server) == Bye(client=client.client_id)


def test_several_frames_at_once() -> None:
    client, server = linked()
    carry(client, server, Open(coffer="shop"))
    carry(server, client, OkOpen.pack(None, []))
    changes = [Put(id=bytes([n]) * 32, mark=bytes(16), note=b"n", alg=2, blob=bytes(n)) for n in range(1, 6)]
    server.receive(b"".join(map(client.send, changes)) + client.send(Commit(signed=b"s")))
    assert [server.next_message() for _ in range(6)] == [*changes, Commit(signed=b"s")]


# ------------------------------------------------------------------------------------------------------- the turn


def walks() -> Iterator[tuple[list[MessageType], MessageType]]:
    """A way to every message, and each message that could be tried behind it."""
    ways: dict[MessageType, list[MessageType]] = {MessageType.LINK: []}
    queue = [MessageType.LINK]
    while queue:
        at = queue.pop(0)
        for following in sorted(RULES[at].followers | ({MessageType.ERROR} if RULES[at].followers else set())):
            if following not in ways:
                ways[following] = [*ways[at], following]
                queue.append(following)
    for way in ways.values():
        for kind in EXAMPLES:
            yield way, kind


@pytest.mark.parametrize(("way", "kind"), list(walks()))
def test_after_every_message_only_what_the_table_lets_follow(way: list[MessageType], kind: MessageType) -> None:
    client, server = linked()
    last = MessageType.LINK
    for step in way:
        from_client = RULES[step].sender is Direction.CLIENT_TO_SERVER
        sent = carry(client, server, EXAMPLES[step]) if from_client else carry(server, client, EXAMPLES[step])
        assert sent == EXAMPLES[step]
        last = step
    may_follow = kind in RULES[last].followers or (kind is MessageType.ERROR and bool(RULES[last].followers))
    if kind is MessageType.HELD:
        may_follow = MessageType.OK_GET in way and bool(RULES[last].followers)
    sender: ClientSession | ServerSession
    sender, receiver = (client, server) if RULES[kind].sender is Direction.CLIENT_TO_SERVER else (server, client)
    if may_follow:
        assert carry(sender, receiver, EXAMPLES[kind]) == EXAMPLES[kind]
        return
    with pytest.raises(LocalProtocolError):
        sender.send(EXAMPLES[kind])
    # And a peer that sends it all the same is refused, once its frame was opened.
    receiver.receive(forced(sender, EXAMPLES[kind]))
    with pytest.raises(TurnError):
        receiver.next_message()


def test_a_frame_out_of_its_turn_that_cannot_be_opened_is_not_answered() -> None:
    """Anybody on the way could have sent it."""
    _, server = linked()
    server.receive(frame.encode(Frame(MessageType.COMMIT, bytes(100))))
    with pytest.raises(UnopenableError) as caught:
        server.next_message()
    assert server.refuse(caught.value) == b""


# ------------------------------------------------------------------------------------------------------- receipts


def after_ok_get() -> tuple[ClientSession, ServerSession]:
    client, server = linked()
    carry(client, server, Get())
    carry(server, client, OkGet(coffer=b"sealed"))
    return client, server


HELD = Held(serial=1, sha256=ID, use=1, receipt=bytes(64))


def test_a_receipt_leaves_the_turn_as_it_was() -> None:
    client, server = after_ok_get()
    assert carry(client, server, HELD) == HELD
    assert carry(client, server, HELD) == HELD
    assert carry(client, server, Watch(serial=1)) == Watch(serial=1)
    # While a Watch waits, too: the server answers that one.
    assert carry(client, server, HELD) == HELD
    assert carry(server, client, Still()) == Still()
    assert carry(client, server, HELD) == HELD
    assert carry(server, client, OkGet(coffer=b"sealed")) == OkGet(coffer=b"sealed")
    assert carry(client, server, Bye(client=WEB.id())) == Bye(client=WEB.id())
    with pytest.raises(LocalProtocolError):
        client.send(HELD)


def test_a_receipt_before_any_release_is_out_of_its_turn() -> None:
    client, server = linked()
    with pytest.raises(LocalProtocolError):
        client.send(HELD)
    server.receive(forced(client, HELD))
    with pytest.raises(TurnError):
        server.next_message()


def test_a_receipt_does_not_go_between_the_parts_of_a_message() -> None:
    client, server = after_ok_get()
    transport = client._transport
    assert transport is not None
    server.receive(frame.encode(Frame(MessageType.PART, transport.seal(MessageType.PART, b"piece"))) + forced(client, HELD))
    with pytest.raises(RemoteProtocolError):
        server.next_message()


# ------------------------------------------------------------------------------------------------------ enrolment


def enrolling() -> tuple[ClientSession, ServerSession]:
    client, server = client_session(1), server_session()
    server.receive(client.enrol())
    assert server.next_message() == Enrol(client=WEB.id())
    return client, server


def test_a_client_that_is_not_known_asks_to_be_let_in() -> None:
    client, server = enrolling()
    assert carry(server, client, Welcome()) == Welcome()
    request = EXAMPLES[MessageType.REQUEST]
    assert carry(client, server, request) == request
    assert carry(server, client, OkRequest()) == OkRequest()
    server.receive(client.bye())
    assert server.next_message() == Bye(client=WEB.id())


def test_a_client_that_is_known_goes_on_as_after_hello() -> None:
    client, server = enrolling()
    assert carry(server, client, Link()) == Link()
    assert carry(client, server, Get()) == Get()


def test_a_server_may_refuse_to_let_anybody_in() -> None:
    client, server = enrolling()
    refusal = Error(code="unsupported", sentence="nobody is let in here")
    assert carry(server, client, refusal) == refusal
    with pytest.raises(LocalProtocolError):
        enrolling()[1].send(KeyNotFound(client=WEB.id()))


def test_suite_0_has_no_enrol() -> None:
    with pytest.raises(LocalProtocolError):
        client_session(0).enrol()
    server = server_session()
    server.receive(frame.encode(Frame(MessageType.ENROL, bytes(152))))
    with pytest.raises(UnopenableError):
        server.next_message()


@pytest.mark.parametrize("kind", [kind for kind in MessageType if 0 not in RULES[kind].suites])
def test_suite_0_has_get_alone(kind: MessageType) -> None:
    client, server = linked(0)
    if kind in EXAMPLES:
        with pytest.raises(LocalProtocolError):
            client.send(EXAMPLES[kind])
    transport = client._transport
    assert transport is not None
    server.receive(frame.encode(Frame(kind, transport.seal(kind, b""))))
    with pytest.raises(TurnError):
        server.next_message()


def test_an_unknown_type_ends_the_session_without_a_word() -> None:
    _, server = linked()
    server.receive(frame.encode(Frame(0x77, b""))[: frame.HEADER_BYTES])
    with pytest.raises(UnopenableError) as caught:
        server.next_message()
    assert server.refuse(caught.value) == b""


def test_a_second_hello_is_out_of_its_turn_and_is_told_so() -> None:
    client, server = linked()
    server.receive(forced(client, Hello(client=WEB.id())))
    with pytest.raises(TurnError) as caught:
        server.next_message()
    client.receive(server.refuse(caught.value))
    told = client.next_message()
    assert isinstance(told, Error)
    assert told.code == "turn"


# ------------------------------------------------------------------------------------------------ before the Link


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00",
        b"\x05\x16\x01",
        b"\x05\x15\x00",
        b"\xff\xff\x00",
        b"\x00\x98\x02",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x05\x16\x00" + bytes(1302),
        b"\x00\x98\x00" + bytes(152),
    ],
)
def test_strangers_learn_nothing(data: bytes) -> None:
    server = server_session()
    server.receive(data)
    with pytest.raises(UnopenableError) as caught:
        server.next_message()
    assert server.refuse(caught.value) == b""


def test_a_wrong_length_is_refused_before_the_content_is_there() -> None:
    server = server_session()
    server.receive(b"\x05\x17\x00")
    with pytest.raises(UnopenableError):
        server.next_message()


def test_a_client_not_yet_known_may_send_2048_bytes() -> None:
    client, server = client_session(1), server_session()
    hello = client.hello()
    server.receive(hello[:100])
    server.receive(bytes(limits.UNKNOWN_CLIENT_BYTES - 99))
    with pytest.raises(UnopenableError):
        server.next_message()


def test_a_suite_that_is_not_served_is_closed_without_a_word() -> None:
    server = ServerSession({1: RESPONDERS[1]})
    server.receive(client_session(0).hello())
    with pytest.raises(UnopenableError):
        server.next_message()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("answer", [KeyNotFound(client=WEB.id()), KeyNotFound(client=WEB.plain_id()), Error(code="suite", sentence="x")])
def test_what_may_come_instead_of_link(suite: int, answer: Message) -> None:
    client, server = client_session(suite), server_session()
    server.receive(client.hello())
    server.next_message()
    client.receive(server.send(answer))
    if isinstance(answer, KeyNotFound) and answer.client != client.client_id:
        with pytest.raises(MalformedMessageError):
            client.next_message()
    else:
        assert client.next_message() == answer
        assert client.is_over


@pytest.mark.parametrize("suite", SUITES)
def test_a_client_whose_server_is_another_closes_without_an_answer(suite: int) -> None:
    client = client_session(suite)
    client.hello()
    client.receive(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(RemoteProtocolError, match="Likely causes"):
        client.next_message()
    silent = client_session(suite)
    silent.hello()
    silent.receive(b"")
    with pytest.raises(TruncatedError, match="Likely causes"):
        silent.next_message()


# ---------------------------------------------------------------------------------------------------------- parts


@pytest.mark.parametrize("size", [65_518, 65_519, 65_520, 200_000, limits.SHARD_BYTES + 5000])
def test_long_messages_go_in_parts(size: int) -> None:
    client, server = linked()
    carry(client, server, Get())
    sent = OkGet(coffer=bytes(size))
    data = server.send(sent)
    assert (data[2] == MessageType.PART) == (size > 65_518)
    client.receive(data)
    assert client.next_message() == sent


def test_suite_0_has_no_parts() -> None:
    client, server = linked(0)
    carry(client, server, Get())
    assert carry(server, client, OkGet(coffer=bytes(65_495))) == OkGet(coffer=bytes(65_495))
    client, server = linked(0)
    carry(client, server, Get())
    with pytest.raises(LocalProtocolError):
        server.send(OkGet(coffer=bytes(65_496)))


def test_parts_without_end_are_refused_before_they_are_read() -> None:
    client, server = linked()
    carry(client, server, Open(coffer="shop"))
    carry(server, client, OkOpen.pack(None, []))
    transport = client._transport
    assert transport is not None
    part = bytes(65_518)
    for _ in range(limits.MESSAGE_BYTES // len(part)):
        server.receive(frame.encode(Frame(MessageType.PART, transport.seal(MessageType.PART, part))))
        assert server.next_message() is None
    # The header alone is enough.
    server.receive(frame.encode(Frame(MessageType.PART, transport.seal(MessageType.PART, part)))[: frame.HEADER_BYTES])
    with pytest.raises(UnopenableError) as caught:
        server.next_message()
    assert len(server._parts) <= limits.MESSAGE_BYTES
    # Anybody on the way could have written that header.
    assert server.refuse(caught.value) == b""


def test_what_is_too_long_is_not_sent() -> None:
    client, server = linked()
    carry(client, server, Get())
    with pytest.raises(LocalProtocolError):
        server.send(OkGet(coffer=bytes(limits.MESSAGE_BYTES + 1)))


def test_a_part_where_no_message_in_parts_may_come() -> None:
    client, server = linked()
    transport = server._transport
    assert transport is not None
    client.receive(frame.encode(Frame(MessageType.PART, transport.seal(MessageType.PART, bytes(100)))))
    with pytest.raises(TurnError):
        client.next_message()


# -------------------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize("suite", SUITES)
def test_a_tampered_frame_ends_the_session_without_a_word(suite: int) -> None:
    client, server = linked(suite)
    data = bytearray(client.send(Get()))
    data[-1] ^= 1
    server.receive(bytes(data))
    for _ in range(2):
        with pytest.raises(UnopenableError) as caught:
            server.next_message()
    assert server.refuse(caught.value) == b""
    with pytest.raises(LocalProtocolError):
        server.send(OkGet(coffer=b""))


@pytest.mark.parametrize("cut", [1, 3, 10])
def test_a_client_that_stops_half_way(cut: int) -> None:
    client, server = linked()
    server.receive(client.send(Get())[:cut])
    assert server.next_message() is None
    server.receive(b"")
    with pytest.raises(TruncatedError):
        server.next_message()


def test_a_body_that_is_not_what_its_type_promises_is_told_so() -> None:
    client, server = linked()
    transport = client._transport
    assert transport is not None
    server.receive(frame.encode(Frame(MessageType.OPEN, transport.seal(MessageType.OPEN, b"\xff"))))
    with pytest.raises(MalformedMessageError) as caught:
        server.next_message()
    client.receive(server.refuse(caught.value))
    told = client.next_message()
    assert isinstance(told, Error)
    assert told.code == "unsupported"


def test_bye_names_its_client() -> None:
    client, server = linked()
    server.receive(client.send(Bye(client=ID)))
    with pytest.raises(MalformedMessageError):
        server.next_message()


def test_a_session_has_an_end() -> None:
    client, server = linked()
    client._frames = server._frames = limits.SESSION_FRAMES
    with pytest.raises(LocalProtocolError):
        client.send(Get())
    other, server = linked()
    server._frames = limits.SESSION_FRAMES
    server.receive(other.send(Get()))
    with pytest.raises(LimitError) as caught:
        server.next_message()
    # The Error that says so is one frame more.
    other.receive(server.refuse(caught.value))
    told = other.next_message()
    assert isinstance(told, Error)
    assert told.code == "limit"


def test_an_empty_part_is_refused() -> None:
    client, server = linked()
    server.allows_long_asks = True
    transport = client._transport
    assert transport is not None
    server.receive(frame.encode(Frame(MessageType.PART, transport.seal(MessageType.PART, b""))))
    with pytest.raises(MalformedMessageError):
        server.next_message()


@pytest.mark.parametrize(
    "kind",
    [kind for kind, rule in RULES.items() if rule.sender is Direction.CLIENT_TO_SERVER and rule.limit_bytes < 0xF000],
)
def test_a_message_longer_than_it_can_be_is_refused_by_its_header(kind: MessageType) -> None:
    _, server = linked()
    server.receive(frame.encode(Frame(kind, bytes(RULES[kind].limit_bytes + 18)))[: frame.HEADER_BYTES])
    with pytest.raises(UnopenableError, match="longer"):
        server.next_message()


@pytest.mark.parametrize(("suite", "length"), [(0, 39), (0, 41), (1, 1152), (1, 1154), (1, 65_535)])
def test_a_link_has_one_length(suite: int, length: int) -> None:
    client = client_session(suite)
    client.hello()
    client.receive(frame.encode(Frame(MessageType.LINK, bytes(length)))[: frame.HEADER_BYTES])
    with pytest.raises(UnopenableError):
        client.next_message()


# --------------------------------------------------------------------------------------------------- property tests


@given(st.binary(max_size=400))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    client, server = linked()
    for session in (client, server, server_session()):
        session.receive(data)
        session.receive(b"")
        try:
            while session.next_message() is not None:
                pass
        except RemoteProtocolError:
            pass


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_sessions_driven_against_each_other(data: st.DataObject) -> None:
    """Any walk through the table, in pieces of any size, arrives whole and in order; or stops at a byte that was changed."""
    client, server = linked()
    tampered = False
    for _ in range(data.draw(st.integers(1, 12))):
        sendable = [
            (sender, receiver, example)
            for sender, receiver, own in ((client, server, Direction.CLIENT_TO_SERVER), (server, client, Direction.SERVER_TO_CLIENT))
            for kind, example in EXAMPLES.items()
            if RULES[kind].sender is own and sender._may_follow(kind, own)
        ]
        if not sendable:
            break
        sender, receiver, example = data.draw(st.sampled_from(sendable))
        wire = sender.send(example)
        if data.draw(st.integers(0, 9)) == 0:
            place = data.draw(st.integers(0, len(wire) - 1))
            wire = wire[:place] + bytes([wire[place] ^ data.draw(st.integers(1, 255))]) + wire[place + 1 :]
            tampered = True
        cut = data.draw(st.integers(0, len(wire)))
        received = None
        try:
            for piece in (wire[:cut], wire[cut:]):
                if piece:
                    receiver.receive(piece)
                    received = receiver.next_message()
        except ProtocolError:
            assert tampered
            return
        if tampered:
            # A length that was changed upwards leaves the receiver waiting; nothing false may come out.
            assert received is None
            return
        assert received == example
