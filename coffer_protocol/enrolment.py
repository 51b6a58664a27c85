"""The proofs of a client that asks to be let in (docs/protocol.md, 8a).

An invite is a code of 16 random bytes that a publisher has made and given to the machine. The server sees only the *tag* that follows from
the code; the *mac* over the client's keys is for the publisher, which knows the code. A successor's proof is a signature by the key that
the client had before.
"""

from __future__ import annotations

from . import cbor
from .crypto import primitives
from .errors import EnrolmentError, KeyTextError, MalformedMessageError
from .identity import ID_BYTES, INVITE_CODE_BYTES, PublicKey
from .lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from .crypto.primitives import Random
    from .identity import Identity

TAG_BYTES: Final = 16
MAC_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_INVITE: Final = "invite"
_SUCCESSOR: Final = "successor"
_KEY_INFO: Final = b"coffer/1 invite"
_TAG_LABEL: Final = b"coffer/1 invite tag"
_MAC_LABEL: Final = "coffer/1 enrol"
_SUCCESSOR_LABEL: Final = "coffer/1 successor"


class InviteKey(Record):
    """The key that follows from an invite's code. The publisher keeps it; the machine derives it."""

    key: bytes

    def __repr__(self) -> str:
        return "InviteKey()"

    @classmethod
    def from_code(cls, code: bytes) -> InviteKey:
        """Derive the key from a code of 16 bytes."""
        if len(code) != INVITE_CODE_BYTES:
            raise ValueError(f"expected a code of {INVITE_CODE_BYTES} bytes, got {len(code)}")
        return cls(key=primitives.hkdf_sha256(ikm=code, salt=b"", info=_KEY_INFO))

    def tag(self) -> bytes:
        """Return the 16 bytes by which the server knows the invite."""
        return primitives.sha256(_TAG_LABEL + self.key)[:TAG_BYTES]

    def mac(self, *, coffer: str, server_id: bytes, body: bytes, name: str) -> bytes:
        """Return the 32 bytes that prove the code to a publisher, for one client.

        Args:
            coffer: the coffer's name.
            server_id: the server's id in the invite's address, 32 bytes.
            body: the client's keys (`PublicKey.body`).
            name: what the client's machine calls it.
        """
        return primitives.hmac_sha256(self.key, cbor.encode([_MAC_LABEL, coffer, server_id, body, name]))

    def prove(self, *, coffer: str, server_id: bytes, body: bytes, name: str) -> InviteProof:
        """Return the proof for one client. The arguments are those of `mac`."""
        return InviteProof(tag=self.tag(), mac=self.mac(coffer=coffer, server_id=server_id, body=body, name=name))

    def verify(self, mac: bytes, *, coffer: str, server_id: bytes, body: bytes, name: str) -> None:
        """Check a mac in constant time. The other arguments are those of `mac`.

        Raises:
            EnrolmentError: it was made with another code, or for another client.
        """
        if not primitives.same(mac, self.mac(coffer=coffer, server_id=server_id, body=body, name=name)):
            raise EnrolmentError("the request was not made with this invite's code: compare the fingerprint, or make a new invite")


def generate_code(random: Random = primitives.random_bytes) -> bytes:
    """Make a new code, 16 bytes."""
    return random(INVITE_CODE_BYTES)


class InviteProof(Record):
    """`["invite", tag, mac]`: the client's machine was given an invite's code."""

    tag: bytes
    mac: bytes

    def __post_init__(self) -> None:
        _check(self.tag, TAG_BYTES, "an invite's tag")
        _check(self.mac, MAC_BYTES, "an invite's mac")

    def to_cbor(self) -> cbor.Value:
        """Return the proof as it goes into a Request."""
        return [_INVITE, self.tag, self.mac]


class SuccessorProof(Record):
    """`["successor", old id, issued, signature]`, and `tag, mac` if a publisher has asked for the rotation.

    Attributes:
        old_id: the id that the client had before, 32 bytes.
        issued: when the signature was made, in seconds since 1970.
        signature: by the sign key of that client, 64 bytes.
        invite: the invite's proof, or None.
    """

    old_id: bytes
    issued: int
    signature: bytes
    invite: InviteProof | None = None

    def __post_init__(self) -> None:
        _check(self.old_id, ID_BYTES, "the old id")
        if type(self.issued) is not int or not 0 <= self.issued < 1 << 63:
            raise MalformedMessageError("the time of a successor's proof is not a whole number from 0")
        _check(self.signature, SIGNATURE_BYTES, "a successor's signature")

    def to_cbor(self) -> cbor.Value:
        """Return the proof as it goes into a Request."""
        invite: list[cbor.Value] = [] if self.invite is None else [self.invite.tag, self.invite.mac]
        return [_SUCCESSOR, self.old_id, self.issued, self.signature, *invite]

    @classmethod
    def sign(
        cls, old: Identity, *, coffer: str, server_id: bytes, body: bytes, issued: int, invite: InviteProof | None = None
    ) -> SuccessorProof:
        """Sign a client's new keys with its old identity.

        Args:
            old: the identity that the client had before.
            coffer: the coffer's name.
            server_id: the server's id, 32 bytes.
            body: the client's new keys (`PublicKey.body`).
            issued: seconds since 1970.
            invite: the invite's proof, if a publisher has asked for the rotation.
        """
        data = _successor_data(coffer=coffer, server_id=server_id, old_id=old.id(), body=body, issued=issued)
        return cls(old_id=old.id(), issued=issued, signature=primitives.ed25519_sign(old.sign_seed(), data), invite=invite)

    def verify(self, old_sign: bytes, *, coffer: str, server_id: bytes, body: bytes) -> None:
        """Check the signature. It proves only that somebody has the old secret key.

        Args:
            old_sign: the Ed25519 key of the client whose id is `old_id`, 32 bytes.
            coffer, server_id, body: as for `sign`.

        Raises:
            EnrolmentError: the signature is not valid.
        """
        data = _successor_data(coffer=coffer, server_id=server_id, old_id=self.old_id, body=body, issued=self.issued)
        try:
            primitives.ed25519_verify(old_sign, data, self.signature)
        except ValueError:
            raise EnrolmentError("the request is not signed by the client whose successor it claims to be: reject it") from None


Proof: TypeAlias = InviteProof | SuccessorProof


def _successor_data(*, coffer: str, server_id: bytes, old_id: bytes, body: bytes, issued: int) -> bytes:
    return cbor.encode([_SUCCESSOR_LABEL, coffer, server_id, old_id, body, issued])


def proof_from_cbor_untrusted(value: cbor.Value) -> Proof | None:
    """Return the proof in a Request, as it was decoded. Nothing in it is verified.

    Raises:
        MalformedMessageError: it is not a proof.
    """
    match value:
        case None:
            return None
        case ["invite", bytes() as tag, bytes() as mac]:
            return InviteProof(tag=tag, mac=mac)
        case ["successor", bytes() as old_id, int() as issued, bytes() as signature]:
            return SuccessorProof(old_id=old_id, issued=issued, signature=signature)
        case ["successor", bytes() as old_id, int() as issued, bytes() as signature, bytes() as tag, bytes() as mac]:
            return SuccessorProof(old_id=old_id, issued=issued, signature=signature, invite=InviteProof(tag=tag, mac=mac))
    raise MalformedMessageError("the proof of a request is not what protocol 1 says")


def key_of(body: bytes, owner: bytes) -> PublicKey:
    """Return the keys of a request, after a check of their proof.

    Raises:
        EnrolmentError: a key cannot be used, or the proof is not valid.
    """

    try:
        return PublicKey.from_owned_untrusted(body, owner)
    except KeyTextError as error:
        raise EnrolmentError(f"the keys of the request cannot be used: {error}") from None


def _check(value: bytes, size_bytes: int, name: str) -> None:
    if len(value) != size_bytes:
        raise MalformedMessageError(f"{name} is not {size_bytes} bytes")
