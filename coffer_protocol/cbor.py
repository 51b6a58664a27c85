"""Deterministic CBOR (RFC 8949, 4.2.1), strictly: a whitelist of types, bounded depth, no other encoding of the same value.

cbor2 parses; this module refuses what protocol 1 does not use. Floats are always 64 bits, NaN is fb7ff8000000000000, map keys are
text or integers, and a tag is read only where the caller names it. Tagged values come as `Tagged`, never converted.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, TypeAlias

import cbor2

from .errors import DecodeError


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value under a tag."""

    tag: int
    value: Value


Value: TypeAlias = "None | bool | int | float | str | bytes | list[Value] | dict[str | int, Value] | Tagged"

# Nothing in protocol 1 nests deeper than a release's list in a tag in a list; more is somebody's attack on the stack.
MAX_DEPTH: Final = 8

_MAJOR_ARRAY = 4
_NAN = b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00"


def _write_float(encoder: cbor2.CBOREncoder, value: float) -> None:
    encoder.write(_NAN if math.isnan(value) else struct.pack(">Bd", 0xFB, value))


def _prepare(value: Any) -> Any:
    """The same value as cbor2 wants it, with map keys in the order of their encodings."""
    match value:
        case Tagged():
            return cbor2.CBORTag(value.tag, _prepare(value.value))
        case dict():
            return {key: _prepare(value[key]) for key in sorted(value, key=encode)}
        case list() | tuple():
            return [_prepare(item) for item in value]
        case _:
            return value


def encode(value: Any) -> bytes:
    """The deterministic encoding of None, bool, int, float, str, bytes, and of lists, maps and `Tagged` of these."""
    return cbor2.dumps(_prepare(value), encoders={float: _write_float})


def _raw_tag(number: int) -> Callable[[Any, bool], Any]:
    """A decoder that keeps a tag of this number as it is."""
    return lambda value, immutable: cbor2.CBORTag(number, value)


def _refused_tag(value: Any, immutable: bool) -> Any:
    raise ValueError("tag not allowed")


# The tags that cbor2 would turn into Python objects by itself: dates, bignums, decimals, references, regular expressions, MIME,
# addresses. None may run on a stranger's bytes.
_CBOR2_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


def _decoder(stream: BytesIO, tags: tuple[int, ...]) -> cbor2.CBORDecoder:
    semantic = dict.fromkeys(_CBOR2_TAGS, _refused_tag) | {number: _raw_tag(number) for number in tags}
    return cbor2.CBORDecoder(stream, semantic_decoders=semantic, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)


def _checked(value: Any, tags: tuple[int, ...]) -> Value:
    """The value with our own types, every one of them on the whitelist."""
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return value
        case list():
            return [_checked(item, tags) for item in value]
        case dict():
            if not all(type(key) in (str, int) for key in value):
                raise DecodeError("a map's keys must be text or integers")
            return {key: _checked(item, tags) for key, item in value.items()}
        case cbor2.CBORTag():
            if value.tag not in tags:
                raise DecodeError(f"tag {value.tag} is not allowed here")
            return Tagged(value.tag, _checked(value.value, tags))
        case _:
            raise DecodeError("a type that is not allowed here")


def _next_item(decoder: cbor2.CBORDecoder, tags: tuple[int, ...]) -> Value:
    try:
        return _checked(decoder.decode(), tags)
    # cbor2 wraps what its callbacks raise, but hands on what Python's own limits raise (a depth, a huge length).
    except (cbor2.CBORError, RecursionError, MemoryError, OverflowError, ValueError) as error:
        raise DecodeError(f"not CBOR as protocol 1 has it: {type(error).__name__}") from None


def decode(data: bytes, *, tags: tuple[int, ...] = ()) -> Value:
    """The one value that `data` encodes.

    Raises:
        DecodeError: anything but the deterministic encoding of one value of the allowed types and `tags`.
    """
    value = _next_item(_decoder(BytesIO(data), tags), tags)
    if encode(value) != data:
        raise DecodeError("not the deterministic encoding, or bytes behind it")
    return value


def array_head(length: int) -> bytes:
    """The bytes that begin an array of `length` items."""
    return _head(_MAJOR_ARRAY, length)


def _head(major: int, argument: int) -> bytes:
    for code, limit, form in ((24, 1 << 8, ">BB"), (25, 1 << 16, ">BH"), (26, 1 << 32, ">BI"), (27, 1 << 64, ">BQ")):
        if argument < 24:
            return bytes([major << 5 | argument])
        if argument < limit:
            return struct.pack(form, major << 5 | code, argument)
    raise ValueError("no CBOR head holds this")


def split_array(data: bytes) -> tuple[int, bytes]:
    """The length of the array that `data` begins with, and the bytes behind its head, for lists too long to hold decoded.

    Raises:
        DecodeError: it does not begin with an array's head in its shortest form.
    """
    if not data or data[0] >> 5 != _MAJOR_ARRAY:
        raise DecodeError("not an array")
    extra = {24: 1, 25: 2, 26: 4, 27: 8}.get(data[0] & 0x1F, 0)
    length = int.from_bytes(data[1 : 1 + extra], "big") if extra else data[0] & 0x1F
    if array_head(length) != data[: 1 + extra]:
        raise DecodeError("not an array's head in its shortest form")
    return length, data[1 + extra :]


def split_first(data: bytes, *, tags: tuple[int, ...] = ()) -> tuple[Value, bytes]:
    """The first value in `data`, and the bytes behind it.

    Raises:
        DecodeError: as `decode`.
    """
    value = _next_item(_decoder(BytesIO(data), tags), tags)
    encoded = encode(value)
    if not data.startswith(encoded):
        raise DecodeError("not the deterministic encoding")
    return value, data[len(encoded) :]


def iter_items(data: bytes, count: int, *, tags: tuple[int, ...] = ()) -> Iterator[Value]:
    """The `count` values that stand one behind the other in `data`, each decoded only when it is asked for.

    Raises:
        DecodeError: as `decode`, at the item that is wrong; and behind the last, where bytes are left.
    """
    decoder = _decoder(BytesIO(data), tags)
    offset = 0
    for _ in range(count):
        value = _next_item(decoder, tags)
        encoded = encode(value)
        if data[offset : offset + len(encoded)] != encoded:
            raise DecodeError("not the deterministic encoding")
        offset += len(encoded)
        yield value
    if offset != len(data):
        raise DecodeError("bytes behind the last item")
