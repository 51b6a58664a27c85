"""Finds a publisher by its name, or by the beginning of a key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import format_id

from .store.base import Publisher

# Fewer digits may by chance be those of another key too.
_LEAST_DIGITS: Final = 8


def find(who: str, among: Sequence[Publisher]) -> Publisher | None:
    """Return the publisher that has this name, or whose fingerprint, publisher key or id is this or begins like this.

    Args:
        who: the text that a person has typed.
        among: the publishers of one coffer.

    Returns:
        The publisher; None if no publisher matches: the text may be a public key text, or the path of a file.

    Raises:
        KeyTextError: more than one publisher's key begins like this.
    """
    for publisher in among:
        if publisher.name == who:
            return publisher
    digits = who.strip().replace("-", "").upper()
    if len(digits) < _LEAST_DIGITS or any(digit not in "0123456789ABCDEF" for digit in digits):
        return None
    found = [publisher for publisher in among if any(key.startswith(digits) for key in _keys(publisher))]
    if len(found) > 1:
        raise KeyTextError(f"more than one publisher's key begins with {who!r}: give more digits")
    return found[0] if found else None


def _keys(publisher: Publisher) -> Iterator[str]:
    key = publisher.key
    yield from (format_id(key.fingerprint()), format_id(key.sign), format_id(key.id))
