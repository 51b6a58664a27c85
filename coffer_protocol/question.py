"""Questions and their answers (PROTOCOL.md, 8): what an Ask and its Tell hold, by the question's name.

A question is a value of its own type; `to_ask` and `from_ask_untrusted` turn it into an Ask and back. For each question there is one
function that makes its answer, and one, `…_untrusted`, that reads it item by item, since an answer may hold a million.
"""

from __future__ import annotations

from . import cbor, message
from .errors import DecodeError, LimitError, MalformedMessageError
from .identity import ID_BYTES
from .lean import TYPE_CHECKING, Record
from .limits import LISTING_BYTES, NOTE_BYTES
from .message import Ask, MessageType, OkOpen, Tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, ClassVar, Final, TypeAlias

    from .cbor import Value
    from .message import Entry

_UINT_LIMIT: Final = 1 << 63


def _is_uint(value: Value, *, least: int = 0) -> bool:
    return type(value) is int and least <= value < _UINT_LIMIT


def _is_id(value: Value) -> bool:
    return isinstance(value, bytes) and len(value) == ID_BYTES


# ------------------------------------------------------------------------------------------------------- questions


class Heads(Record):
    """Which heads have followed? Answered to a coffer's publishers and its clients, at most `limits.HEADS_PER_ANSWER` at a time.

    Attributes:
        coffer: the coffer's name.
        from_serial: the first serial wanted.

    Raises:
        MalformedMessageError: a field is not what PROTOCOL.md, 8 says.
    """

    name: ClassVar = "heads"
    coffer: str
    from_serial: int

    def __post_init__(self) -> None:
        if not _is_uint(self.from_serial):
            raise MalformedMessageError("a serial is not a whole number from 0")

    def to_ask(self) -> Ask:
        """The Ask that says so."""
        return Ask(name=self.name, params=[self.coffer, self.from_serial])


class Entries(Record):
    """Who was in a release, and with which blob? Answered to a coffer's publishers.

    Attributes:
        coffer: the coffer's name.
        serial: the release's, from 1.

    Raises:
        MalformedMessageError: a field is not what PROTOCOL.md, 8 says.
    """

    name: ClassVar = "entries"
    coffer: str
    serial: int

    def __post_init__(self) -> None:
        if not _is_uint(self.serial, least=1):
            raise MalformedMessageError("a serial is not a whole number from 1")

    def to_ask(self) -> Ask:
        """The Ask that says so."""
        return Ask(name=self.name, params=[self.coffer, self.serial])


class Notes(Record):
    """What do the notes of these clients say, in a release? Answered to a coffer's publishers.

    Attributes:
        coffer: the coffer's name.
        serial: the release's, from 1.
        ids: the clients', 32 bytes each; of none, nothing is told. An Ask holds about 60,000.

    Raises:
        MalformedMessageError: a field is not what PROTOCOL.md, 8 says.
    """

    name: ClassVar = "notes"
    coffer: str
    serial: int
    ids: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not _is_uint(self.serial, least=1):
            raise MalformedMessageError("a serial is not a whole number from 1")
        if not all(map(_is_id, self.ids)):
            raise MalformedMessageError(f"an id is not {ID_BYTES} bytes")

    def to_ask(self) -> Ask:
        """The Ask that says so."""
        return Ask(name=self.name, params=[self.coffer, self.serial, list(self.ids)])


class Fetches(Record):
    """Which release has each client fetched last? Answered to a coffer's publishers, and the server's word alone."""

    name: ClassVar = "fetches"
    coffer: str

    def to_ask(self) -> Ask:
        """The Ask that says so."""
        return Ask(name=self.name, params=[self.coffer])


Question: TypeAlias = Heads | Entries | Notes | Fetches


def from_ask_untrusted(ask: Ask) -> Question:
    """The question that an Ask asks.

    Raises:
        MalformedMessageError: it is not one of protocol 1, or its parameters are not those of PROTOCOL.md, 8.
    """
    match ask.name, ask.params:
        case Heads.name, [str() as coffer, int() as serial]:
            return Heads(coffer=coffer, from_serial=serial)
        case Entries.name, [str() as coffer, int() as serial]:
            return Entries(coffer=coffer, serial=serial)
        case Notes.name, [str() as coffer, int() as serial, list() as ids]:
            # Notes itself sees that they are ids.
            wanted: Any = tuple(ids)
            return Notes(coffer=coffer, serial=serial, ids=wanted)
        case Fetches.name, [str() as coffer]:
            return Fetches(coffer=coffer)
    raise MalformedMessageError("the question is not one of protocol 1, or has other parameters")


# --------------------------------------------------------------------------------------------------------- answers


class Fetch(Record):
    """The last release that a client has fetched: `id`, 32 bytes; its `serial`; and when, `at`, in seconds since 1970.

    Raises:
        MalformedMessageError: a field is not what PROTOCOL.md, 8 says.
    """

    id: bytes
    serial: int
    at: int

    def __post_init__(self) -> None:
        if not (_is_id(self.id) and _is_uint(self.serial, least=1) and _is_uint(self.at)):
            raise MalformedMessageError("a fetch is not [id, serial, at]")


def tell_heads(signed: Iterable[bytes]) -> Tell:
    """The answer to `Heads`.

    Args:
        signed: signed heads as they came, in the order of their serials.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    return _tell_items(signed)


def heads_untrusted(tell: Tell) -> Iterator[bytes]:
    """The signed heads in the answer to `Heads`, one by one; none of them is verified.

    Raises:
        MalformedMessageError: at the first that is not one.
    """
    for item in _iter_items(tell):
        if not isinstance(item, bytes):
            raise MalformedMessageError("an answer to heads holds something else than a signed head")
        yield item


def tell_entries(signed: bytes, entries: Iterable[Entry]) -> Tell:
    """The answer to `Entries`, in the form of an OkOpen.

    Args:
        signed: the release's signed head, as it came.
        entries: in the order of their ids.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    return _checked(message.encode_body(OkOpen.pack(signed, entries)))


def entries_untrusted(tell: Tell) -> tuple[bytes, Iterator[Entry]]:
    """The answer to `Entries`: the release's signed head, which is not verified, and its entries, one by one.

    Raises:
        MalformedMessageError: it does not begin as such an answer; and while they are read, at the first that is not an entry.
    """
    listing = message.decode_body_untrusted(MessageType.OK_OPEN, tell.answer)
    assert isinstance(listing, OkOpen)
    if listing.signed is None:
        raise MalformedMessageError("an answer to entries has no head")
    return listing.signed, listing.entries()


def tell_notes(notes: Iterable[tuple[bytes, bytes]]) -> Tell:
    """The answer to `Notes`.

    Args:
        notes: each client's id and sealed note.

    Raises:
        LimitError: the answer is longer than a Tell may be: fewer notes must be asked for.
    """
    return _tell_items([id_, note] for id_, note in notes)


def notes_untrusted(tell: Tell) -> Iterator[tuple[bytes, bytes]]:
    """The answer to `Notes`, one by one: a client's id, and its note, for `NoteKey.open`.

    Raises:
        MalformedMessageError: at the first that is not one.
    """
    for item in _iter_items(tell):
        match item:
            case [bytes() as id_, bytes() as note] if _is_id(id_) and len(note) <= NOTE_BYTES:
                yield id_, note
            case _:
                raise MalformedMessageError("an answer to notes holds something else than [id, note]")


def tell_fetches(fetches: Iterable[Fetch]) -> Tell:
    """The answer to `Fetches`.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    return _tell_items([fetch.id, fetch.serial, fetch.at] for fetch in fetches)


def fetches_untrusted(tell: Tell) -> Iterator[Fetch]:
    """The answer to `Fetches`, one by one.

    Raises:
        MalformedMessageError: at the first that is not one.
    """
    for item in _iter_items(tell):
        match item:
            case [bytes() as id_, int() as serial, int() as at]:
                yield Fetch(id=id_, serial=serial, at=at)
            case _:
                raise MalformedMessageError("an answer to fetches holds something else than [id, serial, at]")


def _tell_items(items: Iterable[Any]) -> Tell:
    """An array of items, which are encoded one by one."""
    packed = bytearray()
    count = 0
    for item in items:
        packed += cbor.encode(item)
        count += 1
        if len(packed) > LISTING_BYTES:
            break
    return _checked(cbor.array_head(count) + packed)


def _checked(answer: bytes) -> Tell:
    if len(answer) > LISTING_BYTES:
        raise LimitError(f"the answer is longer than {LISTING_BYTES} bytes: ask for less at a time")
    return Tell(answer=answer)


def _iter_items(tell: Tell) -> Iterator[Value]:
    try:
        count, packed = cbor.split_array(tell.answer)
        yield from cbor.iter_items(packed, count)
    except DecodeError as error:
        raise MalformedMessageError(f"the answer is {error}") from None
