"""A shard: what one client gets, as CBOR (docs/protocol.md, 6)."""

from __future__ import annotations

from . import cbor
from .cbor import TAG_LOCAL_DATE, TAG_LOCAL_DATETIME, TAG_LOCAL_TIME, TAG_OFFSET_DATETIME, Tagged
from .errors import DecodeError, ShardError
from .lean import TYPE_CHECKING, Record
from .limits import KEY_BYTES, SHARD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime, time
    from typing import Final, TypeAlias

SecretValue: TypeAlias = "str | int | float | bool | bytes | datetime | date | time"

# `dates` decodes values with these tags. Most shards have no dates, and need not load it.
_TAGS: Final = (TAG_OFFSET_DATETIME, TAG_LOCAL_DATE, TAG_LOCAL_DATETIME, TAG_LOCAL_TIME)

# Unicode's categories of control and format characters, and of separators of lines and paragraphs.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1


def check_key(key: str) -> None:
    """Raise ShardError if a key is not 1 to 255 bytes of UTF-8 without control characters."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ShardError("a key has characters that UTF-8 cannot encode") from None
    if not 1 <= size <= KEY_BYTES:
        raise ShardError(f"expected a key of 1 to {KEY_BYTES} bytes, got {size}")
    # These two ranges are Unicode's category Cc.
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in key):
        raise ShardError("a key has control characters")


def check_visible(text: str, what: str) -> None:
    """Raise ShardError if a text has characters that a person cannot see, or that move the text next to them.

    Publishers refuse such characters in what they write for each other. A shard itself may have them in a key.

    Args:
        text: a key or a name.
        what: what the error calls it.
    """
    import unicodedata

    if any(unicodedata.category(character) in _INVISIBLE for character in text):
        raise ShardError(f"{what} {text!a} has control or format characters: write it without them")


class Secret(Record):
    """One secret: its key and its value, which are checked when it is made. Its repr shows only the key and the type of the value.

    Raises:
        ShardError: the key or the value breaks a rule of docs/protocol.md, 6. The text names the key, never the value.
    """

    key: str
    value: SecretValue

    def __post_init__(self) -> None:
        check_key(self.key)
        match self.value:
            case bool() | float() | bytes():
                pass
            case str():
                try:
                    self.value.encode()
                except UnicodeEncodeError:
                    raise ShardError(f"{self.key}: the text has characters that UTF-8 cannot encode") from None
            case int():
                if not INT_MIN <= self.value <= INT_MAX:
                    raise ShardError(f"{self.key}: the integer does not fit into 64 bits (signed)")
            case _:
                from . import dates

                dates.check(self.value, self.key)

    def __repr__(self) -> str:
        return f"Secret(key={self.key!r}, value=<{type(self.value).__name__}>)"


def encode_value(value: SecretValue) -> cbor.Value:
    """Return a value in the form in which a shard holds it, not yet encoded."""
    match value:
        case str() | int() | float() | bytes():
            return value
        case _:
            from . import dates

            return dates.to_cbor(value)


def _decode_value(value: cbor.Value) -> SecretValue:
    match value:
        case str() | int() | float() | bytes():
            return value
        case Tagged():
            from . import dates

            return dates.from_cbor(value)
        case _:
            raise ShardError("a value in the shard has a type that is not allowed")


def encode(secrets: Iterable[Secret]) -> bytes:
    """Return `CofferResponse` as CBOR, with the secrets in the given order.

    Raises:
        ShardError: if two secrets have the same key, or if the shard is over 1 MiB.
    """
    items: list[cbor.Value] = []
    seen: set[str] = set()
    for secret in secrets:
        if secret.key in seen:
            raise ShardError(f"{secret.key}: two secrets have this key")
        seen.add(secret.key)
        items.append({"key": secret.key, "value": encode_value(secret.value)})
    encoded = cbor.encode(items)
    if len(encoded) > SHARD_BYTES:
        raise ShardError(f"the shard has {len(encoded)} bytes, but the limit is {SHARD_BYTES}")
    return encoded


def decode(data: bytes) -> tuple[Secret, ...]:
    """Return the secrets of a shard, in the shard's order.

    Raises:
        ShardError: if this is not a shard of protocol 1.
    """
    if len(data) > SHARD_BYTES:
        raise ShardError(f"the shard has {len(data)} bytes, but the limit is {SHARD_BYTES}")
    try:
        # The only limit of the number of secrets is the size of the shard, because a trusted publisher has signed it.
        items = cbor.decode(data, tags=_TAGS, max_items=len(data))
    except DecodeError as error:
        raise ShardError(f"the shard is {error}") from None
    if not isinstance(items, list):
        raise ShardError("the shard is not a list")
    secrets: dict[str, Secret] = {}
    for item in items:
        match item:
            case {"key": str() as key, "value": value, **others} if not others:
                if key in secrets:
                    raise ShardError("two secrets in the shard have the same key")
                secrets[key] = Secret(key=key, value=_decode_value(value))
            case _:
                raise ShardError("an entry of the shard is not a key and a value")
    return tuple(secrets.values())
