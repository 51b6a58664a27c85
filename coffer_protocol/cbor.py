"""Deterministic CBOR (RFC 8949, 4.2.1), strictly: a whitelist of types, bounded depth, no other encoding of the same value.

cbor2 parses; this module refuses what protocol 1 does not use. Floats are always 64 bits, NaN is fb7ff8000000000000, map keys are
text or integers, and a tag is read only where the caller names it. Tagged values come as `Tagged`, never converted.
"""

from __future__ import annotations

import sys
from _imp import acquire_lock, release_lock

from .errors import DecodeError
from .lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any, Final, TypeAlias

_LIBRARY: Final = "cbor2"
_CORE: Final = "cbor2._cbor2"
# What this module takes from cbor2.
_NAMES: Final = ("CBORError", "CBORTag", "dumps", "loads")


def load_core() -> ModuleType:
    """Return cbor2's compiled core, without the package around it: all of cbor2 but its annotations, which load `typing`.

    It is undocumented (docs/decisions/private-modules.md). If it, or a name in it, is missing, this module takes `cbor2` itself.

    Raises:
        ImportError, AttributeError: the core, or a name in it, is missing.
    """
    if _LIBRARY in sys.modules:
        # Some other code has loaded the package, or is about to. In the second case it may wait for the lock below, so this comes first.
        __import__(_CORE)
    # When the core first writes a tag, it asks for `collections.abc`: another name for a module that Python starts with, and a package
    # around that name which nothing else here needs. So that module takes the package's place for a moment.
    lent = {} if "collections" in sys.modules else dict.fromkeys(("collections", "collections.abc"), sys.modules["_collections_abc"])
    # The core can be made only once, and two threads may want it at the same time. This is Python's own lock for that: os.fork waits for
    # it, so no child finds it taken for ever.
    acquire_lock()
    sys.modules.update(lent)
    try:
        core = sys.modules.get(_CORE) or _make_core()
        for name in _NAMES:
            getattr(core, name)
        core.dumps(core.CBORTag(0, 0))
        return core
    finally:
        for name in lent:
            del sys.modules[name]
        release_lock()


def _make_core() -> ModuleType:
    for finder in sys.meta_path:
        package = finder.find_spec(_LIBRARY, None)
        spec = package and finder.find_spec(_CORE, package.submodule_search_locations)
        if spec and spec.loader and (core := spec.loader.create_module(spec)):
            spec.loader.exec_module(core)
            sys.modules[_CORE] = core
            return core
    raise ModuleNotFoundError(f"No module named {_CORE!r}", name=_CORE)


if TYPE_CHECKING:
    import cbor2
else:
    try:
        cbor2 = load_core()
    except (ImportError, AttributeError):
        import cbor2


class Tagged(Record, kw_only=False):
    """A value under a tag."""

    tag: int
    value: Value


Value: TypeAlias = "None | bool | int | float | str | bytes | list[Value] | dict[str | int, Value] | Tagged"

# Nothing in protocol 1 nests deeper than a release's list in a tag in a list; more is somebody's attack on the stack.
MAX_DEPTH: Final = 8
# A release has an audit path of at most 64 hashes, a head a few dozen publishers. An item costs its reader a hundred times the byte that
# it can be written with, so whoever expects more must say so.
MAX_ITEMS: Final = 1024

# The tags of dates and times in a shard (docs/protocol.md, 6).
TAG_OFFSET_DATETIME: Final = 0
TAG_LOCAL_DATE: Final = 1004
TAG_LOCAL_DATETIME: Final = 1131374180
TAG_LOCAL_TIME: Final = 1131374181

_MAJOR_ARRAY: Final = 4
_ARGUMENT_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_NAN = b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00"


def _write_float(encoder: cbor2.CBOREncoder, value: float) -> None:
    # Few shards have any.
    import struct

    encoder.write(_NAN if value != value else struct.pack(">Bd", 0xFB, value))


def _prepare(value: Any) -> Any:
    """The same value as cbor2 wants it, with map keys in the order of their encodings."""
    match value:
        case Tagged():
            return cbor2.CBORTag(value.tag, _prepare(value.value))
        case dict():
            return {key: _prepare(value[key]) for key in sorted(value, key=encode)}
        case list() | tuple():
            return [_prepare(item) for item in value]
        case None | bool() | float() | str() | bytes():
            return value
        case int() if -(1 << 64) <= value < 1 << 64:
            return value
        case _:
            raise TypeError(f"protocol 1 has no {type(value).__name__} of that kind")


def encode(value: Any) -> bytes:
    """The deterministic encoding of None, bool, int, float, str, bytes, and of lists, maps and `Tagged` of these.

    Raises:
        TypeError: the value is of another type, or an integer over 64 bits.
    """
    return cbor2.dumps(_prepare(value), encoders={float: _write_float})


def _raw_tag(number: int) -> Callable[[Any, bool], Any]:
    """A decoder that keeps a tag of this number as it is."""
    return lambda value, immutable: cbor2.CBORTag(number, value)


def _refused_tag(value: Any, immutable: bool) -> Any:
    raise ValueError("tag not allowed")


# The tags that cbor2 would turn into Python objects by itself: dates, bignums, decimals, references, regular expressions, MIME,
# addresses. None may run on a stranger's bytes.
_CBOR2_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


def _end_of_item(data: bytes, start: int, max_items: int) -> int:
    """Where the item that begins at `start` ends, found from its heads alone, so that nothing is decoded that is too much.

    Raises:
        DecodeError: it is cut short, of indefinite length, or holds more than `max_items` items.
    """
    offset, open_items = start, 1
    while open_items:
        max_items -= 1
        if max_items < 0:
            raise DecodeError("CBOR with more items than may be here")
        if offset >= len(data):
            raise DecodeError("CBOR that is cut short")
        major, short = data[offset] >> 5, data[offset] & 0x1F
        if short > max(_ARGUMENT_BYTES):
            raise DecodeError("CBOR of indefinite length")
        extra = _ARGUMENT_BYTES.get(short, 0)
        argument = int.from_bytes(data[offset + 1 : offset + 1 + extra], "big") if extra else short
        offset += 1 + extra
        open_items -= 1
        match major:
            case 2 | 3:  # byte and text strings
                offset += argument
            case 4:  # arrays
                open_items += argument
            case 5:  # maps
                open_items += 2 * argument
            case 6:  # tags
                open_items += 1
    if offset > len(data):
        raise DecodeError("CBOR that is cut short")
    return offset


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


def decode(data: bytes, *, tags: tuple[int, ...] = (), max_items: int = MAX_ITEMS) -> Value:
    """The one value that `data` encodes.

    Args:
        data: the bytes.
        tags: the tags that may stand in it.
        max_items: how many items it may have, at every depth together.

    Raises:
        DecodeError: anything but the deterministic encoding of one value of the allowed types, tags and size.
    """
    if _end_of_item(data, 0, max_items) != len(data):
        raise DecodeError("CBOR with bytes behind its end")
    return _decode_whole(data, tags)


def _decode_whole(data: bytes, tags: tuple[int, ...]) -> Value:
    semantic = dict.fromkeys(_CBOR2_TAGS, _refused_tag) | {number: _raw_tag(number) for number in tags}
    try:
        decoded = cbor2.loads(data, semantic_decoders=semantic, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
        value = _checked(decoded, tags)
    # cbor2 wraps what its callbacks raise, but hands on what Python's own limits raise.
    except (cbor2.CBORError, RecursionError, MemoryError, OverflowError, ValueError):
        raise DecodeError("not CBOR as protocol 1 has it") from None
    if encode(value) != data:
        raise DecodeError("CBOR that is not in the deterministic encoding")
    return value


def array_head(length: int) -> bytes:
    """The bytes that begin an array of `length` items."""
    return _head(_MAJOR_ARRAY, length)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size_bytes in _ARGUMENT_BYTES.items():
        if argument < 1 << 8 * size_bytes:
            return bytes([major << 5 | code]) + argument.to_bytes(size_bytes, "big")
    raise ValueError("no CBOR head holds this")


def split_array(data: bytes) -> tuple[int, bytes]:
    """The length of the array that `data` begins with, and the bytes behind its head, for lists too long to hold decoded.

    Raises:
        DecodeError: it does not begin with an array's head in its shortest form.
    """
    if not data or data[0] >> 5 != _MAJOR_ARRAY:
        raise DecodeError("not an array")
    extra = _ARGUMENT_BYTES.get(data[0] & 0x1F, 0)
    length = int.from_bytes(data[1 : 1 + extra], "big") if extra else data[0] & 0x1F
    if array_head(length) != data[: 1 + extra]:
        raise DecodeError("not an array's head in its shortest form")
    return length, data[1 + extra :]


def split_first(data: bytes, *, tags: tuple[int, ...] = (), max_items: int = MAX_ITEMS) -> tuple[Value, bytes]:
    """The first value in `data`, and the bytes behind it. Arguments and errors are those of `decode`."""
    end = _end_of_item(data, 0, max_items)
    return _decode_whole(data[:end], tags), data[end:]


def iter_items(data: bytes, count: int, *, tags: tuple[int, ...] = (), max_items: int = MAX_ITEMS) -> Iterator[Value]:
    """Yield the `count` values in `data`, one behind the other, each decoded only when it is asked for.

    Raises:
        DecodeError: as `decode`, at the item that is wrong; and after the last one, if bytes are left.
    """
    offset = 0
    for _ in range(count):
        end = _end_of_item(data, offset, max_items)
        yield _decode_whole(data[offset:end], tags)
        offset = end
    if offset != len(data):
        raise DecodeError("bytes behind the last item")


def split_items(data: bytes, count: int, *, max_items: int = MAX_ITEMS) -> tuple[bytes, bytes]:
    """Return the first `count` values in `data`, not decoded, for `iter_items`, and the bytes behind them.

    Raises:
        DecodeError: they are cut short, or one of them holds more than `max_items` items.
    """
    end = 0
    for _ in range(count):
        end = _end_of_item(data, end, max_items)
    return data[:end], data[end:]
