from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol import frame
from coffer_protocol.frame import Decoder, Frame, Header
from tests.support import vectors

FRAMES = [(Frame(entry["type"], bytes.fromhex(entry["content"])), bytes.fromhex(entry["frame"])) for entry in vectors("frames")["frames"]]


@pytest.mark.parametrize(("whole", "data"), FRAMES)
def test_vectors_both_ways(whole: Frame, data: bytes) -> None:
    assert frame.encode(whole) == data
    decoder = Decoder()
    decoder.feed(data)
    assert decoder.next_frame() == whole
    assert decoder.is_empty


@pytest.mark.parametrize(("whole", "data"), FRAMES)
def test_vectors_split_at_every_byte(whole: Frame, data: bytes) -> None:
    for split in range(len(data)):
        decoder = Decoder()
        decoder.feed(data[:split])
        assert decoder.next_frame() is None
        decoder.feed(data[split:])
        assert decoder.next_frame() == whole


def test_several_frames_at_once() -> None:
    decoder = Decoder()
    decoder.feed(b"".join(data for _, data in FRAMES))
    assert [decoder.next_frame() for _ in FRAMES] == [whole for whole, _ in FRAMES]
    assert decoder.next_frame() is None


def test_the_header_is_there_before_the_content() -> None:
    decoder = Decoder()
    decoder.feed(b"\xff\xff")
    assert decoder.header() is None
    decoder.feed(b"\x02")
    assert decoder.header() == Header(2, 0xFFFF)
    assert not decoder.is_empty


@given(st.lists(st.builds(Frame, st.integers(0, 255), st.binary(max_size=80))), st.lists(st.integers(0, 400)))
def test_frames_in_pieces_of_any_size(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(map(frame.encode, frames))
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    decoder = Decoder()
    decoded = []
    for start, end in pairwise(edges):
        decoder.feed(data[start:end])
        while (whole := decoder.next_frame()) is not None:
            decoded.append(whole)
    assert decoded == frames


@pytest.mark.parametrize("wrong", [Frame(0, bytes(0x10000)), Frame(256, b""), Frame(-1, b"")])
def test_what_no_frame_can_say_is_refused(wrong: Frame) -> None:
    with pytest.raises(ValueError, match="65,535"):
        frame.encode(wrong)
