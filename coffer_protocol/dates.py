"""Dates and times in shards (docs/protocol.md, 6): each TOML type has one form in CBOR, and no other is taken."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from .cbor import TAG_LOCAL_DATE, TAG_LOCAL_DATETIME, TAG_LOCAL_TIME, TAG_OFFSET_DATETIME, Tagged
from .errors import ShardError
from .lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeAlias

Moment: TypeAlias = "datetime | date | time"

_PARSERS: Final[dict[int, Callable[[str], Moment]]] = {
    TAG_OFFSET_DATETIME: datetime.fromisoformat,
    TAG_LOCAL_DATETIME: datetime.fromisoformat,
    TAG_LOCAL_DATE: date.fromisoformat,
    TAG_LOCAL_TIME: time.fromisoformat,
}


def check(value: object, key: str) -> None:
    """Raise ShardError if a value is not a date or a time that a shard can hold. The text names `key`, never the value."""
    if not isinstance(value, date | time):
        raise ShardError(f"{key}: a shard cannot hold a value of type {type(value).__name__}")
    if isinstance(value, time) and value.tzinfo is not None:
        raise ShardError(f"{key}: a time of day must not have an offset")
    if isinstance(value, datetime) and (offset := value.utcoffset()) is not None and offset % timedelta(minutes=1):
        raise ShardError(f"{key}: an offset must be whole minutes")


def to_cbor(value: Moment) -> Tagged:
    """Return a date or a time in the form in which a shard holds it."""
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


def from_cbor(tagged: Tagged) -> Moment:
    """Return the date or time that a tagged value in a shard encodes.

    Raises:
        ShardError: if the date does not exist, or is not in its one form.
    """
    match tagged:
        case Tagged(tag=tag, value=str() as text) if tag in _PARSERS:
            try:
                parsed = _PARSERS[tag](text)
            except ValueError:
                raise ShardError("a date in the shard does not exist, or is not in its one form") from None
            # Python reads several forms, but writes only one.
            if to_cbor(parsed) != tagged:
                raise ShardError("a date in the shard is not in its one form")
            check(parsed, "a date in the shard")
            return parsed
    raise ShardError("a value in the shard has a type that is not allowed")
