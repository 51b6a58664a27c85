"""Values as a definition can have them, and the dotted keys that they get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from coffer_protocol.errors import ShardError
from coffer_protocol.shard import check_key, check_visible

from ..errors import ImportingError


@dataclass(frozen=True, slots=True, kw_only=True)
class FromFile:
    """A value that stays in its file, which the definition will name.

    Attributes:
        path: the path relative to the definition's folder, with forward slashes.
    """

    path: str


# What can be written into a definition: values, and tables of them.
Scalar: TypeAlias = str | bool | int | float | FromFile
Importable: TypeAlias = "Scalar | Mapping[str, Importable]"


def is_unicode(text: str) -> bool:
    """Return whether UTF-8 can write a text. Python reads bytes of other encodings, and halves of characters, as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def flatten(values: Mapping[str, Importable]) -> dict[str, Scalar]:
    """Return the values under the dotted keys by which a client gets them.

    Raises:
        ImportingError: two values have the same key, or a key cannot be delivered.
    """
    flat: dict[str, Scalar] = {}
    for key, value in _flat(values, ""):
        try:
            check_key(key)
        except ShardError as error:
            raise ImportingError(f"{key!r}: {error}: rename it") from None
        try:
            check_visible(key, "the key")
        except ShardError as error:
            raise ImportingError(str(error)) from None
        if key in flat:
            raise ImportingError(f"{key} is there twice, as one name with a dot and as a table: rename one of them")
        flat[key] = value
    return flat


def _flat(values: Mapping[str, Importable], prefix: str) -> Iterator[tuple[str, Scalar]]:
    for name, value in values.items():
        if not name:
            raise ImportingError(f"a name is empty{f' in {prefix[:-1]}' if prefix else ''}: write one")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
