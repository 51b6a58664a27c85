"""Questions and their answers (docs/protocol.md, 8): the contents of an Ask and its Tell, for each question's name.

A question is a value of its own type; `to_ask` and `from_ask_untrusted` turn it into an Ask and back. Each question has one function that
makes its answer, and one, `…_untrusted`, that reads the answer item by item, because there may be a million items.
"""

from __future__ import annotations

from . import cbor, message
from .enrolment import TAG_BYTES, proof_from_cbor_untrusted
from .errors import DecodeError, LimitError, MalformedMessageError
from .identity import ID_BYTES
from .lean import TYPE_CHECKING, Record
from .limits import LISTING_BYTES, NOTE_BYTES, NOTES_PER_ANSWER
from .message import HASH_BYTES, USE_FOLLOWED, USE_ONCE, Ask, Held, MessageType, OkOpen, Tell

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Any, ClassVar, Final, TypeAlias

    from typing_extensions import TypeIs

    from .cbor import Value
    from .enrolment import Proof
    from .message import Entry

_UINT_LIMIT: Final = 1 << 63


def _is_uint(value: Value, *, least: int = 0) -> bool:
    return type(value) is int and least <= value < _UINT_LIMIT


def _is_bytes(value: object, size_bytes: int) -> bool:
    return isinstance(value, bytes) and len(value) == size_bytes


def _is_id(value: object) -> TypeIs[bytes]:
    return _is_bytes(value, ID_BYTES)


def _check_serial(serial: int) -> None:
    if not _is_uint(serial, least=1):
        raise MalformedMessageError("a serial is not a whole number from 1")


def _check_ids(ids: Collection[bytes]) -> None:
    if not all(map(_is_id, ids)):
        raise MalformedMessageError(f"an id is not {ID_BYTES} bytes")


# ------------------------------------------------------------------------------------------------------- questions


class Heads(Record):
    """Which heads have followed? Answered to a coffer's publishers and its clients, at most `limits.HEADS_PER_ANSWER` at a time.

    Attributes:
        coffer: the coffer's name.
        from_serial: the lowest serial to show.

    Raises:
        MalformedMessageError: a field is not what docs/protocol.md, 8 says. This also holds for every other question and answer here.
    """

    name: ClassVar = "heads"
    coffer: str
    from_serial: int

    def __post_init__(self) -> None:
        if not _is_uint(self.from_serial):
            raise MalformedMessageError("a serial is not a whole number from 0")

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, self.from_serial])


class Entries(Record):
    """Who was in the release with this serial, and with which blob?"""

    name: ClassVar = "entries"
    coffer: str
    serial: int

    def __post_init__(self) -> None:
        _check_serial(self.serial)

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, self.serial])


class Changes(Record):
    """In what does the current release differ from the one with this serial, whose list the asker has?"""

    name: ClassVar = "changes"
    coffer: str
    serial: int

    def __post_init__(self) -> None:
        _check_serial(self.serial)

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, self.serial])


class Notes(Record):
    """What do the notes of these clients say, in a release? At most `limits.NOTES_PER_ANSWER` ids at a time.

    Attributes:
        coffer: the coffer's name.
        serial: the release's serial, from 1.
        ids: the ids of the clients, 32 bytes each.
    """

    name: ClassVar = "notes"
    coffer: str
    serial: int
    ids: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _check_serial(self.serial)
        _check_ids(self.ids)
        if len(self.ids) > NOTES_PER_ANSWER:
            raise MalformedMessageError(f"a question for notes names more than {NOTES_PER_ANSWER} ids")

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, self.serial, list(self.ids)])


class Past(Record):
    """What does the server still hold of these ids, from any release?"""

    name: ClassVar = "past"
    coffer: str
    ids: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _check_ids(self.ids)

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, list(self.ids)])


class Fetches(Record):
    """Which release has each client fetched last, and which has it signed for?"""

    name: ClassVar = "fetches"
    coffer: str

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer])


class Invite(Record):
    """Will the server let in one request with this tag? (docs/protocol.md, 8a)

    Attributes:
        coffer: the coffer's name.
        tag: the invite's tag, 16 bytes.
        expires: the end of the invite, in seconds since 1970; 0 ends it now.
    """

    name: ClassVar = "invite"
    coffer: str
    tag: bytes
    expires: int

    def __post_init__(self) -> None:
        if not isinstance(self.tag, bytes) or len(self.tag) != TAG_BYTES:
            raise MalformedMessageError(f"a tag is not {TAG_BYTES} bytes")
        if not _is_uint(self.expires):
            raise MalformedMessageError("the end of an invite is not a whole number from 0")

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, self.tag, self.expires])


class Requests(Record):
    """Who asks to be let in?"""

    name: ClassVar = "requests"
    coffer: str

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer])


class Settle(Record):
    """Will the server forget the request of this id, which was accepted or rejected?"""

    name: ClassVar = "settle"
    coffer: str
    id: bytes
    is_accepted: bool

    def __post_init__(self) -> None:
        _check_ids((self.id,))

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, self.id, self.is_accepted])


class Block(Record):
    """Will the server block this id, or unblock it? Answered to publishers who were given that right."""

    name: ClassVar = "block"
    coffer: str
    id: bytes
    is_blocked: bool

    def __post_init__(self) -> None:
        _check_ids((self.id,))

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, self.id, self.is_blocked])


class Activity(Record):
    """What has happened since a moment, in seconds since 1970? Answered if the server keeps an audit."""

    name: ClassVar = "activity"
    coffer: str
    from_at: int

    def __post_init__(self) -> None:
        if not _is_uint(self.from_at):
            raise MalformedMessageError("a time is not a whole number from 0")

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer, self.from_at])


class About(Record):
    """What are the server's version, clock and settings?"""

    name: ClassVar = "about"
    coffer: str

    def to_ask(self) -> Ask:
        """Return the Ask for this question."""
        return Ask(name=self.name, params=[self.coffer])


Question: TypeAlias = Heads | Entries | Changes | Notes | Past | Fetches | Invite | Requests | Settle | Block | Activity | About


def from_ask_untrusted(ask: Ask) -> Question:
    """Return the question that an Ask asks.

    Raises:
        MalformedMessageError: it is not a question of protocol 1, or its parameters are not those of docs/protocol.md, 8.
    """
    # Each question checks the items of its lists and the ranges of its numbers itself.
    match ask.name, ask.params:
        case Heads.name, [str() as coffer, int() as serial]:
            return Heads(coffer=coffer, from_serial=serial)
        case Entries.name, [str() as coffer, int() as serial]:
            return Entries(coffer=coffer, serial=serial)
        case Changes.name, [str() as coffer, int() as serial]:
            return Changes(coffer=coffer, serial=serial)
        case Notes.name, [str() as coffer, int() as serial, list() as ids]:
            return Notes(coffer=coffer, serial=serial, ids=_untyped(ids))
        case Past.name, [str() as coffer, list() as ids]:
            return Past(coffer=coffer, ids=_untyped(ids))
        case Fetches.name, [str() as coffer]:
            return Fetches(coffer=coffer)
        case Invite.name, [str() as coffer, bytes() as tag, int() as expires]:
            return Invite(coffer=coffer, tag=tag, expires=expires)
        case Requests.name, [str() as coffer]:
            return Requests(coffer=coffer)
        case Settle.name, [str() as coffer, bytes() as client_id, bool() as is_accepted]:
            return Settle(coffer=coffer, id=client_id, is_accepted=is_accepted)
        case Block.name, [str() as coffer, bytes() as client_id, bool() as is_blocked]:
            return Block(coffer=coffer, id=client_id, is_blocked=is_blocked)
        case Activity.name, [str() as coffer, int() as from_at]:
            return Activity(coffer=coffer, from_at=from_at)
        case About.name, [str() as coffer]:
            return About(coffer=coffer)
    raise MalformedMessageError("the question is not one of protocol 1, or has other parameters")


def _untyped(items: list[Value]) -> Any:
    return tuple(items)


# --------------------------------------------------------------------------------------------------------- answers


class PastEntry(Record):
    """A blob that the server still holds, in the answer to `Past`. Its note proves the other fields.

    Attributes:
        id: the client's id, 32 bytes.
        alg, since, sha256: as in an `Entry`.
        note: the sealed note.
    """

    id: bytes
    alg: int
    since: int
    sha256: bytes
    note: bytes

    def __post_init__(self) -> None:
        is_good = _is_id(self.id) and _is_uint(self.alg) and _is_uint(self.since, least=1) and _is_bytes(self.sha256, HASH_BYTES)
        if not is_good or len(self.note) > NOTE_BYTES:
            raise MalformedMessageError("an answer to past holds something else than [id, alg, since, sha256, note]")


class Fetch(Record):
    """What the server knows about the releases that a client has fetched.

    Attributes:
        id: the client's id, 32 bytes.
        serial: the last release that it has fetched, according to the server.
        at: the time of that fetch, in seconds since 1970.
        watching: the lowest serial at which its sessions watch; None if no session watches.
        held: for each use, its receipt of the highest serial, which is not verified yet; None if there is no such receipt.
    """

    id: bytes
    serial: int
    at: int
    watching: int | None = None
    held: tuple[Held | None, Held | None] = (None, None)

    def __post_init__(self) -> None:
        is_watching_good = self.watching is None or _is_uint(self.watching)
        if not (_is_id(self.id) and _is_uint(self.serial, least=1) and _is_uint(self.at) and is_watching_good):
            raise MalformedMessageError("a fetch is not [id, serial, at, watching, [held, held]]")


class WaitingRequest(Record):
    """A request that the server keeps, as the answer to `Requests` lists it.

    Attributes:
        body, owner, name, proof: as in `message.Request`.
        at: the time when it came, in seconds since 1970, according to the server.
        address: the address from which it came, according to the server, made printable.
    """

    body: bytes
    owner: bytes
    name: str
    at: int
    address: str
    proof: Proof | None


class Action(Record):
    """An event, according to the server, as the answer to `Activity` lists it.

    Attributes:
        at: the time, in seconds since 1970.
        kind: the kind of event, made printable.
        id: the id of the client or publisher, 32 bytes, or None.
        serial: the release's serial, or None.
        address: the address of the peer, made printable.
    """

    at: int
    kind: str
    id: bytes | None
    serial: int | None
    address: str


class ServerFacts(Record):
    """What a server says about itself.

    Attributes:
        version: the version of its program, made printable.
        time: the time by its clock, in seconds since 1970.
        oldest: the oldest serial whose blobs it holds; 0 if there is no release.
        enrol: its setting for requests to be let in: off, invited, or open.
        is_audited: whether it keeps an audit.
    """

    version: str
    time: int
    oldest: int
    enrol: str
    is_audited: bool


def tell_heads(signed: Iterable[bytes]) -> Tell:
    """Make the answer to `Heads`.

    Args:
        signed: the bytes of the signed heads, in the order of their serials.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    return _tell_items(signed)


def heads_untrusted(tell: Tell) -> Iterator[bytes]:
    """Yield the signed heads in the answer to `Heads`. They are not verified.

    Raises:
        MalformedMessageError: at the first item that is something else.
    """
    for item in _iter_items(tell):
        if not isinstance(item, bytes):
            raise MalformedMessageError("an answer to heads holds something else than a signed head")
        yield item


def tell_entries(signed: bytes, entries: Iterable[Entry]) -> Tell:
    """Make the answer to `Entries`, in the form of an OkOpen.

    Args:
        signed: the bytes of the release's signed head.
        entries: the entries, in the order of their ids.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    return _checked(message.encode_body(OkOpen.pack(signed, entries)))


def entries_untrusted(tell: Tell) -> tuple[bytes, Iterator[Entry]]:
    """Return the signed head in the answer to `Entries`, which is not verified, and an iterator of its entries.

    Raises:
        MalformedMessageError: the answer does not begin as it must. The iterator raises it at the first item that is not an entry.
    """
    listing = message.decode_body_untrusted(MessageType.OK_OPEN, tell.answer)
    assert isinstance(listing, OkOpen)
    if listing.signed is None or listing.packed is None:
        raise MalformedMessageError("an answer to entries has no head, or no list")
    return listing.signed, listing.entries()


def tell_changes(signed: bytes, changed: Iterable[Entry], gone: Iterable[bytes]) -> Tell:
    """Make the answer to `Changes`.

    Args:
        signed: the bytes of the current release's signed head.
        changed: its entries that the earlier release does not have, in the order of their ids.
        gone: the ids that only the earlier release has, in their order.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    packed, count = message.pack_entries(changed)
    ids = list(gone)
    return _checked(cbor.array_head(3) + cbor.encode(signed) + cbor.array_head(count) + packed + cbor.encode(ids))


def changes_untrusted(tell: Tell) -> tuple[bytes, Iterator[Entry | bytes]]:
    """Return the signed head in the answer to `Changes`, which is not verified, and an iterator of the changes.

    A change is an entry, or the id of an entry that is gone.

    Raises:
        MalformedMessageError: the answer does not begin as it must. The iterator raises it at the first item that is something else.
    """
    try:
        length, rest = cbor.split_array(tell.answer)
        signed, rest = cbor.split_first(rest)
        if length != 3 or not isinstance(signed, bytes):
            raise MalformedMessageError("an answer to changes is not [head, entries, ids]")
        return signed, _iter_changes(rest)
    except DecodeError as error:
        raise MalformedMessageError(f"the answer is {error}") from None


def _iter_changes(data: bytes) -> Iterator[Entry | bytes]:
    try:
        count, rest = cbor.split_array(data)
        packed, rest = cbor.split_items(rest, count)
        yield from message.iter_entries_untrusted(packed, count)
        count, packed = cbor.split_array(rest)
        for gone in cbor.iter_items(packed, count):
            if not _is_id(gone):
                raise MalformedMessageError("an answer to changes holds something else than an id")
            yield gone
    except DecodeError as error:
        raise MalformedMessageError(f"the answer is {error}") from None


def tell_notes(notes: Iterable[tuple[bytes, bytes]]) -> Tell:
    """Make the answer to `Notes`.

    Args:
        notes: each client's id and sealed note.

    Raises:
        LimitError: the answer is longer than a Tell may be: fewer notes must be asked for.
    """
    return _tell_items([id_, note] for id_, note in notes)


def notes_untrusted(tell: Tell) -> Iterator[tuple[bytes, bytes]]:
    """Yield the items of the answer to `Notes`: a client's id, and its sealed note, for `NoteKey.open`.

    Raises:
        MalformedMessageError: at the first item that is something else.
    """
    for item in _iter_items(tell):
        match item:
            case [bytes() as id_, bytes() as note] if _is_id(id_) and len(note) <= NOTE_BYTES:
                yield id_, note
            case _:
                raise MalformedMessageError("an answer to notes holds something else than [id, note]")


def tell_past(entries: Iterable[PastEntry]) -> Tell:
    """Make the answer to `Past`.

    Raises:
        LimitError: the answer is longer than a Tell may be: fewer ids must be asked for.
    """
    return _tell_items([entry.id, entry.alg, entry.since, entry.sha256, entry.note] for entry in entries)


def past_untrusted(tell: Tell) -> Iterator[PastEntry]:
    """Yield the items of the answer to `Past`.

    Raises:
        MalformedMessageError: at the first item that is something else.
    """
    for item in _iter_items(tell):
        match item:
            case [bytes() as id_, int() as alg, int() as since, bytes() as sha256, bytes() as note]:
                yield PastEntry(id=id_, alg=alg, since=since, sha256=sha256, note=note)
            case _:
                raise MalformedMessageError("an answer to past holds something else than [id, alg, since, sha256, note]")


def tell_fetches(fetches: Iterable[Fetch]) -> Tell:
    """Make the answer to `Fetches`.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    return _tell_items(
        [fetch.id, fetch.serial, fetch.at, fetch.watching, [_held_to_cbor(held) for held in fetch.held]] for fetch in fetches
    )


def fetches_untrusted(tell: Tell) -> Iterator[Fetch]:
    """Yield the items of the answer to `Fetches`. No receipt is verified.

    Raises:
        MalformedMessageError: at the first item that is something else.
    """
    for item in _iter_items(tell):
        match item:
            case [bytes() as id_, int() as serial, int() as at, (int() | None) as watching, [once, followed]]:
                held = (_held_from_cbor(once, USE_ONCE), _held_from_cbor(followed, USE_FOLLOWED))
                yield Fetch(id=id_, serial=serial, at=at, watching=watching, held=held)
            case _:
                raise MalformedMessageError("an answer to fetches holds something else than [id, serial, at, watching, [held, held]]")


def _held_to_cbor(held: Held | None) -> Value:
    return None if held is None else [held.serial, held.sha256, held.receipt]


def _held_from_cbor(value: Value, use: int) -> Held | None:
    match value:
        case None:
            return None
        case [int() as serial, bytes() as sha256, bytes() as receipt]:
            return Held(serial=serial, sha256=sha256, use=use, receipt=receipt)
    raise MalformedMessageError("a receipt in an answer to fetches is not [serial, hash, receipt]")


def tell_done() -> Tell:
    """Make the answer `true`, to `Invite`, `Settle` and `Block`."""
    return Tell(answer=cbor.encode(True))


def done_untrusted(tell: Tell) -> None:
    """Check the answer to `Invite`, `Settle` or `Block`.

    Raises:
        MalformedMessageError: the answer is not `true`.
    """
    if tell.answer != cbor.encode(True):
        raise MalformedMessageError("the answer is not true")


def tell_requests(requests: Iterable[WaitingRequest]) -> Tell:
    """Make the answer to `Requests`.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    return _tell_items(
        [item.body, item.owner, item.name, item.at, item.address, None if item.proof is None else item.proof.to_cbor()] for item in requests
    )


def requests_untrusted(tell: Tell) -> Iterator[WaitingRequest]:
    """Yield the items of the answer to `Requests`. No key and no proof is verified.

    Raises:
        MalformedMessageError: at the first item that is something else.
    """
    for item in _iter_items(tell):
        match item:
            case [bytes() as body, bytes() as owner, str() as name, int() as at, str() as address, proof] if _is_uint(at):
                # Its fields are a Request's, with the same checks.
                request = message.Request(coffer="-", body=body, owner=owner, name=name, proof=proof_from_cbor_untrusted(proof))
                yield WaitingRequest(
                    body=request.body, owner=request.owner, name=name, at=at, address=message.printable(address), proof=request.proof
                )
            case _:
                raise MalformedMessageError("an answer to requests holds something else than [body, owner, name, at, address, proof]")


def tell_activity(actions: Iterable[Action]) -> Tell:
    """Make the answer to `Activity`.

    Args:
        actions: the oldest first, at most `limits.ACTIVITIES_PER_ANSWER`.

    Raises:
        LimitError: the answer is longer than a Tell may be.
    """
    return _tell_items([action.at, action.kind, action.id, action.serial, action.address] for action in actions)


def activity_untrusted(tell: Tell) -> Iterator[Action]:
    """Yield the items of the answer to `Activity`.

    Raises:
        MalformedMessageError: at the first item that is something else.
    """
    for item in _iter_items(tell):
        match item:
            case [int() as at, str() as kind, (bytes() | None) as id_, (int() | None) as serial, str() as address] if (
                _is_uint(at) and (id_ is None or _is_id(id_)) and (serial is None or _is_uint(serial))
            ):
                yield Action(at=at, kind=message.printable(kind), id=id_, serial=serial, address=message.printable(address))
            case _:
                raise MalformedMessageError("an answer to activity holds something else than [at, kind, id, serial, address]")


def tell_about(facts: ServerFacts) -> Tell:
    """Make the answer to `About`."""
    return Tell(
        answer=cbor.encode(
            {
                "version": facts.version,
                "time": facts.time,
                "oldest": facts.oldest,
                "enrol": facts.enrol,
                "audit": facts.is_audited,
            }
        )
    )


def about_untrusted(tell: Tell) -> ServerFacts:
    """Return the answer to `About`.

    Raises:
        MalformedMessageError: the answer does not have the fields of docs/protocol.md, 8.
    """
    try:
        value = cbor.decode(tell.answer)
    except DecodeError as error:
        raise MalformedMessageError(f"the answer is {error}") from None
    match value:
        case {
            "version": str() as version,
            "time": int() as time,
            "oldest": int() as oldest,
            "enrol": str() as enrol,
            "audit": bool() as is_audited,
            **others,
        } if not others and _is_uint(time) and _is_uint(oldest):
            return ServerFacts(
                version=message.printable(version), time=time, oldest=oldest, enrol=message.printable(enrol), is_audited=is_audited
            )
    raise MalformedMessageError("an answer to about is not what protocol 1 says")


def _tell_items(items: Iterable[Any]) -> Tell:
    """Make an array of items, which are encoded one by one."""
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
