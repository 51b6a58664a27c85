"""Finds what a person names: every identifier that a program of ours prints for a thing finds it, whole or by its beginning.

A publisher has a name, a fingerprint, a publisher key, an id and a public key text. A client has an id and a public key text. Server and
companion find both with this one function, and call a publisher by the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from coffer_protocol.identity import ID_BYTES, PUBLIC_BODY_BYTES, PUBLIC_PREFIX, SECRET_PREFIX, PublicKey, format_id

from .errors import AmbiguousError

T = TypeVar("T")

# Fewer digits may by chance be those of another key too, and fewer letters those of another name.
_LEAST_DIGITS: Final = 8
_LEAST_LETTERS: Final = 3
_HEX: Final = "0123456789ABCDEF"
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
# A public key text begins with the keys. The proof and the checksum follow.
_BODY_DIGITS: Final = PUBLIC_BODY_BYTES * 8 // 5
_SECRET: Final = SECRET_PREFIX[:17]


def publisher_label(name: str | None, key: PublicKey) -> str:
    """Return the label of a publisher for people: its name, if it has one, and its fingerprint."""
    fingerprint = key.fingerprint_text()
    return f"{name} ({fingerprint})" if name else fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Generic[T]):
    """A thing that a person may name.

    Attributes:
        value: the thing.
        label: its name in errors.
        name: its name; empty if it has none.
        keys: its id, publisher key and fingerprint, as far as they are known.
        body: the beginning of its public key text, as far as it is known: all four keys, the id, or nothing.
    """

    value: T
    label: str
    name: str = ""
    keys: tuple[bytes, ...] = ()
    body: bytes = b""

    @classmethod
    def publisher(cls, value: T, name: str | None, key: PublicKey) -> Named[T]:
        """Return a publisher of which all keys are known."""
        keys = (key.fingerprint(), key.sign, key.id)
        return cls(value=value, label=publisher_label(name, key), name=name or "", keys=keys, body=key.body)

    @classmethod
    def client(cls, value: T, client_id: bytes) -> Named[T]:
        """Return a client of which only the id is known."""
        return cls(value=value, label=format_id(client_id), keys=(client_id,), body=client_id)


def find(who: str | PublicKey, among: Iterable[Named[T]]) -> T | None:
    """Return the one thing that somebody named, or None if nothing matches.

    A text that is whole comes before one that is a beginning: with `laptop` and `laptop-2`, `laptop` means the first.

    Args:
        who: as a person typed it: a name, hex digits of either case with dashes anywhere, or a public key text; or a key.
        among: the things that exist.

    Raises:
        AmbiguousError: more than one thing matches. The error lists them.
        KeyTextError: the text is a secret key, or a damaged public key text.
    """
    things = tuple(among)
    if isinstance(who, str):
        who = _key_in(who.strip())
    for matches in (_is, _begins):
        found = [thing for thing in things if matches(thing, who)]
        if len(found) > 1:
            raise AmbiguousError(str(who), [thing.label for thing in found])
        if found:
            return found[0].value
    return None


def id_bounds(text: str) -> tuple[bytes, bytes] | None:
    """Return the lowest and the highest id that begins like a text, for a look-up among many. None if the text begins no id."""
    bits = _hex_bits(text) or _text_bits(text)
    if bits is None:
        return None
    value, width = bits
    rest = max(0, ID_BYTES * 8 - width)
    low = value >> max(0, width - ID_BYTES * 8) << rest
    return low.to_bytes(ID_BYTES, "big"), (low | (1 << rest) - 1).to_bytes(ID_BYTES, "big")


def _key_in(text: str) -> str | PublicKey:
    is_whole = text.startswith(PUBLIC_PREFIX) and len(text) > len(PUBLIC_PREFIX) + _BODY_DIGITS
    # `from_text` refuses a secret without a word of it.
    return PublicKey.from_text(text) if is_whole or text.upper().startswith(_SECRET) else text


def _is(thing: Named[Any], who: str | PublicKey) -> bool:
    if isinstance(who, PublicKey):
        return who.body.startswith(thing.body) if thing.body else who.sign in thing.keys
    return (who in (thing.name, thing.label) and bool(who)) or _digits(who) in map(format_id, thing.keys)


def _begins(thing: Named[Any], who: str | PublicKey) -> bool:
    if isinstance(who, PublicKey):
        return False
    if len(who) >= _LEAST_LETTERS and thing.name.startswith(who):
        return True
    if (bits := _hex_bits(who)) is not None:
        return any(_begins_with(key, *bits) for key in thing.keys)
    return (bits := _text_bits(who)) is not None and bool(thing.body) and _begins_with(thing.body, *bits)


def _begins_with(data: bytes, value: int, width: int) -> bool:
    """Return whether `data` begins with these bits, as far as `data` goes."""
    there = len(data) * 8
    common = min(width, there)
    return int.from_bytes(data, "big") >> (there - common) == value >> (width - common)


def _digits(text: str) -> str:
    return text.replace("-", "").upper()


def _hex_bits(text: str) -> tuple[int, int] | None:
    """Return the number in hex digits, and its width in bits; None if the text has other characters, or too few digits."""
    digits = _digits(text)
    if not _LEAST_DIGITS <= len(digits) <= 2 * ID_BYTES or not set(_HEX).issuperset(digits):
        return None
    return int(digits, 16), 4 * len(digits)


def _text_bits(text: str) -> tuple[int, int] | None:
    """Return the same for the part of a public key text that has the keys."""
    digits = text.removeprefix(PUBLIC_PREFIX)[:_BODY_DIGITS]
    if not text.startswith(PUBLIC_PREFIX) or len(digits) < _LEAST_DIGITS or not set(_BASE32).issuperset(digits):
        return None
    value = 0
    for digit in digits:
        value = value << 5 | _BASE32.index(digit)
    return value, 5 * len(digits)
