"""Reads JSON objects, and refuses what a definition cannot have."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from coffer_common import documents
from coffer_common.errors import TextFileError
from coffer_protocol.shard import INT_MAX, INT_MIN

from ..errors import ImportingError
from .values import Importable, is_unicode

# What a file in YAML begins with, and no JSON.
_YAML: Final = re.compile(r"(?:\s*(?:#[^\n]*)?\n)*(?:---|[\w.\"'-]+:(?:\s|$))")


def read(text: str, *, name: str = "the JSON", leave_out: str | None = None) -> dict[str, Importable]:
    """Return the members of a JSON object; objects inside it become tables.

    Args:
        text: the JSON.
        name: what errors call it, such as the path of its file.
        leave_out: the name of a member that is not read.

    Raises:
        ImportingError: it is not a JSON object (RFC 8259), an object has a name twice, or a member is an array, null, or a number that a
            definition cannot have. The text names the member by its dotted key.
    """
    return {key: _value(member, key) for key, member in _members(text, name).items() if key != leave_out}


def _members(text: str, name: str) -> dict[str, Any]:
    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            raise ImportingError(f"an object has {twice} twice: take one out")
        return found

    try:
        value = documents.parse_json(text, name, members=collect)
    except TextFileError as error:
        if _YAML.match(text):
            remedy = "pipe it in as JSON, such as `sops -d --output-type json FILE` or `yq -o json FILE` prints it"
            raise ImportingError(f"{name} is YAML, which import does not read: {remedy}") from None
        raise ImportingError(str(error)) from None
    if not isinstance(value, dict):
        raise ImportingError('the JSON is not an object, so its values have no names: write {"NAME": "VALUE"}')
    return value


def _value(value: Any, key: str) -> Importable:
    match value:
        case str() if not is_unicode(value):
            raise ImportingError(f"{key}: the text has half of a character (a lone surrogate), which UTF-8 cannot write: correct it")
        case str() | bool():
            return value
        case documents.InexactNumber():
            raise ImportingError(
                f"{key}: a number with a point has at most 64 bits, which cannot hold this one: write it as text, in quotes"
            )
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
