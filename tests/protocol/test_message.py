from __future__ import annotations

from typing import Any

import pytest

from coffer_protocol import cbor, message, question
from coffer_protocol.enrolment import InviteProof, SuccessorProof
from coffer_protocol.errors import MalformedMessageError
from coffer_protocol.message import (
    RULES,
    Ask,
    Bye,
    Commit,
    Direction,
    Drop,
    Enrol,
    Entry,
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
)
from tests.protocol.damage import others
from tests.support import identity, vectors

VECTORS = vectors("messages")
ID, HASH, MARK = bytes(range(32)), bytes(range(32, 64)), bytes(range(16))

ENTRIES = [Entry(id=bytes([n + 1]) * 32, alg=1 + n % 2, since=n + 1, sha256=HASH, mark=MARK) for n in range(30)]

KEYS = {"body": identity("web").public().body, "owner": identity("web").owner_proof()}
INVITE = InviteProof(tag=bytes(16), mac=bytes(32))


def request(proof: Any = None) -> Request:
    return Request(coffer="shop", name="web", proof=proof, **KEYS)


EVERY: list[Message] = [
    Hello(client=ID),
    Link(),
    Get(),
    OkGet(coffer=b"sealed"),
    Watch(serial=7),
    Still(),
    Held(serial=7, sha256=HASH, use=1, receipt=bytes(64)),
    Enrol(client=ID),
    Welcome(),
    request(),
    request(INVITE),
    request(SuccessorProof(old_id=ID, issued=5, signature=bytes(64))),
    request(SuccessorProof(old_id=ID, issued=5, signature=bytes(64), invite=INVITE)),
    OkRequest(),
    Open(coffer="shop"),
    Open(coffer="shop", known=HASH),
    OkOpen.pack(b"signed", ENTRIES),
    OkOpen(signed=b"signed", packed=None),
    OkOpen.pack(None, []),
    Put(id=ID, mark=MARK, note=b"note", alg=2, blob=b"blob"),
    Drop(id=ID),
    Commit(signed=b"signed"),
    OkCommit(serial=9),
    Ask(name="heads", params=["shop", 1]),
    Tell(answer=b"\x80"),
    Reuse(id=ID, mark=MARK, alg=2, since=3, sha256=HASH),
    Bye(client=ID),
    KeyNotFound(client=ID),
    Error(code="turn", sentence="GET may not follow GET"),
]


@pytest.mark.parametrize("sent", EVERY, ids=lambda sent: type(sent).__name__)
def test_every_message_both_ways(sent: Message) -> None:
    assert message.decode_body_untrusted(message.type_of(sent), message.encode_body(sent)) == sent


@pytest.mark.parametrize("sent", EVERY, ids=lambda sent: type(sent).__name__)
def test_no_message_is_longer_than_its_rule_allows(sent: Message) -> None:
    assert len(message.encode_body(sent)) <= RULES[message.type_of(sent)].limit_bytes


def read(kind: int, body: bytes) -> bytes:
    """What is in a body of the vectors, whole, and written again."""
    decoded = message.decode_body_untrusted(MessageType(kind), body)
    match decoded:
        case OkOpen(signed=signed, packed=bytes()):
            return message.encode_body(OkOpen.pack(signed, decoded.entries()))
        case Ask():
            return message.encode_body(question.from_ask_untrusted(decoded).to_ask())
    return message.encode_body(decoded)


BODIES = [entry for entry in VECTORS["bodies"] if entry["type"] != MessageType.TELL]


@pytest.mark.parametrize("entry", BODIES, ids=lambda entry: f"{entry['type']} {entry['about']}")
def test_bodies_of_the_vectors_both_ways(entry: Any) -> None:
    body = bytes.fromhex(entry["body"])
    assert read(entry["type"], body) == body


@pytest.mark.parametrize("entry", BODIES, ids=lambda entry: f"{entry['type']} {entry['about']}")
def test_bodies_of_the_vectors_with_a_byte_more_or_less_are_refused(entry: Any) -> None:
    body = bytes.fromhex(entry["body"])
    for damaged in (body + b"\0", b"\0" + body, body[:-1], body[1:]):
        with pytest.raises(MalformedMessageError):
            read(entry["type"], damaged)


def is_listing(value: Any) -> bool:
    match value:
        case [bytes(), None | []] | [None, []]:
            return True
    return False


@pytest.mark.parametrize("entry", BODIES, ids=lambda entry: f"{entry['type']} {entry['about']}")
def test_bodies_of_the_vectors_with_an_item_of_another_type_are_refused(entry: Any) -> None:
    value = cbor.decode(bytes.fromhex(entry["body"]))
    for other in others(value):
        # A coffer alone is an Open too, and a listing may be empty or left out.
        if entry["type"] == MessageType.OPEN and isinstance(other, str):
            continue
        if entry["type"] == MessageType.OK_OPEN and is_listing(other):
            continue
        with pytest.raises(MalformedMessageError):
            read(entry["type"], cbor.encode(other))


def test_the_request_of_the_vectors_both_ways() -> None:
    body = bytes.fromhex(vectors("releases")["enrolment"]["request"])
    assert read(MessageType.REQUEST, body) == body


def test_every_type_has_a_message_and_a_rule() -> None:
    assert {message.type_of(sent) for sent in EVERY} == set(MessageType) - {MessageType.PART}
    assert set(RULES) == set(MessageType)


def test_a_listing_gives_its_entries_one_by_one() -> None:
    listing = OkOpen.pack(b"signed", ENTRIES)
    assert list(listing.entries()) == ENTRIES
    assert list(listing.entries()) == ENTRIES


def test_only_the_server_says_error_and_only_known_codes_have_a_meaning() -> None:
    assert RULES[MessageType.ERROR].sender is Direction.SERVER_TO_CLIENT
    assert message.decode_body_untrusted(MessageType.ERROR, b"later: a newer code") == Error(code="later", sentence="a newer code")
    assert message.decode_body_untrusted(MessageType.ERROR, b"bare") == Error(code="bare", sentence="")


def test_an_errors_text_cannot_steer_a_terminal() -> None:
    decoded = message.decode_body_untrusted(MessageType.ERROR, b"turn: \x1b[2Jgone\r\nforged line")
    assert isinstance(decoded, Error)
    assert decoded.sentence.isprintable()


def entry(**changed: Any) -> list[Any]:
    return list(({"id": ID, "alg": 1, "since": 1, "sha256": HASH, "mark": MARK} | changed).values())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MessageType.LINK, b"x"),
        (MessageType.GET, b"\x00"),
        (MessageType.STILL, b"\xf6"),
        (MessageType.BYE, ID[:31]),
        (MessageType.KEY_NOT_FOUND, ID + b"x"),
        (MessageType.ERROR, b"\xff"),
        (MessageType.WATCH, b""),
        (MessageType.WATCH, cbor.encode(-1)),
        (MessageType.WATCH, cbor.encode(True)),
        (MessageType.WATCH, cbor.encode("1")),
        (MessageType.WATCH, b"\x18\x01"),
        (MessageType.WATCH, cbor.encode(1) + b"x"),
        (MessageType.WATCH, cbor.encode(2**63)),
        (MessageType.OPEN, cbor.encode(b"shop")),
        (MessageType.OPEN, cbor.encode(["shop"])),
        (MessageType.OPEN, cbor.encode(["shop", HASH[:31]])),
        (MessageType.OPEN, cbor.encode(["shop", None])),
        (MessageType.WELCOME, b"\0"),
        (MessageType.OK_REQUEST, b"\0"),
        (MessageType.ENROL, ID[:31]),
        (MessageType.HELD, cbor.encode([0, HASH, 0, bytes(64)])),
        (MessageType.HELD, cbor.encode([7, HASH, 2, bytes(64)])),
        (MessageType.HELD, cbor.encode([7, HASH, True, bytes(64)])),
        (MessageType.HELD, cbor.encode([7, HASH[:31], 0, bytes(64)])),
        (MessageType.HELD, cbor.encode([7, HASH, 0, bytes(63)])),
        (MessageType.REQUEST, cbor.encode(["Shop", KEYS["body"], KEYS["owner"], "web", None])),
        (MessageType.REQUEST, cbor.encode(["shop", KEYS["body"], KEYS["owner"], "we b", None])),
        (MessageType.REQUEST, cbor.encode(["shop", KEYS["body"][:-1], KEYS["owner"], "web", None])),
        (MessageType.REQUEST, cbor.encode(["shop", KEYS["body"], KEYS["owner"][:-1], "web", None])),
        (MessageType.REQUEST, cbor.encode(["shop", KEYS["body"], KEYS["owner"], "web", ["invite", bytes(15), bytes(32)]])),
        (MessageType.REQUEST, cbor.encode(["shop", KEYS["body"], KEYS["owner"], "web", ["friend", bytes(16), bytes(32)]])),
        (MessageType.REQUEST, cbor.encode(["shop", KEYS["body"], KEYS["owner"], "web", ["successor", ID, -1, bytes(64)]])),
        (MessageType.OK_OPEN, cbor.encode([None, None])),
        (MessageType.OK_OPEN, cbor.encode([None, [entry()]])),
        (MessageType.PUT, cbor.encode([ID, MARK, b"", 2])),
        (MessageType.PUT, cbor.encode([ID, MARK, b"", 2, b"", 0])),
        (MessageType.PUT, cbor.encode([ID, MARK, b"", True, b""])),
        (MessageType.PUT, cbor.encode([ID, MARK[:15], b"", 2, b""])),
        (MessageType.PUT, cbor.encode([ID[:31], MARK, b"", 2, b""])),
        (MessageType.PUT, cbor.encode([ID, MARK, bytes((64 << 10) + 1), 2, b""])),
        (MessageType.PUT, cbor.encode([ID, MARK, "", 2, b""])),
        (MessageType.PUT, cbor.encode([bytes(32), MARK, b"", 2, b""])),
        (MessageType.PUT, cbor.encode([b"\xff" * 32, MARK, b"", 2, b""])),
        (MessageType.BYE, bytes(32)),
        (MessageType.DROP, cbor.encode(ID[:31])),
        (MessageType.DROP, cbor.encode([ID])),
        (MessageType.COMMIT, cbor.encode("signed")),
        (MessageType.OK_COMMIT, cbor.encode(0)),
        (MessageType.ASK, cbor.encode(["heads"])),
        (MessageType.ASK, cbor.encode(["heads", {}])),
        (MessageType.REUSE, cbor.encode([ID, MARK, 1, 0, HASH])),
        (MessageType.REUSE, cbor.encode([ID, MARK, 1, 1, HASH[:31]])),
        (MessageType.OK_OPEN, cbor.encode([b"signed"])),
        (MessageType.OK_OPEN, cbor.encode([b"signed", [], []])),
        (MessageType.OK_OPEN, cbor.encode(["signed", []])),
        (MessageType.OK_OPEN, cbor.encode([b"signed", {}])),
        (MessageType.OK_OPEN, b"\x98\x02\xf6\x80"),
    ],
)
def test_bodies_that_are_refused(kind: MessageType, body: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        message.decode_body_untrusted(kind, body)


@pytest.mark.parametrize(
    "entries",
    [
        [entry()[:4]],
        [[*entry(), 0]],
        [entry(id=ID[:31])],
        [entry(alg=True)],
        [entry(since=0)],
        [entry(sha256=b"")],
        [entry(mark=MARK + b"x")],
        ["entry"],
    ],
)
def test_listings_whose_entries_are_refused(entries: list[Any]) -> None:
    decoded = message.decode_body_untrusted(MessageType.OK_OPEN, cbor.encode([b"signed", entries]))
    assert isinstance(decoded, OkOpen)
    with pytest.raises(MalformedMessageError):
        list(decoded.entries())


def test_a_listing_that_promises_more_entries_than_it_has_is_refused() -> None:
    decoded = message.decode_body_untrusted(MessageType.OK_OPEN, b"\x82\x40" + cbor.array_head(1_000_000))
    assert isinstance(decoded, OkOpen)
    with pytest.raises(MalformedMessageError):
        list(decoded.entries())


@pytest.mark.parametrize("kind", [MessageType.WATCH, MessageType.ASK, MessageType.PUT, MessageType.COMMIT])
def test_many_small_items_are_refused_before_any_is_decoded(kind: MessageType) -> None:
    """Each costs its reader a hundred times its one byte: two mebibytes of them would hold a server for seconds."""
    with pytest.raises(MalformedMessageError, match="too many items"):
        message.decode_body_untrusted(kind, cbor.array_head(1 << 21) + b"\xa0" * (1 << 21))


def test_an_entry_is_bounded_by_itself() -> None:
    entry_of_many = cbor.array_head(1 << 20) + b"\xa0" * (1 << 20)
    listing = OkOpen(signed=b"signed", packed=entry_of_many, count=1)
    with pytest.raises(MalformedMessageError, match="too many items"):
        next(listing.entries())
    with pytest.raises(MalformedMessageError, match="too many items"):
        message.decode_body_untrusted(MessageType.OK_OPEN, b"\x82" + entry_of_many + b"\x80")


def test_a_question_may_hold_many_ids() -> None:
    sent = Ask(name="notes", params=["shop", 1, [ID] * 50_000])
    assert message.decode_body_untrusted(MessageType.ASK, message.encode_body(sent)) == sent


def test_a_long_sentence_loses_its_end() -> None:
    body = message.encode_body(Error(code="denied", sentence="ä" * 2000))
    assert len(body) <= RULES[MessageType.ERROR].limit_bytes
    decoded = message.decode_body_untrusted(MessageType.ERROR, body)
    assert isinstance(decoded, Error)
    assert decoded.code == "denied"
    assert set(decoded.sentence) == {"ä"}
