"""The messages, and the table that says which side may send which message when (docs/protocol.md, 3).

For those who edit this module
==============================

The model
---------
A session is one conversation in which the two sides take turns. The turn is one value: the type of the last message, from either side.
`RULES` maps that type to the types that may come next. There is no other state machine of messages in Coffer: a type that is not among the
followers of the last one is the error, and both sides find it by the same lookup.

    Hello -+-> Link -+-> Get ----------------> OkGet ---> Watch, Ask or Bye
           |         +-> Watch --> Still ... --> OkGet
           |         +-> Open ---> OkOpen ---> Put, Reuse or Drop ... --> Commit --> OkCommit --> Bye
           |         +-> Ask ----> Tell -----> Ask, Open, Get, Watch or Bye
           |         +-> Bye
           +-> KeyNotFound
    Enrol -+-> Welcome --> Request --> OkRequest --> Bye
           +-> Link (as above)

The server may also send Error at any time after Hello or Enrol. Nothing follows Bye, KeyNotFound and Error.

Two types are outside of the turn, and their rules have no followers. A Part may come whenever the message may come of which it is a piece.
A Held may come at any time after the session's first OkGet, has no answer, and leaves the turn as it was. `session` handles both.

A message exists in three forms, and this module alone converts between them:

    value     `Put(id=…, mark=…)`     a frozen record whose fields were checked when it was made
    body      CBOR, or bare bytes     `encode_body` writes it, `decode_body_untrusted` reads it
    type      `MessageType.PUT`       the ordinal in the frame's header; it is no part of the body

`frame` puts a header before the body, `suite` seals it, and `session` calls both and remembers the last type. None of them holds
an order or a limit of its own.

Invariants
----------
1. The table knows no role. A rule says who sends a message, and `session` compares that with its own side. Client and server therefore
   cannot disagree about the order, and one test can drive both ends in memory.
2. The table is literal. No rule is computed from another one, so that a person can compare it with docs/protocol.md, 3 line by line.
   tests/docs/test_protocol_doc.py makes the same comparison.
3. Each rule has a limit for the body, in all its parts together. `session` applies it to the length in the header, before it reads or
   allocates the bytes that the header promises.
4. A message that exists is well formed. `decode_body_untrusted` checks the shape of the CBOR, `__post_init__` checks the fields, and no
   other module checks either again. What a message *means* (is this key a publisher, does this release follow) is decided elsewhere.
5. Bytes from the network become a message or raise `MalformedMessageError`. There is no third outcome.
6. `Part` has no record, because it is no message: it is a piece of one. `session` joins pieces before this module sees them.
7. A long list stays packed. A listing may hold a million entries, so `OkOpen` holds their bytes and decodes one entry at a time.
8. `coffer-client get` loads this module at each start. It imports no typing, enum or dataclasses at run time (docs/decisions/).

To add a message, give it an ordinal, a rule, a record, its place in `Message` and `_TYPES`, and its case in `encode_body` and
`_decode_body`; then add its line to the table in docs/protocol.md, 3, and its bytes to tests/protocol/test_message.py.
"""

from __future__ import annotations

from . import cbor
from .crypto.primitives import check_x25519_public
from .errors import DecodeError, KeyTextError, MalformedMessageError
from .identity import ID_BYTES, OWNER_BYTES, PUBLIC_BODY_BYTES
from .lean import TYPE_CHECKING, IntEnum, Record
from .limits import ERROR_BYTES, LISTING_BYTES, MESSAGE_BYTES, NAME_CHARACTERS, NOTE_BYTES, SIGNED_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Final, TypeAlias

    from .cbor import Value
    from .enrolment import Proof

HASH_BYTES: Final = 32
MARK_BYTES: Final = 16
RECEIPT_BYTES: Final = 64
# What a receipt says about its release: delivered once, or in use by a program that follows releases (docs/protocol.md, 7).
USE_ONCE: Final = 0
USE_FOLLOWED: Final = 1
USES: Final = (USE_ONCE, USE_FOLLOWED)
_UINT_LIMIT: Final = 1 << 63


class MessageType(IntEnum):
    """The ordinals of the messages."""

    HELLO = 0x00
    LINK = 0x01
    GET = 0x02
    OK_GET = 0x03
    WATCH = 0x04
    STILL = 0x05
    PART = 0x06
    HELD = 0x07
    ENROL = 0x08
    WELCOME = 0x09
    REQUEST = 0x0A
    OK_REQUEST = 0x0B
    OPEN = 0x10
    OK_OPEN = 0x11
    PUT = 0x12
    DROP = 0x13
    COMMIT = 0x14
    OK_COMMIT = 0x15
    ASK = 0x16
    TELL = 0x17
    REUSE = 0x18
    BYE = 0x99
    KEY_NOT_FOUND = 0xAA
    ERROR = 0xFF


class Direction(IntEnum):
    """The sender's side. The value is the byte for it in suite 0's nonces (docs/protocol.md, 4)."""

    CLIENT_TO_SERVER = 0x43
    SERVER_TO_CLIENT = 0x53


class Rule(Record):
    """One row of the table of messages.

    Attributes:
        sender: the side that sends the message; None if both may.
        followers: the messages that may come next, from either side. In addition, Error may come at any time after Hello.
        suites: the suites that have the message.
        limit_bytes: the greatest length of its body, in all its parts together.
    """

    sender: Direction | None
    followers: frozenset[MessageType]
    suites: frozenset[int]
    limit_bytes: int


_C: Final = Direction.CLIENT_TO_SERVER
_S: Final = Direction.SERVER_TO_CLIENT
_T: Final = MessageType
_BOTH: Final = frozenset({0, 1})
_ONE: Final = frozenset({1})
_CHANGE: Final = frozenset({_T.PUT, _T.REUSE, _T.DROP, _T.COMMIT, _T.BYE})
_END: Final[frozenset[MessageType]] = frozenset()
_NULL: Final = b"\xf6"
# The CBOR heads of an integer, and of a string that is shorter than 64 KiB, at their longest.
_UINT_BYTES: Final = 9
_STRING_HEAD_BYTES: Final = 3
_ID_ITEM_BYTES: Final = _STRING_HEAD_BYTES + ID_BYTES
_HASH_ITEM_BYTES: Final = _STRING_HEAD_BYTES + HASH_BYTES
_NAME_ITEM_BYTES: Final = _STRING_HEAD_BYTES + NAME_CHARACTERS
_REUSE_BYTES: Final = 1 + _ID_ITEM_BYTES + _STRING_HEAD_BYTES + MARK_BYTES + _HASH_ITEM_BYTES + 2 * _UINT_BYTES
_HELD_BYTES: Final = 1 + 2 * _UINT_BYTES + _HASH_ITEM_BYTES + _STRING_HEAD_BYTES + RECEIPT_BYTES
# The longest proof is that of a successor with an invite: `["successor", old id, issued, signature, tag, mac]`.
_PROOF_BYTES: Final = 1 + _NAME_ITEM_BYTES + _ID_ITEM_BYTES + _UINT_BYTES + 2 * _STRING_HEAD_BYTES + OWNER_BYTES + 16 + _HASH_ITEM_BYTES
_REQUEST_BYTES: Final = 1 + 2 * _NAME_ITEM_BYTES + 2 * _STRING_HEAD_BYTES + PUBLIC_BODY_BYTES + OWNER_BYTES + _PROOF_BYTES

RULES: Final[Mapping[MessageType, Rule]] = {
    _T.HELLO: Rule(sender=_C, followers=frozenset({_T.LINK, _T.KEY_NOT_FOUND, _T.ERROR}), suites=_BOTH, limit_bytes=ID_BYTES),
    _T.LINK: Rule(sender=_S, followers=frozenset({_T.GET, _T.WATCH, _T.OPEN, _T.ASK, _T.BYE}), suites=_BOTH, limit_bytes=0),
    _T.GET: Rule(sender=_C, followers=frozenset({_T.OK_GET, _T.ERROR}), suites=_BOTH, limit_bytes=0),
    _T.OK_GET: Rule(sender=_S, followers=frozenset({_T.WATCH, _T.ASK, _T.BYE}), suites=_BOTH, limit_bytes=MESSAGE_BYTES),
    _T.WATCH: Rule(sender=_C, followers=frozenset({_T.STILL, _T.OK_GET, _T.ERROR}), suites=_ONE, limit_bytes=_UINT_BYTES),
    _T.STILL: Rule(sender=_S, followers=frozenset({_T.STILL, _T.OK_GET, _T.ERROR}), suites=_ONE, limit_bytes=0),
    # A Part is followed by what might have come in its place. The session checks that, and the sum of all parts.
    _T.PART: Rule(sender=None, followers=_END, suites=_ONE, limit_bytes=LISTING_BYTES),
    # A Held is followed by what might have come in its place: the session leaves the turn as it was.
    _T.HELD: Rule(sender=_C, followers=_END, suites=_ONE, limit_bytes=_HELD_BYTES),
    _T.ENROL: Rule(sender=_C, followers=frozenset({_T.WELCOME, _T.LINK, _T.ERROR}), suites=_ONE, limit_bytes=ID_BYTES),
    _T.WELCOME: Rule(sender=_S, followers=frozenset({_T.REQUEST, _T.BYE}), suites=_ONE, limit_bytes=0),
    _T.REQUEST: Rule(sender=_C, followers=frozenset({_T.OK_REQUEST, _T.ERROR}), suites=_ONE, limit_bytes=_REQUEST_BYTES),
    _T.OK_REQUEST: Rule(sender=_S, followers=frozenset({_T.BYE}), suites=_ONE, limit_bytes=0),
    _T.OPEN: Rule(sender=_C, followers=frozenset({_T.OK_OPEN, _T.ERROR}), suites=_ONE, limit_bytes=1 + _NAME_ITEM_BYTES + _HASH_ITEM_BYTES),
    _T.OK_OPEN: Rule(sender=_S, followers=_CHANGE, suites=_ONE, limit_bytes=LISTING_BYTES),
    _T.PUT: Rule(sender=_C, followers=_CHANGE, suites=_ONE, limit_bytes=MESSAGE_BYTES),
    _T.DROP: Rule(sender=_C, followers=_CHANGE, suites=_ONE, limit_bytes=_ID_ITEM_BYTES),
    _T.COMMIT: Rule(sender=_C, followers=frozenset({_T.OK_COMMIT, _T.ERROR}), suites=_ONE, limit_bytes=_STRING_HEAD_BYTES + SIGNED_BYTES),
    _T.OK_COMMIT: Rule(sender=_S, followers=frozenset({_T.BYE}), suites=_ONE, limit_bytes=_UINT_BYTES),
    _T.ASK: Rule(sender=_C, followers=frozenset({_T.TELL, _T.ERROR}), suites=_ONE, limit_bytes=MESSAGE_BYTES),
    _T.TELL: Rule(sender=_S, followers=frozenset({_T.ASK, _T.OPEN, _T.GET, _T.WATCH, _T.BYE}), suites=_ONE, limit_bytes=LISTING_BYTES),
    _T.REUSE: Rule(sender=_C, followers=_CHANGE, suites=_ONE, limit_bytes=_REUSE_BYTES),
    _T.BYE: Rule(sender=_C, followers=_END, suites=_BOTH, limit_bytes=ID_BYTES),
    _T.KEY_NOT_FOUND: Rule(sender=_S, followers=_END, suites=_BOTH, limit_bytes=ID_BYTES),
    _T.ERROR: Rule(sender=_S, followers=_END, suites=_BOTH, limit_bytes=ERROR_BYTES),
}

# The types that begin a session.
OPENERS: Final = frozenset({_T.HELLO, _T.ENROL})
# The types that leave a session ended. A Part and a Held have no followers of their own either.
ENDS: Final = frozenset({_T.BYE, _T.KEY_NOT_FOUND, _T.ERROR})

# The types whose messages may be longer than a frame, and so may come in parts: an Ask from a publisher alone (docs/protocol.md, 9).
IN_PARTS: Final = frozenset({_T.PUT, _T.ASK, _T.OK_OPEN, _T.OK_GET, _T.TELL})

# The codes of Error. Programs act on these alone.
ERROR_CODES: Final = frozenset({"turn", "denied", "conflict", "limit", "busy", "suite", "unsupported", "internal"})


# ------------------------------------------------------------------------------------------------ checked fields


def _check_id(value: bytes, name: str) -> None:
    _check_bytes(value, ID_BYTES, name)
    try:
        check_x25519_public(value)
    except KeyTextError:
        raise MalformedMessageError(f"{name} is not a key that can be used") from None


def _check_bytes(value: Value, size_bytes: int, name: str) -> None:
    if not isinstance(value, bytes) or len(value) != size_bytes:
        raise MalformedMessageError(f"{name} is not {size_bytes} bytes")


def _check_name(value: str, name: str) -> None:
    from .address import check_name

    try:
        check_name(value, name)
    except KeyTextError as error:
        raise MalformedMessageError(str(error)) from None


def _check_uint(value: Value, name: str, *, least: int = 0) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < _UINT_LIMIT:
        raise MalformedMessageError(f"{name} is not a whole number from {least}")


# ----------------------------------------------------------------------------------------------------- messages


class Hello(Record):
    """Initiates communication. Before this value exists, the handshake has proven `client`, 32 bytes."""

    client: bytes

    def __post_init__(self) -> None:
        _check_id(self.client, "the client's id")


class Link(Record):
    """Says that the link is established."""


class Get(Record):
    """Retrieves the client's secrets."""


class OkGet(Record):
    """The secrets: `coffer` is the sealed CBOR of docs/protocol.md, 7, for `release.coffer.accept_untrusted`."""

    coffer: bytes


class Watch(Record):
    """Like Get, but answered once the release is newer than `serial`."""

    serial: int

    def __post_init__(self) -> None:
        _check_uint(self.serial, "the serial")


class Still(Record):
    """Says that there is nothing newer yet."""


class Held(Record):
    """A receipt for a release that this session has given (docs/protocol.md, 7). It has no answer.

    Attributes:
        serial: the release's serial.
        sha256: the hash of its *signed*, 32 bytes.
        use: one of `USES`.
        receipt: the client's signature, 64 bytes.
    """

    serial: int
    sha256: bytes
    use: int
    receipt: bytes

    def __post_init__(self) -> None:
        _check_uint(self.serial, "the serial", least=1)
        _check_bytes(self.sha256, HASH_BYTES, "a hash")
        _check_uint(self.use, "a use")
        if self.use not in USES:
            raise MalformedMessageError("a use is neither 0 nor 1")
        _check_bytes(self.receipt, RECEIPT_BYTES, "a receipt")


class Enrol(Record):
    """Like Hello, from a client that asks to be let in (docs/protocol.md, 8a)."""

    client: bytes

    def __post_init__(self) -> None:
        _check_id(self.client, "the client's id")


class Welcome(Record):
    """Says that the link is established, for a Request alone."""


class Request(Record):
    """A request to be let in: the keys in `body` and `owner` are not verified yet.

    Attributes:
        coffer: the coffer's name.
        body: the four keys of the client's public key text, 1,280 bytes.
        owner: the proof in it, 64 bytes.
        name: what the client's machine calls it.
        proof: the proof that it may be let in; None if a person must compare fingerprints.
    """

    coffer: str
    body: bytes
    owner: bytes
    name: str
    proof: Proof | None

    def __post_init__(self) -> None:
        _check_name(self.coffer, "the coffer")
        _check_bytes(self.body, PUBLIC_BODY_BYTES, "the keys")
        _check_bytes(self.owner, OWNER_BYTES, "the keys' proof")
        _check_name(self.name, "the client")


class OkRequest(Record):
    """Says that the request is kept for the publishers to see."""


class Open(Record):
    """Begins a release of `coffer`. A publisher that has the list of a release gives the hash of its *signed* as `known`."""

    coffer: str
    known: bytes | None = None

    def __post_init__(self) -> None:
        if self.known is not None:
            _check_bytes(self.known, HASH_BYTES, "a hash")


class Entry(Record):
    """One client's line in a listing: `[id, alg, since, sha256, mark]`.

    Attributes:
        id: the client's id, 32 bytes.
        alg: the algorithm that seals its blob, 1 or 2 (docs/protocol.md, 7).
        since: the serial of the release for which the blob was made.
        sha256: the hash of the blob.
        mark: 16 bytes that tell a publisher whether this blob holds the shard that it wants.
    """

    id: bytes
    alg: int
    since: int
    sha256: bytes
    mark: bytes

    def __post_init__(self) -> None:
        _check_id(self.id, "an id")
        _check_uint(self.alg, "an alg")
        _check_uint(self.since, "a since", least=1)
        _check_bytes(self.sha256, HASH_BYTES, "a hash")
        _check_bytes(self.mark, MARK_BYTES, "a mark")


class OkOpen(Record):
    """The current release, and its entries, still packed: there may be a million.

    Attributes:
        signed: the release's *signed*; None if there is no release.
        packed: the bytes of the entries, one after another; None if Open named this release, because the publisher has its list.
        count: the number of entries.
    """

    signed: bytes | None
    packed: bytes | None
    count: int = 0

    def __post_init__(self) -> None:
        if self.signed is None and (self.packed is None or self.count):
            raise MalformedMessageError("a listing without a release has entries, or leaves them out")

    @classmethod
    def pack(cls, signed: bytes | None, entries: Iterable[Entry]) -> OkOpen:
        """Return the listing of a release with these entries, which are in the order of their ids."""
        packed, number = pack_entries(entries)
        return cls(signed=signed, packed=packed, count=number)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries one by one. The listing must not leave them out.

        Raises:
            MalformedMessageError: at the first that is not an entry.
        """
        assert self.packed is not None
        return iter_entries_untrusted(self.packed, self.count)


def pack_entries(entries: Iterable[Entry]) -> tuple[bytes, int]:
    """Return the bytes of entries, one after another, and the number of entries."""
    packed = bytearray()
    number = 0
    for entry in entries:
        packed += cbor.encode([entry.id, entry.alg, entry.since, entry.sha256, entry.mark])
        number += 1
    return bytes(packed), number


def iter_entries_untrusted(packed: bytes, count: int) -> Iterator[Entry]:
    """Yield the entries in what `pack_entries` made, one by one.

    Raises:
        MalformedMessageError: at the first that is not an entry.
    """
    try:
        for item in cbor.iter_items(packed, count):
            yield entry_untrusted(item)
    except DecodeError as error:
        raise MalformedMessageError(f"the listing is {error}") from None


def entry_untrusted(item: Value) -> Entry:
    """Return the entry in a decoded item.

    Raises:
        MalformedMessageError: it is not an entry.
    """
    match item:
        case [bytes() as id_, int() as alg, int() as since, bytes() as sha256, bytes() as mark]:
            return Entry(id=id_, alg=alg, since=since, sha256=sha256, mark=mark)
    raise MalformedMessageError("an entry of the listing is not [id, alg, since, sha256, mark]")


class Put(Record):
    """Sets the shard of client `id` to a new blob, which is sealed for the release that is being made."""

    id: bytes
    mark: bytes
    note: bytes
    alg: int
    blob: bytes

    def __post_init__(self) -> None:
        _check_id(self.id, "an id")
        _check_bytes(self.mark, MARK_BYTES, "a mark")
        if len(self.note) > NOTE_BYTES:
            raise MalformedMessageError("a note is too long")
        _check_uint(self.alg, "an alg")


class Drop(Record):
    """Removes the client `id` from the tree."""

    id: bytes

    def __post_init__(self) -> None:
        _check_id(self.id, "an id")


class Reuse(Record):
    """Sets the shard of client `id` to a blob that the server still holds."""

    id: bytes
    mark: bytes
    alg: int
    since: int
    sha256: bytes

    def __post_init__(self) -> None:
        _check_id(self.id, "an id")
        _check_bytes(self.mark, MARK_BYTES, "a mark")
        _check_uint(self.alg, "an alg")
        _check_uint(self.since, "a since", least=1)
        _check_bytes(self.sha256, HASH_BYTES, "a hash")


class Commit(Record):
    """Makes the coffer the release that `signed` describes."""

    signed: bytes


class OkCommit(Record):
    """Says that the release is committed and on the disk."""

    serial: int

    def __post_init__(self) -> None:
        _check_uint(self.serial, "the serial", least=1)


class Ask(Record):
    """A question (docs/protocol.md, 8): its name and parameters."""

    name: str
    params: list[Value]


class Tell(Record):
    """The answer to a question, as CBOR. Its form depends on the question."""

    answer: bytes


class Bye(Record):
    """Ends the session of the client."""

    client: bytes

    def __post_init__(self) -> None:
        _check_id(self.client, "the client's id")


class KeyNotFound(Record):
    """Says that the server does not know `client`."""

    client: bytes

    def __post_init__(self) -> None:
        _check_id(self.client, "the client's id")


class Error(Record):
    """An error with its reason. This side sends a `code` of `ERROR_CODES`; another implementation may have more."""

    code: str
    sentence: str


Message: TypeAlias = (
    Hello
    | Link
    | Get
    | OkGet
    | Watch
    | Still
    | Held
    | Enrol
    | Welcome
    | Request
    | OkRequest
    | Open
    | OkOpen
    | Put
    | Drop
    | Commit
    | OkCommit
    | Ask
    | Tell
    | Reuse
    | Bye
    | KeyNotFound
    | Error
)

_TYPES: Final[Mapping[type[Message], MessageType]] = {
    Hello: _T.HELLO,
    Link: _T.LINK,
    Get: _T.GET,
    OkGet: _T.OK_GET,
    Watch: _T.WATCH,
    Still: _T.STILL,
    Held: _T.HELD,
    Enrol: _T.ENROL,
    Welcome: _T.WELCOME,
    Request: _T.REQUEST,
    OkRequest: _T.OK_REQUEST,
    Open: _T.OPEN,
    OkOpen: _T.OK_OPEN,
    Put: _T.PUT,
    Drop: _T.DROP,
    Commit: _T.COMMIT,
    OkCommit: _T.OK_COMMIT,
    Ask: _T.ASK,
    Tell: _T.TELL,
    Reuse: _T.REUSE,
    Bye: _T.BYE,
    KeyNotFound: _T.KEY_NOT_FOUND,
    Error: _T.ERROR,
}


def type_of(message: Message) -> MessageType:
    """Return the type under which a message is sent."""
    return _TYPES[type(message)]


def encode_body(message: Message) -> bytes:
    """Return the body of a message, as the table's third column has it."""
    match message:
        case Link() | Get() | Still() | Welcome() | OkRequest():
            return b""
        case Hello(client=client) | Enrol(client=client) | Bye(client=client) | KeyNotFound(client=client):
            return client
        case OkGet(coffer=coffer):
            return coffer
        case Watch(serial=serial) | OkCommit(serial=serial):
            return cbor.encode(serial)
        case Held():
            return cbor.encode([message.serial, message.sha256, message.use, message.receipt])
        case Request(proof=proof):
            return cbor.encode([message.coffer, message.body, message.owner, message.name, None if proof is None else proof.to_cbor()])
        case Open(coffer=name, known=known):
            return cbor.encode(name if known is None else [name, known])
        case OkOpen(packed=packed):
            entries = cbor.encode(None) if packed is None else cbor.array_head(message.count) + packed
            return cbor.array_head(2) + cbor.encode(message.signed) + entries
        case Put():
            return cbor.encode([message.id, message.mark, message.note, message.alg, message.blob])
        case Drop(id=id_):
            return cbor.encode(id_)
        case Commit(signed=signed):
            return cbor.encode(signed)
        case Ask(name=name, params=params):
            return cbor.encode([name, params])
        case Tell(answer=answer):
            return answer
        case Reuse():
            return cbor.encode([message.id, message.mark, message.alg, message.since, message.sha256])
        case Error(code=code, sentence=sentence):
            # A sentence that is too long loses its end: the code is what counts.
            return f"{code}: {sentence}".encode()[:ERROR_BYTES].decode(errors="ignore").encode()


def decode_body_untrusted(kind: MessageType, body: bytes) -> Message:
    """Return the message of type `kind` that `body` holds.

    Raises:
        MalformedMessageError: the body is not what the table promises.
    """
    try:
        return _decode_body(kind, body)
    except DecodeError as error:
        raise MalformedMessageError(f"the body of {kind.name} is {error}") from None


_EMPTY: Final[Mapping[MessageType, type[Link | Get | Still | Welcome | OkRequest]]] = {
    _T.LINK: Link,
    _T.GET: Get,
    _T.STILL: Still,
    _T.WELCOME: Welcome,
    _T.OK_REQUEST: OkRequest,
}


def _decode_body(kind: MessageType, body: bytes) -> Message:
    if (empty := _EMPTY.get(kind)) is not None:
        if body:
            raise MalformedMessageError(f"{kind.name} has a body")
        return empty()
    match kind:
        case _T.HELLO:
            return Hello(client=body)
        case _T.ENROL:
            return Enrol(client=body)
        case _T.BYE:
            return Bye(client=body)
        case _T.KEY_NOT_FOUND:
            return KeyNotFound(client=body)
        case _T.OK_GET:
            return OkGet(coffer=body)
        case _T.TELL:
            return Tell(answer=body)
        case _T.ERROR:
            return _decode_error(body)
        case _T.OK_OPEN:
            return _decode_listing(body)
    # Only a question may hold a list: of ids, which have 32 bytes each.
    max_items = max(cbor.MAX_ITEMS, len(body) // ID_BYTES) if kind is _T.ASK else cbor.MAX_ITEMS
    match kind, cbor.decode(body, max_items=max_items):
        case _T.WATCH, int() as serial:
            return Watch(serial=serial)
        case _T.HELD, [int() as serial, bytes() as sha256, int() as use, bytes() as receipt]:
            return Held(serial=serial, sha256=sha256, use=use, receipt=receipt)
        case _T.REQUEST, [str() as coffer, bytes() as keys, bytes() as owner, str() as name, proof]:
            return Request(coffer=coffer, body=keys, owner=owner, name=name, proof=_decode_proof(proof))
        case _T.OK_COMMIT, int() as serial:
            return OkCommit(serial=serial)
        case _T.OPEN, str() as name:
            return Open(coffer=name)
        case _T.OPEN, [str() as name, bytes() as known]:
            return Open(coffer=name, known=known)
        case _T.DROP, bytes() as id_:
            return Drop(id=id_)
        case _T.COMMIT, bytes() as signed:
            return Commit(signed=signed)
        case _T.ASK, [str() as name, list() as params]:
            return Ask(name=name, params=params)
        case _T.PUT, [bytes() as id_, bytes() as mark, bytes() as note, int() as alg, bytes() as blob]:
            return Put(id=id_, mark=mark, note=note, alg=alg, blob=blob)
        case _T.REUSE, [bytes() as id_, bytes() as mark, int() as alg, int() as since, bytes() as sha256]:
            return Reuse(id=id_, mark=mark, alg=alg, since=since, sha256=sha256)
    raise MalformedMessageError(f"the body of {kind.name} is not what protocol 1 says")


def _decode_proof(value: Value) -> Proof | None:
    # Only a server reads requests, and only when a client enrols.
    from .enrolment import proof_from_cbor_untrusted

    return proof_from_cbor_untrusted(value)


def _decode_error(body: bytes) -> Error:
    try:
        code, _, sentence = body.decode().partition(": ")
    except UnicodeDecodeError:
        raise MalformedMessageError("the text of an Error is not UTF-8") from None
    # The sentence goes to a terminal or a log, so it must have no control characters.
    return Error(code=printable(code), sentence=printable(sentence))


def printable(text: str) -> str:
    """Return a peer's text with every character replaced that could control a terminal."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _decode_listing(body: bytes) -> OkOpen:
    length, rest = cbor.split_array(body)
    if length != 2:
        raise MalformedMessageError("a listing has two parts")
    signed, rest = cbor.split_first(rest)
    if signed is not None and not isinstance(signed, bytes):
        raise MalformedMessageError("a listing begins with a signed head, or null")
    if rest == _NULL:
        return OkOpen(signed=signed, packed=None)
    number, packed = cbor.split_array(rest)
    return OkOpen(signed=signed, packed=packed, count=number)
