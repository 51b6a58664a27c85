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
from coffer_protocol.message import Ask, Entry, MessageType, Tell
from coffer_protocol.question import Entries, Fetch, Fetches, Heads, Notes, Question

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

# As the table of PROTOCOL.md, 8 has them.
ASKED: list[tuple[Question, Ask]] = [
    (Heads(coffer="shop", from_serial=7), Ask(name="heads", params=["shop", 7])),
    (Entries(coffer="shop", serial=7), Ask(name="entries", params=["shop", 7])),
    (Notes(coffer="shop", serial=7, ids=(ID, OTHER)), Ask(name="notes", params=["shop", 7, [ID, OTHER]])),
    (Notes(coffer="shop", serial=7, ids=()), Ask(name="notes", params=["shop", 7, []])),
    (Fetches(coffer="shop"), Ask(name="fetches", params=["shop"])),
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


@given(st.lists(st.builds(Fetch, id=ids, serial=serials, at=times), max_size=30))
def test_fetches_both_ways(fetches: list[Fetch]) -> None:
    tell = question.tell_fetches(fetches)
    assert list(question.fetches_untrusted(tell)) == fetches
    assert cbor.decode(tell.answer) == [[fetch.id, fetch.serial, fetch.at] for fetch in fetches]


READERS: dict[str, Callable[[Tell], Any]] = {
    "heads": lambda tell: list(question.heads_untrusted(tell)),
    "entries": lambda tell: list(question.entries_untrusted(tell)[1]),
    "notes": lambda tell: list(question.notes_untrusted(tell)),
    "fetches": lambda tell: list(question.fetches_untrusted(tell)),
}


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
        ("fetches", [[ID, 1]]),
        ("fetches", [[ID[:31], 1, 1]]),
        ("fetches", [[ID, 0, 1]]),
        ("fetches", [[ID, True, 1]]),
        ("fetches", [[ID, 1, -1]]),
        ("fetches", [[ID, 1, 1.5]]),
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


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", ["cut", "more", "long head"])
def test_an_answer_has_one_form(name: str, damage: str) -> None:
    listed = [Entry(id=ID, alg=2, since=1, sha256=OTHER, mark=bytes(16))]
    whole = {
        "heads": question.tell_heads([b"signed"]),
        "entries": question.tell_entries(b"signed", listed),
        "notes": question.tell_notes([(ID, b"note")]),
        "fetches": question.tell_fetches([Fetch(id=ID, serial=1, at=2)]),
    }[name].answer
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
