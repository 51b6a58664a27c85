"""Reads JSON objects, and refuses what a definition cannot have."""

from __future__ import annotations

import json
import math
from typing import Any

from coffer_protocol.shard import INT_MAX, INT_MIN

from ..errors import ImportingError
from .values import Importable, is_unicode


def read(text: str, *, leave_out: str | None = None) -> dict[str, Importable]:
    """Return the members of a JSON object; objects inside it become tables.

    Args:
        text: the JSON.
        leave_out: the name of a member that is not read.

    Raises:
        ImportingError: it is not a JSON object (RFC 8259), an object has a name twice, or a member is an array, null, or a number that a
            definition cannot have. The text names the member by its dotted key.
    """
    return {name: _value(member, name) for name, member in _members(text).items() if name != leave_out}


def _members(text: str) -> dict[str, Any]:
    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ImportingError(f"an object has {twice} twice: take one out")
        return found

    def constant(name: str) -> Any:
        raise ImportingError(f"JSON has no number {name}: write it as text")

    try:
        value = json.loads(text, object_pairs_hook=collect, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ImportingError(f"line {error.lineno}, column {error.colno}: this is not JSON ({error.msg}): correct it") from None
    except RecursionError:
        raise ImportingError("the JSON is nested too deeply: take objects out of each other") from None
    except ValueError:
        # Python refuses to read an integer of thousands of digits.
        raise ImportingError("the JSON has a number that is too long: write it as text, because an integer has at most 64 bits") from None
    if not isinstance(value, dict):
        raise ImportingError('the JSON is not an object, so its values have no names: write {"NAME": "VALUE"}')
    return value


def _value(value: Any, key: str) -> Importable:
    match value:
        case str() if not is_unicode(value):
            raise ImportingError(f"{key}: the text has half of a character (a lone surrogate), which UTF-8 cannot write: correct it")
        case str() | bool():
            return value
        case float() if not math.isfinite(value):
            raise ImportingError(f"{key}: the number is too large: write it as text")
        case int() if not INT_MIN <= value <= INT_MAX:
            raise ImportingError(f"{key}: an integer has at most 64 bits, signed: write it as text")
        case int() | float():
            return value
        case dict():
            return {name: _value(member, f"{key}.{name}") for name, member in value.items()}
        case list():
            raise ImportingError(f"{key}: an array cannot be delivered: use a name for each item, or one text")
        case _:
            raise ImportingError(f"{key}: null cannot be delivered: take it out, or write an empty text")
