from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol import cbor, message, question
from coffer_protocol.errors import LimitError, MalformedMessageError
from coffer_protocol.limits import LISTING_BYTES, NOTE_BYTES
from coffer_protocol.message import Ask, Entry, Held, MessageType, Tell
from coffer_protocol.question import (
    About,
    Action,
    Activity,
    Block,
    Changes,
    Entries,
    Fetch,
    Fetches,
    Heads,
    Invite,
    Notes,
    Past,
    PastEntry,
    Question,
    Requests,
    ServerFacts,
    Settle,
    WaitingRequest,
)
from tests.protocol.damage import others
from tests.support import identity, vectors

ID, OTHER = bytes(range(32)), bytes(range(32, 64))

# Keys that can be used: neither of low order, nor over the prime.
ids = st.binary(min_size=30, max_size=30).map(lambda middle: b"\x09" + middle + b"\x09")
serials = st.integers(1, 2**63 - 1)
times = st.integers(0, 2**63 - 1)
entries = st.builds(
    Entry,
    id=ids,
    alg=st.integers(1, 2),
    since=serials,
    sha256=st.binary(min_size=32, max_size=32),
    mark=st.binary(min_size=16, max_size=16),
)

# As the table of docs/protocol.md, 8 has them.
ASKED: list[tuple[Question, Ask]] = [
    (Heads(coffer="shop", from_serial=7), Ask(name="heads", params=["shop", 7])),
    (Entries(coffer="shop", serial=7), Ask(name="entries", params=["shop", 7])),
    (Notes(coffer="shop", serial=7, ids=(ID, OTHER)), Ask(name="notes", params=["shop", 7, [ID, OTHER]])),
    (Notes(coffer="shop", serial=7, ids=()), Ask(name="notes", params=["shop", 7, []])),
    (Fetches(coffer="shop"), Ask(name="fetches", params=["shop"])),
    (Changes(coffer="shop", serial=7), Ask(name="changes", params=["shop", 7])),
    (Past(coffer="shop", ids=(ID,)), Ask(name="past", params=["shop", [ID]])),
    (Invite(coffer="shop", tag=bytes(16), expires=0), Ask(name="invite", params=["shop", bytes(16), 0])),
    (Requests(coffer="shop"), Ask(name="requests", params=["shop"])),
    (Settle(coffer="shop", id=ID, is_accepted=False), Ask(name="settle", params=["shop", ID, False])),
    (Block(coffer="shop", id=ID, is_blocked=True), Ask(name="block", params=["shop", ID, True])),
    (Activity(coffer="shop", from_at=0), Ask(name="activity", params=["shop", 0])),
    (About(coffer="shop"), Ask(name="about", params=["shop"])),
]


@pytest.mark.parametrize(("asked", "ask"), ASKED, ids=lambda value: type(value).__name__)
def test_every_question_both_ways(asked: Question, ask: Ask) -> None:
    assert asked.to_ask() == ask
    assert question.from_ask_untrusted(ask) == asked
    assert message.decode_body_untrusted(MessageType.ASK, message.encode_body(ask)) == ask


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("secrets", ["shop"]),
        ("Heads", ["shop", 1]),
        ("heads", ["shop"]),
        ("heads", ["shop", 1, 1]),
        ("heads", [b"shop", 1]),
        ("heads", ["shop", -1]),
        ("heads", ["shop", True]),
        ("heads", ["shop", 2**63]),
        ("entries", ["shop", 0]),
        ("entries", ["shop", "1"]),
        ("notes", ["shop", 1]),
        ("notes", ["shop", 0, []]),
        ("notes", ["shop", 1, [ID[:31]]]),
        ("notes", ["shop", 1, [ID.hex()]]),
        ("notes", ["shop", 1, ID]),
        ("notes", ["shop", 1, [ID] * 10_001]),
        ("changes", ["shop", 0]),
        ("changes", ["shop", True]),
        ("past", ["shop", [ID[:31]]]),
        ("past", ["shop", 1, [ID]]),
        ("invite", ["shop", bytes(15), 1]),
        ("invite", ["shop", bytes(16), -1]),
        ("invite", ["shop", bytes(16), True]),
        ("settle", ["shop", ID, 1]),
        ("settle", ["shop", ID[:31], True]),
        ("block", ["shop", ID, None]),
        ("activity", ["shop", -1]),
        ("about", ["shop", 1]),
        ("fetches", []),
        ("fetches", [None]),
    ],
)
def test_what_is_not_a_question_is_refused(name: str, params: list[Any]) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        question.from_ask_untrusted(Ask(name=name, params=params))
    assert refusal.value.code == "unsupported"


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_heads_both_ways(signed: list[bytes]) -> None:
    tell = question.tell_heads(signed)
    assert list(question.heads_untrusted(tell)) == signed
    assert cbor.decode(tell.answer) == signed


@given(st.binary(max_size=300), st.lists(entries, max_size=30))
def test_entries_both_ways(signed: bytes, listed: list[Entry]) -> None:
    head, told = question.entries_untrusted(question.tell_entries(signed, listed))
    assert (head, list(told)) == (signed, listed)


@given(st.lists(st.tuples(ids, st.binary(max_size=300)), max_size=30))
def test_notes_both_ways(notes: list[tuple[bytes, bytes]]) -> None:
    tell = question.tell_notes(iter(notes))
    assert list(question.notes_untrusted(tell)) == notes
    assert cbor.decode(tell.answer) == [list(pair) for pair in notes]


def receipts(use: int) -> st.SearchStrategy[Held]:
    return st.builds(
        Held, serial=serials, sha256=st.binary(min_size=32, max_size=32), use=st.just(use), receipt=st.binary(min_size=64, max_size=64)
    )


held = st.tuples(st.none() | receipts(0), st.none() | receipts(1))


@given(st.lists(st.builds(Fetch, id=ids, serial=serials, at=times, watching=st.none() | times, held=held), max_size=30))
def test_fetches_both_ways(fetches: list[Fetch]) -> None:
    tell = question.tell_fetches(fetches)
    assert list(question.fetches_untrusted(tell)) == fetches
    first = [[fetch.id, fetch.serial, fetch.at, fetch.watching] for fetch in fetches]
    decoded: Any = cbor.decode(tell.answer, max_items=1 << 20)
    assert [item[:4] for item in decoded] == first


@given(st.binary(max_size=300), st.lists(entries, max_size=30), st.lists(ids, max_size=30))
def test_changes_both_ways(signed: bytes, changed: list[Entry], gone: list[bytes]) -> None:
    tell = question.tell_changes(signed, changed, gone)
    head, told = question.changes_untrusted(tell)
    assert (head, list(told)) == (signed, [*changed, *gone])
    decoded: Any = cbor.decode(tell.answer, max_items=1 << 20)
    assert (decoded[0], len(decoded[1]), decoded[2]) == (signed, len(changed), gone)


past_entries = st.builds(
    PastEntry, id=ids, alg=st.integers(1, 2), since=serials, sha256=st.binary(min_size=32, max_size=32), note=st.binary(max_size=300)
)


@given(st.lists(past_entries, max_size=30))
def test_past_both_ways(past: list[PastEntry]) -> None:
    assert list(question.past_untrusted(question.tell_past(past))) == past


WAITING = WaitingRequest(
    body=identity("web").public().body, owner=identity("web").owner_proof(), name="web", at=5, address="192.0.2.7", proof=None
)
ACTION = Action(at=5, kind="fetch", id=ID, serial=7, address="192.0.2.7")
FACTS = ServerFacts(version="1.0", time=5, oldest=1, enrol="invited", is_audited=False)


def test_requests_activity_and_about_both_ways() -> None:
    assert list(question.requests_untrusted(question.tell_requests([WAITING]))) == [WAITING]
    actions = [ACTION, Action(at=6, kind="block", id=None, serial=None, address="")]
    assert list(question.activity_untrusted(question.tell_activity(actions))) == actions
    assert question.about_untrusted(question.tell_about(FACTS)) == FACTS
    question.done_untrusted(question.tell_done())


def test_what_a_server_says_for_people_cannot_steer_a_terminal() -> None:
    (action,) = question.activity_untrusted(Tell(answer=cbor.encode([[1, "x\x1b[2J", None, None, "a\nb"]])))
    assert action.kind.isprintable()
    assert action.address.isprintable()


READERS: dict[str, Callable[[Tell], Any]] = {
    "heads": lambda tell: list(question.heads_untrusted(tell)),
    "entries": lambda tell: list(question.entries_untrusted(tell)[1]),
    "changes": lambda tell: list(question.changes_untrusted(tell)[1]),
    "notes": lambda tell: list(question.notes_untrusted(tell)),
    "past": lambda tell: list(question.past_untrusted(tell)),
    "fetches": lambda tell: list(question.fetches_untrusted(tell)),
    "requests": lambda tell: list(question.requests_untrusted(tell)),
    "activity": lambda tell: list(question.activity_untrusted(tell)),
    "about": question.about_untrusted,
    "done": question.done_untrusted,
}


TOLD = [entry for entry in vectors("messages")["bodies"] if entry["type"] == MessageType.TELL]


@pytest.mark.parametrize("entry", TOLD, ids=lambda entry: entry["about"])
def test_answers_of_the_vectors_are_read_and_written_again(entry: Any) -> None:
    body = bytes.fromhex(entry["body"])
    told = READERS[entry["about"]](Tell(answer=body))
    match entry["about"]:
        case "heads":
            made = question.tell_heads(told)
        case "changes":
            signed = question.changes_untrusted(Tell(answer=body))[0]
            made = question.tell_changes(
                signed, [item for item in told if isinstance(item, Entry)], [item for item in told if isinstance(item, bytes)]
            )
        case "past":
            made = question.tell_past(told)
        case "fetches":
            made = question.tell_fetches(told)
        case "done":
            made = question.tell_done()
        case about:
            pytest.fail(f"no test for {about}")
    assert made.answer == body


@pytest.mark.parametrize("entry", TOLD, ids=lambda entry: entry["about"])
def test_answers_of_the_vectors_that_are_damaged_are_refused(entry: Any) -> None:
    body = bytes.fromhex(entry["body"])
    value = cbor.decode(body)
    damaged = [body + b"\0", body[:-1], *(cbor.encode(other) for other in others(value) if not _is_allowed(entry["about"], other))]
    for answer in damaged:
        with pytest.raises(MalformedMessageError):
            READERS[entry["about"]](Tell(answer=answer))


def _is_allowed(about: str, answer: Any) -> bool:
    """Whether an answer with an item of another type is one all the same: a list of none, and what may be null or a number."""
    if about == "fetches" and isinstance(answer, list) and answer:
        fetch = answer[0]
        return isinstance(fetch, list) and len(fetch) == 5 and (type(fetch[3]) is int or (isinstance(fetch[4], list) and None in fetch[4]))
    if about == "changes" and isinstance(answer, list) and len(answer) == 3:
        return [] in answer[1:]
    return bool(answer == [])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("heads", {}),
        ("heads", ["text"]),
        ("heads", [[b""]]),
        ("entries", [b"signed"]),
        ("entries", [None, []]),
        ("entries", ["signed", []]),
        ("entries", [b"signed", [[ID, 1, 1]]]),
        ("entries", [b"signed", [], []]),
        ("notes", [[ID]]),
        ("notes", [[ID[:31], b""]]),
        ("notes", [[ID, bytes(NOTE_BYTES + 1)]]),
        ("notes", [ID, b""]),
        ("fetches", [[ID, 1, 1]]),
        ("fetches", [[ID[:31], 1, 1, None, [None, None]]]),
        ("fetches", [[ID, 0, 1, None, [None, None]]]),
        ("fetches", [[ID, True, 1, None, [None, None]]]),
        ("fetches", [[ID, 1, -1, None, [None, None]]]),
        ("fetches", [[ID, 1, 1.5, None, [None, None]]]),
        ("fetches", [[ID, 1, 1, -1, [None, None]]]),
        ("fetches", [[ID, 1, 1, None, [None]]]),
        ("fetches", [[ID, 1, 1, None, [[1, ID, bytes(63)], None]]]),
        ("fetches", [[ID, 1, 1, None, [[0, ID, bytes(64)], None]]]),
        ("changes", [b"signed", []]),
        ("changes", [b"signed", [], [ID[:31]]]),
        ("changes", [None, [], []]),
        ("past", [[ID, 1, 1, OTHER]]),
        ("past", [[ID, 1, 0, OTHER, b""]]),
        ("past", [[ID, 1, 1, OTHER, bytes(NOTE_BYTES + 1)]]),
        ("requests", [[b"", b"", "web", 1, "", None]]),
        ("requests", [[WAITING.body, WAITING.owner, "we b", 1, "", None]]),
        ("requests", [[WAITING.body, WAITING.owner, "web", -1, "", None]]),
        ("activity", [[1, "fetch", ID[:31], None, ""]]),
        ("activity", [[1, "fetch", ID, -1, ""]]),
        ("about", {"version": "1", "time": 1, "oldest": 1, "enrol": "off"}),
        ("about", {"version": "1", "time": True, "oldest": 1, "enrol": "off", "audit": False}),
        ("about", {"version": "1", "time": 1, "oldest": 1, "enrol": "off", "audit": False, "more": 1}),
        ("done", False),
    ],
)
def test_what_is_not_an_answer_is_refused(name: str, answer: Any) -> None:
    with pytest.raises(MalformedMessageError):
        READERS[name](Tell(answer=cbor.encode(answer)))


@pytest.mark.parametrize("name", READERS)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_refused(name: str, data: bytes) -> None:
    with suppress(MalformedMessageError):
        READERS[name](Tell(answer=data))


LISTED = [Entry(id=ID, alg=2, since=1, sha256=OTHER, mark=bytes(16))]
LISTS = {
    "heads": question.tell_heads([b"signed"]),
    "entries": question.tell_entries(b"signed", LISTED),
    "changes": question.tell_changes(b"signed", LISTED, [OTHER]),
    "notes": question.tell_notes([(ID, b"note")]),
    "past": question.tell_past([PastEntry(id=ID, alg=2, since=1, sha256=OTHER, note=b"note")]),
    "fetches": question.tell_fetches([Fetch(id=ID, serial=1, at=2)]),
    "requests": question.tell_requests([WAITING]),
    "activity": question.tell_activity([ACTION]),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("damage", ["cut", "more", "long head"])
def test_an_answer_has_one_form(name: str, damage: str) -> None:
    whole = LISTS[name].answer
    damaged = {"cut": whole[:-1], "more": whole + b"\0", "long head": bytes([0x98, whole[0] & 0x1F]) + whole[1:]}[damage]
    READERS[name](Tell(answer=whole))
    with pytest.raises(MalformedMessageError):
        READERS[name](Tell(answer=damaged))


def test_items_before_a_bad_one_can_be_read() -> None:
    told = question.heads_untrusted(Tell(answer=cbor.encode([b"good", 1])))
    assert next(told) == b"good"
    with pytest.raises(MalformedMessageError):
        next(told)


def test_an_answer_is_bounded() -> None:
    note = bytes(NOTE_BYTES)
    endless = ((ID, note) for _ in range(1 << 40))
    with pytest.raises(LimitError):
        question.tell_notes(endless)
    with pytest.raises(LimitError):
        question.tell_entries(bytes(LISTING_BYTES), [])
