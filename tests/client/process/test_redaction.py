from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_client.process.redaction import LEAST_BYTES, REMEMBERED, Redaction, marks_of

# Few letters, so that texts overlap, begin alike, and stand in one another.
_bytes = st.binary(min_size=1, max_size=6).map(lambda data: bytes(b"ab\n"[byte % 3] for byte in data))
# The same behind a beginning that is as long as what is looked for first, and repeats itself.
_long_bytes = _bytes.map(lambda data: b"ab" * 9 + data)
_marks = st.dictionaries(_bytes, st.sampled_from([b"<1>", b"<2>", b"<aab>"]), max_size=5)
_long_marks = st.dictionaries(_long_bytes, st.sampled_from([b"<1>", b"<2>"]), max_size=5)


def replaced(marks: Mapping[bytes, bytes], pieces: list[bytes]) -> bytes:
    """What comes out where a stream is cut so."""
    redaction = Redaction(marks)
    out = held = b""
    covered = 0
    for piece in pieces:
        ready, held, covered = redaction.replace(held + piece, covered)
        out += ready
    ready, *rest = redaction.replace(held, covered, is_last=True)
    assert rest == [b"", 0]
    return out + ready


def replaced_whole(marks: Mapping[bytes, bytes], data: bytes) -> bytes:
    """The same in one go, byte by byte: what no text covers stays, and a text that begins where none reaches leaves its mark."""
    out = b""
    covered_to = 0
    for at in range(len(data)):
        text = max((text for text in marks if data.startswith(text, at)), key=len, default=b"")
        if at >= covered_to:
            out += marks[text] if text else data[at : at + 1]
        covered_to = max(covered_to, at + len(text))
    return out


@given(marks=_marks | _long_marks, data=st.data())
def test_however_it_is_cut_the_same_comes_out(marks: dict[bytes, bytes], data: st.DataObject) -> None:
    pieces = data.draw(st.lists(_bytes | st.just(b"") | st.sampled_from([b"ab" * 9, *marks])))
    assert replaced(marks, pieces) == replaced_whole(marks, b"".join(pieces))


@given(marks=st.dictionaries(st.binary(min_size=1), st.binary(), max_size=5), data=st.data())
def test_so_do_secrets_of_any_bytes_among_any_bytes(marks: dict[bytes, bytes], data: st.DataObject) -> None:
    whole = b"".join(data.draw(st.lists(st.binary() | st.sampled_from(sorted(marks) or [b""]))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert replaced(marks, pieces) == replaced_whole(marks, whole)


@given(marks=_marks, data=st.binary(max_size=30).map(lambda data: bytes(b"ab\n"[byte % 3] for byte in data)))
def test_held_back_is_only_what_may_become_a_secret(marks: dict[bytes, bytes], data: bytes) -> None:
    _, held, _ = Redaction(marks).replace(data)
    assert held == b"" or any(text.startswith(held) and text != held for text in marks)


@pytest.mark.parametrize(
    ("piece", "ready", "held"),
    [
        (b"a line\n", b"a line\n", b""),
        (b"is it hunt", b"is it ", b"hunt"),
        (b"is it hunter2", b"is it ", b"hunter2"),
        (b"is it hunter2?", b"is it <2>?", b""),
        (b"is it hunter22", b"is it <22>", b""),
        (b"hunter2hunter", b"<2>", b"hunter"),
    ],
)
def test_what_goes_on_at_once(piece: bytes, ready: bytes, held: bytes) -> None:
    assert Redaction({b"hunter2": b"<2>", b"hunter22": b"<22>"}).replace(piece) == (ready, held, 0)


@pytest.mark.parametrize(
    ("texts", "data"),
    [
        ([b"a", b"aaa", b"ab"], b"ac ab aaa aab aad"),
        ([b"ab", b"abcd", b"abce", b"abcez"], b"abcf abce abcd abcey abd"),
        ([b"begin 1234567890 123", b"begin 1234567890 2"], b"begin 1234567890 123 begin 1234567890 2 begin 1234567890 3"),
    ],
)
def test_of_texts_that_begin_alike_the_longest_that_is_there_is_replaced(texts: list[bytes], data: bytes) -> None:
    marks = {text: b"<%d>" % len(text) for text in texts}
    assert replaced(marks, [data]) == replaced_whole(marks, data)


def test_what_was_only_a_beginning_is_passed_on_at_the_end() -> None:
    assert Redaction({b"hunter2": b"<2>"}).replace(b"hunt", is_last=True) == (b"hunt", b"", 0)


@pytest.mark.parametrize(
    "pieces", [[b"my hunter2-tail, my 2-tail"], [b"my hunter2", b"-tail, my 2", b"-tail"], [b"my hunter2-", b"tail, my 2-tail"]]
)
def test_nothing_is_left_of_texts_that_overlap(pieces: list[bytes]) -> None:
    assert replaced({b"hunter2": b"<1>", b"2-tail": b"<2>"}, pieces) == b"my <1>, my <2>"


def test_the_text_of_a_mark_is_not_searched_again() -> None:
    assert replaced({b"abcdef": b"<fedcba>", b"fedcba": b"!"}, [b"abcdef"]) == b"<fedcba>"


def test_a_variable_gives_its_text_and_its_lines_without_the_blanks_around_them() -> None:
    key = b"\n-----BEGIN-----\r\n  MIIEvQIBADAN\nAA==\n\n"
    assert marks_of({b"tls_key": key}) == dict.fromkeys([key.strip(), b"-----BEGIN-----", b"MIIEvQIBADAN"], b"<secret tls_key>")


def test_what_is_shorter_than_the_least_is_left() -> None:
    long = b"x" * LEAST_BYTES
    assert marks_of({b"port": b"5432", b"short": long[1:], b"long": long, b"again": long}) == {long: b"<secret long>"}


def calls_of_replacing(lines: int, data: bytes) -> int:
    """How many functions are called, Python's own too, to replace a secret of so many lines."""
    redaction = Redaction(marks_of({b"key": b"\n".join(b"line %05d." % number for number in range(lines))}))
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        redaction.replace(data)
    finally:
        sys.setprofile(None)
    return calls


def test_what_a_stream_costs_does_not_grow_with_the_lines_of_a_secret() -> None:
    data = b"an output with line 00003. in it, and the beginning of line 0\n" * 50
    assert calls_of_replacing(10_000, data) < 2 * calls_of_replacing(10, data)


def test_the_oldest_give_way_but_not_to_those_that_come_with_them() -> None:
    first, second = ({b"text %d %d" % (batch, number): b"!" for number in range(REMEMBERED)} for batch in range(2))
    redaction = Redaction({b"oldest": b"!"}).joined_by(first)
    assert redaction.replace(b"oldest, text 0 0.", is_last=True)[0] == b"!, !."
    redaction = redaction.joined_by(second)
    assert redaction.replace(b"oldest, text 0 0, text 1 0.", is_last=True)[0] == b"oldest, !, !."


def test_what_is_in_force_stays_and_takes_no_place_of_others() -> None:
    others = {b"text %d." % number: b"!" for number in range(REMEMBERED)}
    redaction = Redaction({b"in force": b"!", b"oldest": b"!"}).joined_by(others)
    for _ in range(2):
        redaction = redaction.joined_by({}, in_force={b"in force", b"unknown"})
    assert redaction.replace(b"in force, oldest, unknown, text 0.", is_last=True)[0] == b"!, oldest, unknown, !"
