"""Heads: the part of a release that its publisher signs (docs/protocol.md, 7)."""

from __future__ import annotations

from .. import cbor
from ..address import Host, check_name
from ..crypto import primitives
from ..errors import BadSignatureError, DecodeError, KeyTextError, NotAReleaseError, UntrustedPublisherError
from ..identity import format_id
from ..lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, Final

    from ..identity import Identity

VERSION: Final = 1
DEFAULT_LIFETIME_S: Final = 400 * 86400
# A person may need this long to publish again, with a holiday in between. A release with a shorter life is renewed by a timer.
_NOTICE_S: Final = 30 * 86400
_NOTICE_SHARE: Final = 1 / 4

# COSE_Sign1's protected header: algorithm EdDSA (RFC 9053).
_PROTECTED: Final = bytes.fromhex("a10127")
_EXTERNAL: Final = b"coffer/1 head"
_REQUIRED: Final = frozenset({"v", "coffer", "serial", "root", "count", "issued", "publisher"})
_OPTIONAL: Final = frozenset({"expires", "prev", "restart", "publishers", "servers", "hosts"})
_RESTART: Final = 1
_HASH_BYTES: Final = 32
_KEY_BYTES: Final = 32


class Head(Record):
    """The description of one release.

    Attributes:
        coffer: the coffer's name.
        serial: the serial, from 1, above the last one.
        root: the root of the Merkle tree over all leaves, 32 bytes.
        count: the number of leaves.
        issued: the time of issue, in seconds since 1970.
        publisher: the key that signs, 32 bytes.
        expires: the time of expiry, in seconds since 1970; None for never.
        prev: SHA-256 of the *signed* before it; None only in a coffer's first release.
        restart: whether the history between this release and those before it is lost. It names all publishers.
        publishers: all publisher keys trusted from the next release on, in rising order; None if they do not change.
        servers: the ids under which the server may answer from now on, in rising order; None if they do not change.
        hosts: the `HOST[:PORT]` texts that reach the server from now on, in the order to try; None if they do not change.

    Raises:
        NotAReleaseError: a field is not what docs/protocol.md, 7 says.
    """

    coffer: str
    serial: int
    root: bytes
    count: int
    issued: int
    publisher: bytes
    expires: int | None = None
    prev: bytes | None = None
    restart: bool = False
    publishers: tuple[bytes, ...] | None = None
    servers: tuple[bytes, ...] | None = None
    hosts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        try:
            check_name(self.coffer, "coffer")
        except KeyTextError as error:
            raise NotAReleaseError(str(error)) from None
        for name, least in (("serial", 1), ("count", 0), ("issued", 0), ("expires", 0)):
            value = getattr(self, name)
            if value is not None and not (type(value) is int and least <= value < 1 << 63):
                raise NotAReleaseError(f"the head's {name} is not a whole number from {least}")
        for name, size in (("root", _HASH_BYTES), ("prev", _HASH_BYTES), ("publisher", _KEY_BYTES)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, bytes) or len(value) != size):
                raise NotAReleaseError(f"the head's {name} is not {size} bytes")
        for name, check in (("publishers", primitives.check_ed25519_public), ("servers", primitives.check_x25519_public)):
            keys = getattr(self, name)
            if keys is not None:
                self._check_keys(name, keys, check)
        if self.hosts is not None:
            self._check_hosts(self.hosts)
        if self.restart and self.publishers is None:
            raise NotAReleaseError("the head begins the history again without naming the publishers")

    @staticmethod
    def _check_keys(name: str, keys: object, check: Callable[[bytes], None]) -> None:
        if not isinstance(keys, tuple) or not keys or not all(isinstance(key, bytes) for key in keys):
            raise NotAReleaseError(f"the head's {name} are not a list of keys")
        if sorted(set(keys)) != list(keys):
            raise NotAReleaseError(f"the head's {name} are not in rising order")
        try:
            for key in keys:
                check(key)
        except KeyTextError as error:
            raise NotAReleaseError(f"one of the head's {name} cannot be used: {error}") from None

    @staticmethod
    def _check_hosts(hosts: object) -> None:
        if not isinstance(hosts, tuple) or not hosts or not all(isinstance(host, str) for host in hosts) or len(set(hosts)) != len(hosts):
            raise NotAReleaseError("the head's hosts are not a list of different places")
        try:
            if not all(Host.from_text(host).port for host in hosts):
                raise NotAReleaseError("one of the head's hosts has port 0, to which no client can connect")
        except KeyTextError as error:
            raise NotAReleaseError(f"one of the head's hosts cannot be used: {error}") from None

    def encode(self) -> bytes:
        """Return the head's bytes, which are signed."""
        fields: dict[str, Any] = {
            "v": VERSION,
            "coffer": self.coffer,
            "serial": self.serial,
            "root": self.root,
            "count": self.count,
            "issued": self.issued,
            "expires": self.expires,
            "prev": self.prev,
            "restart": _RESTART if self.restart else None,
            "publisher": self.publisher,
            "publishers": self.publishers,
            "servers": self.servers,
            "hosts": self.hosts,
        }
        return cbor.encode({name: value for name, value in fields.items() if value is not None})

    @classmethod
    def decode_untrusted(cls, data: bytes) -> Head:
        """Return the head that `data` encodes.

        Raises:
            NotAReleaseError: it is not a head.
        """
        try:
            fields: Any = cbor.decode(data)
        except DecodeError as error:
            raise NotAReleaseError(f"the head is {error}") from None
        if not isinstance(fields, dict) or not _REQUIRED <= fields.keys() <= _REQUIRED | _OPTIONAL:
            raise NotAReleaseError("the head does not have exactly the keys of protocol 1: a newer Coffer may be needed")
        version = fields.pop("v")
        if type(version) is not int or version != VERSION:
            raise NotAReleaseError("the head is of another version: a newer Coffer may be needed")
        if not isinstance(fields["coffer"], str):
            raise NotAReleaseError("the head's coffer is not a name")
        if "restart" in fields:
            if type(fields["restart"]) is not int or fields["restart"] != _RESTART:
                raise NotAReleaseError("the head's restart is not 1")
            fields["restart"] = True
        for name in ("publishers", "servers", "hosts"):
            if isinstance(fields.get(name), list):
                fields[name] = tuple(fields[name])
        head = cls(**fields)
        # A field that may be left out must not be null.
        if head.encode() != data:
            raise NotAReleaseError("the head is not written as protocol 1 says")
        return head


class SignedHead(Record):
    """A head whose signature has been verified, and its *signed*."""

    head: Head
    signed: bytes

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of *signed*: the next head's `prev`. A reader keeps it to tell two releases from each other."""
        return primitives.sha256(self.signed)


def _to_be_signed(head: bytes) -> bytes:
    return cbor.encode(["Signature1", _PROTECTED, _EXTERNAL, head])


def sign(head: Head, identity: Identity) -> bytes:
    """Return *signed*: COSE_Sign1 (RFC 9052), untagged, over the head.

    Raises:
        ValueError: the head names another publisher.
    """
    if head.publisher != identity.publisher_key():
        raise ValueError("a publisher cannot sign a head that names another publisher")
    data = head.encode()
    signature = primitives.ed25519_sign(identity.sign_seed(), _to_be_signed(data))
    return cbor.encode([_PROTECTED, {}, data, signature])


def _split(signed: bytes) -> tuple[Head, bytes, bytes]:
    """Return the head in *signed*, its bytes, and the signature."""
    try:
        parts = cbor.decode(signed)
    except DecodeError as error:
        raise NotAReleaseError(f"the signed head is {error}") from None
    match parts:
        case [bytes() as protected, dict() as unprotected, bytes() as data, bytes() as signature]:
            if protected != _PROTECTED or unprotected:
                raise NotAReleaseError("the signed head has another COSE header than protocol 1")
        case _:
            raise NotAReleaseError("the signed head is not a COSE_Sign1")
    head = Head.decode_untrusted(data)
    return head, data, signature


def claimed_untrusted(signed: bytes) -> Head:
    """Return the head in *signed*. The signature is not verified.

    Raises:
        NotAReleaseError: it is not a signed head of protocol 1.
    """
    return _split(signed)[0]


def verify_untrusted(signed: bytes, *, publishers: Collection[bytes]) -> SignedHead:
    """Return the head in *signed*, if one of `publishers` signed it.

    Raises:
        NotAReleaseError: it is not a signed head of protocol 1.
        UntrustedPublisherError: it names a publisher that is not among `publishers`.
        BadSignatureError: the signature is not that publisher's.
    """
    head, data, signature = _split(signed)
    if head.publisher not in publishers:
        raise UntrustedPublisherError(
            f"release {head.serial} of {head.coffer!r} is signed by publisher {format_id(head.publisher)}, which is not trusted here. "
            "Ask your operator whether publishers have changed, and for the address that `coffer-companion address` prints"
        )
    try:
        primitives.ed25519_verify(head.publisher, _to_be_signed(data), signature)
    except ValueError:
        raise BadSignatureError(
            f"the signature of release {head.serial} of {head.coffer!r} is not valid: the server, or somebody on the way to it, "
            "has changed it"
        ) from None
    return SignedHead(head=head, signed=signed)


def is_ending(*, issued: int, expires: int | None, now: float) -> bool:
    """Return whether people should be told that a release expires: in its last 30 days, or in the last quarter of a shorter life.

    Args:
        issued, expires: the head's.
        now: seconds since 1970.
    """
    return expires is not None and expires - now <= min(_NOTICE_S, (expires - issued) * _NOTICE_SHARE)
