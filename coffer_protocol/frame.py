"""Frames (docs/protocol.md, 2): a length of 16 bits, a type of 8 bits, and the content."""

from __future__ import annotations

from .lean import TYPE_CHECKING, Record
from .limits import FRAME_CONTENT_BYTES

if TYPE_CHECKING:
    from typing import Final

_LENGTH_BYTES: Final = 2
HEADER_BYTES: Final = _LENGTH_BYTES + 1


class Header(Record, kw_only=False):
    """The header of a frame: the ordinal of its type, and the length of its content in bytes."""

    kind: int
    length_bytes: int


class Frame(Record, kw_only=False):
    """One frame, whose content is still sealed."""

    kind: int
    content: bytes


def encode(frame: Frame) -> bytes:
    """Return the frame's bytes on the wire.

    Raises:
        ValueError: if the length of the content does not fit into a u16, or the type does not fit into a u8.
    """
    if len(frame.content) > FRAME_CONTENT_BYTES or not 0 <= frame.kind <= 0xFF:
        raise ValueError("expected a content of at most 65,535 bytes, and a type from 0 to 255")
    return len(frame.content).to_bytes(_LENGTH_BYTES, "big") + bytes([frame.kind]) + frame.content


class Decoder:
    """Takes bytes in pieces of any size, and returns frames.

    `header()` returns a header before the content has come, so that a frame can be refused before its bytes are read.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take more bytes from the peer."""
        self._buffer += data

    def header(self) -> Header | None:
        """Return the next frame's header, or None if fewer than three bytes have come. The frame stays in the decoder."""
        if len(self._buffer) < HEADER_BYTES:
            return None
        return Header(self._buffer[_LENGTH_BYTES], int.from_bytes(self._buffer[:_LENGTH_BYTES], "big"))

    def next_frame(self) -> Frame | None:
        """Remove the next frame from the decoder and return it, or return None if it is not complete."""
        header = self.header()
        if header is None or len(self._buffer) < HEADER_BYTES + header.length_bytes:
            return None
        end = HEADER_BYTES + header.length_bytes
        frame = Frame(header.kind, bytes(self._buffer[HEADER_BYTES:end]))
        del self._buffer[:end]
        return frame

    @property
    def size_bytes(self) -> int:
        """The number of bytes that wait for the rest of their frame."""
        return len(self._buffer)

    @property
    def is_empty(self) -> bool:
        """Whether the decoder holds no bytes."""
        return not self._buffer
