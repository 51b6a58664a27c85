"""A shard: what one client gets, as CBOR (PROTOCOL.md, 6)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, TypeAlias

from . import cbor
from .cbor import Tagged
from .errors import DecodeError, ShardError
from .limits import KEY_BYTES, SHARD_BYTES

SecretValue: TypeAlias = str | int | float | bool | bytes | datetime | date | time

TAG_OFFSET_DATETIME: Final = 0
TAG_LOCAL_DATE: Final = 1004
TAG_LOCAL_DATETIME: Final = 1131374180
TAG_LOCAL_TIME: Final = 1131374181
_TAGS: Final = (TAG_OFFSET_DATETIME, TAG_LOCAL_DATE, TAG_LOCAL_DATETIME, TAG_LOCAL_TIME)

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{2}:\d{2}:\d{2}(\.\d{6})?"
_FORMS: Final = {
    TAG_OFFSET_DATETIME: re.compile(rf"{_DATE}T{_TIME}(Z|[+-]\d{{2}}:\d{{2}})", re.ASCII),
    TAG_LOCAL_DATETIME: re.compile(rf"{_DATE}T{_TIME}", re.ASCII),
    TAG_LOCAL_DATE: re.compile(_DATE, re.ASCII),
    TAG_LOCAL_TIME: re.compile(_TIME, re.ASCII),
}

_PARSERS: Final[dict[int, Callable[[str], SecretValue]]] = {
    TAG_OFFSET_DATETIME: datetime.fromisoformat,
    TAG_LOCAL_DATETIME: datetime.fromisoformat,
    TAG_LOCAL_DATE: date.fromisoformat,
    TAG_LOCAL_TIME: time.fromisoformat,
}


def check_key(key: str) -> None:
    """Refuse a key that is not 1 to 255 bytes of UTF-8 without control characters.

    Raises:
        ShardError: it is not.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ShardError("a key has characters that UTF-8 cannot write") from None
    if not 1 <= size <= KEY_BYTES:
        raise ShardError(f"a key has 1 to {KEY_BYTES} bytes, this one {size}")
    if any(unicodedata.category(character) == "Cc" for character in key):
        raise ShardError("a key has control characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret: its key and its value, checked when made. Its repr shows the key and the value's type alone.

    Raises:
        ShardError: the key or the value breaks a rule of PROTOCOL.md, 6. The text names the key, never the value.
    """

    key: str
    value: SecretValue

    def __post_init__(self) -> None:
        check_key(self.key)
        match self.value:
            case bool() | float() | bytes() | date() | time():
                pass
            case str():
                try:
                    self.value.encode()
                except UnicodeEncodeError:
                    raise ShardError(f"{self.key}: the text has characters that UTF-8 cannot write") from None
            case int():
                if not INT_MIN <= self.value <= INT_MAX:
                    raise ShardError(f"{self.key}: an integer has at most 64 bits, signed")
            case _:
                raise ShardError(f"{self.key}: a value of type {type(self.value).__name__} cannot be delivered")
        if isinstance(self.value, time) and self.value.tzinfo is not None:
            raise ShardError(f"{self.key}: a time of day has no offset")
        if isinstance(self.value, datetime) and (offset := self.value.utcoffset()) is not None and offset % timedelta(minutes=1):
            raise ShardError(f"{self.key}: an offset is of whole minutes")

    def __repr__(self) -> str:
        return f"Secret(key={self.key!r}, value=<{type(self.value).__name__}>)"


def _to_cbor(value: SecretValue) -> cbor.Value:
    match value:
        # A datetime is a date, so it comes first.
        case datetime() if value.tzinfo is not None:
            text = value.isoformat()
            return Tagged(TAG_OFFSET_DATETIME, text[:-6] + "Z" if text.endswith("+00:00") else text)
        case datetime():
            return Tagged(TAG_LOCAL_DATETIME, value.isoformat())
        case date():
            return Tagged(TAG_LOCAL_DATE, value.isoformat())
        case time():
            return Tagged(TAG_LOCAL_TIME, value.isoformat())
        case _:
            return value


def _from_cbor(value: cbor.Value) -> SecretValue:
    match value:
        case str() | int() | float() | bytes():
            return value
        case Tagged(tag=tag, value=str() as text) if tag in _FORMS and _FORMS[tag].fullmatch(text):
            try:
                parsed = _PARSERS[tag](text)
            except ValueError:
                raise ShardError("a date in the shard does not exist") from None
            if _to_cbor(parsed) != value:
                raise ShardError("a date in the shard is not in its one form")
            return parsed
        case _:
            raise ShardError("a value in the shard is of a type that is not allowed")


def encode(secrets: Iterable[Secret]) -> bytes:
    """`CofferResponse` as CBOR, in the order given.

    Raises:
        ShardError: a key stands twice, or the shard is over 1 MiB.
    """
    items: list[cbor.Value] = []
    seen: set[str] = set()
    for secret in secrets:
        if secret.key in seen:
            raise ShardError(f"{secret.key}: the key stands twice")
        seen.add(secret.key)
        items.append({"key": secret.key, "value": _to_cbor(secret.value)})
    encoded = cbor.encode(items)
    if len(encoded) > SHARD_BYTES:
        raise ShardError(f"the shard has {len(encoded)} bytes; at most {SHARD_BYTES} can be delivered")
    return encoded


def encode_value(value: SecretValue) -> cbor.Value:
    """One value as it stands in a shard, before encoding: for hashes over single values."""
    return _to_cbor(value)


def decode(data: bytes) -> tuple[Secret, ...]:
    """The secrets of a shard, in its order.

    Raises:
        ShardError: it is not a shard of protocol 1.
    """
    if len(data) > SHARD_BYTES:
        raise ShardError(f"the shard has {len(data)} bytes; at most {SHARD_BYTES} are accepted")
    try:
        # A signed shard holds as many secrets as fit into it.
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
                    raise ShardError("a key stands twice in the shard")
                secrets[key] = Secret(key=key, value=_from_cbor(value))
            case _:
                raise ShardError("an entry of the shard is not a key and a value")
    return tuple(secrets.values())
