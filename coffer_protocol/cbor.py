"""Deterministic CBOR (RFC 8949, 4.2.1), read strictly: a whitelist of types, bounded depth, and one encoding for each value.

cbor2 parses; this module refuses what protocol 1 does not use. Floats always have 64 bits, NaN is fb7ff8000000000000, map keys are text or
integers, and a tag is read only if the caller names it. A tagged value is returned as `Tagged`, and never converted.
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
    """Return cbor2's compiled core without the package around it. The core is all of cbor2 except for its annotations, which load `typing`.

    The core is undocumented (docs/decisions/private-modules.md). If it or a name in it is missing, this module takes `cbor2` itself.

    Raises:
        ImportError, AttributeError: if the core or a name in it is missing.
    """
    if _LIBRARY in sys.modules:
        # Other code has loaded the package, or is loading it now. In the second case it may wait for the lock below, so this comes first.
        __import__(_CORE)
    # When the core writes its first tag, it imports `collections.abc`. Python has loaded that module under another name when it starts, but
    # not the package `collections`, which nothing else here needs. So the module takes the package's place for a moment.
    lent = {} if "collections" in sys.modules else dict.fromkeys(("collections", "collections.abc"), sys.modules["_collections_abc"])
    # The core can be made only once, and two threads may ask for it at the same time. This is Python's own lock for imports: os.fork waits
    # for it, so no child process starts with a lock that is never released.
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
    raise ModuleNotFoundError(f"cannot find {_CORE}", name=_CORE)


if TYPE_CHECKING:
    import cbor2
else:
    try:
        cbor2 = load_core()
    except (ImportError, AttributeError):
        import cbor2


class Tagged(Record, kw_only=False):
    """A value with its tag."""

    tag: int
    value: Value


Value: TypeAlias = "None | bool | int | float | str | bytes | list[Value] | dict[str | int, Value] | Tagged"

# The deepest value of protocol 1 is a release's list in a tag in a list. A deeper value is an attack on the stack.
MAX_DEPTH: Final = 8
# A release has an audit path of at most 64 hashes, and a head a few dozen publishers. In memory an item takes a hundred times its encoded
# size, so a caller that expects more items must say so.
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
    # Few shards have floats, so this module is loaded late.
    import struct

    encoder.write(_NAN if value != value else struct.pack(">Bd", 0xFB, value))


def _prepare(value: Any) -> Any:
    """Return the value in the form that cbor2 takes, with map keys in the order of their encodings."""
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
            raise TypeError(f"protocol 1 cannot encode this {type(value).__name__}")


def encode(value: Any) -> bytes:
    """Return the deterministic encoding of a value.

    Args:
        value: None, a bool, int, float, str or bytes, or a list, map or `Tagged` of these.

    Raises:
        TypeError: if the value has another type, or is an integer of more than 64 bits.
    """
    return cbor2.dumps(_prepare(value), encoders={float: _write_float})


def _raw_tag(number: int) -> Callable[[Any, bool], Any]:
    """Return a decoder that keeps tags of this number as they are."""
    return lambda value, immutable: cbor2.CBORTag(number, value)


def _refused_tag(value: Any, immutable: bool) -> Any:
    raise ValueError("tag not allowed")


# The tags that cbor2 by default turns into Python objects: dates, bignums, decimals, references, regular expressions, MIME, addresses.
# These conversions must not run on a stranger's bytes.
_CBOR2_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


def _end_of_item(data: bytes, start: int, max_items: int) -> int:
    """Return the end of the item that begins at `start`. This reads only the heads, so that a value that is too large is never decoded.

    Raises:
        DecodeError: if the item is truncated, has an indefinite length, or holds more than `max_items` items.
    """
    offset, open_items = start, 1
    while open_items:
        max_items -= 1
        if max_items < 0:
            raise DecodeError("CBOR with too many items")
        if offset >= len(data):
            raise DecodeError("truncated CBOR")
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
        raise DecodeError("truncated CBOR")
    return offset


def _checked(value: Any, tags: tuple[int, ...]) -> Value:
    """Return the value with tags as `Tagged`. Raise DecodeError if it has a type that is not on the whitelist."""
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return value
        case list():
            return [_checked(item, tags) for item in value]
        case dict():
            if not all(type(key) in (str, int) for key in value):
                raise DecodeError("CBOR with a map key that is neither text nor an integer")
            return {key: _checked(item, tags) for key, item in value.items()}
        case cbor2.CBORTag():
            if value.tag not in tags:
                raise DecodeError(f"CBOR with tag {value.tag}, which is not allowed here")
            return Tagged(value.tag, _checked(value.value, tags))
        case _:
            raise DecodeError("CBOR with a type that is not allowed here")


def decode(data: bytes, *, tags: tuple[int, ...] = (), max_items: int = MAX_ITEMS) -> Value:
    """Return the one value that `data` encodes.

    Args:
        data: the bytes of one encoded value.
        tags: the tags that the value may have.
        max_items: the limit of its items, those of every depth together.

    Raises:
        DecodeError: if `data` is not the deterministic encoding of one value of the allowed types, tags and size.
    """
    if _end_of_item(data, 0, max_items) != len(data):
        raise DecodeError("CBOR with bytes after its end")
    return _decode_whole(data, tags)


def _decode_whole(data: bytes, tags: tuple[int, ...]) -> Value:
    semantic = dict.fromkeys(_CBOR2_TAGS, _refused_tag) | {number: _raw_tag(number) for number in tags}
    try:
        decoded = cbor2.loads(data, semantic_decoders=semantic, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
        value = _checked(decoded, tags)
    # cbor2 wraps the errors of its callbacks, but not those of Python's own limits.
    except (cbor2.CBORError, RecursionError, MemoryError, OverflowError, ValueError):
        raise DecodeError("not CBOR of protocol 1") from None
    if encode(value) != data:
        raise DecodeError("CBOR in an encoding that is not deterministic")
    return value


def array_head(length: int) -> bytes:
    """Return the bytes with which an array of `length` items begins."""
    return _head(_MAJOR_ARRAY, length)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size_bytes in _ARGUMENT_BYTES.items():
        if argument < 1 << 8 * size_bytes:
            return bytes([major << 5 | code]) + argument.to_bytes(size_bytes, "big")
    raise ValueError("the number is too large for a CBOR head")


def split_array(data: bytes) -> tuple[int, bytes]:
    """Return the length of the array with which `data` begins, and the bytes after its head. This is for lists too long to decode at once.

    Raises:
        DecodeError: if `data` does not begin with the head of an array in its shortest form.
    """
    if not data or data[0] >> 5 != _MAJOR_ARRAY:
        raise DecodeError("not an array")
    extra = _ARGUMENT_BYTES.get(data[0] & 0x1F, 0)
    length = int.from_bytes(data[1 : 1 + extra], "big") if extra else data[0] & 0x1F
    if array_head(length) != data[: 1 + extra]:
        raise DecodeError("not the head of an array in its shortest form")
    return length, data[1 + extra :]


def split_first(data: bytes, *, tags: tuple[int, ...] = (), max_items: int = MAX_ITEMS) -> tuple[Value, bytes]:
    """Return the first value in `data`, and the bytes after it. Arguments and errors are those of `decode`."""
    end = _end_of_item(data, 0, max_items)
    return _decode_whole(data[:end], tags), data[end:]


def iter_items(data: bytes, count: int, *, tags: tuple[int, ...] = (), max_items: int = MAX_ITEMS) -> Iterator[Value]:
    """Yield the `count` values in `data`. Each is decoded only when it is asked for.

    Raises:
        DecodeError: as `decode`, at the item that is wrong; and after the last one, if bytes are left.
    """
    offset = 0
    for _ in range(count):
        end = _end_of_item(data, offset, max_items)
        yield _decode_whole(data[offset:end], tags)
        offset = end
    if offset != len(data):
        raise DecodeError("CBOR with bytes after its last item")


def split_items(data: bytes, count: int, *, max_items: int = MAX_ITEMS) -> tuple[bytes, bytes]:
    """Return the bytes of the first `count` values in `data`, for `iter_items`, and the bytes after them.

    Raises:
        DecodeError: they are cut short, or one of them holds more than `max_items` items.
    """
    end = 0
    for _ in range(count):
        end = _end_of_item(data, end, max_items)
    return data[:end], data[end:]
