"""What one client gets, and how it checks it (PROTOCOL.md, 7)."""

from __future__ import annotations

from .. import cbor, shard
from ..cbor import Tagged
from ..crypto.primitives import sha256
from ..errors import (
    DecodeError,
    ExpiredReleaseError,
    ForkError,
    InclusionError,
    NotAReleaseError,
    RollbackError,
    SerialJumpError,
    WrongCofferError,
)
from ..lean import TYPE_CHECKING, Record
from ..limits import SERIAL_JUMP
from . import blob as blobs
from . import head as heads
from . import tree

if TYPE_CHECKING:
    from typing import Final

    from ..identity import Identity
    from ..shard import Secret
    from .head import SignedHead
    from .trust import Demand, Seen

TAG: Final = 1131374182


class SealedAnswer(Record):
    """The body of OkGet: one client's blob, and the proof that it is part of a signed release.

    Attributes:
        signed: the signed head, as it came.
        index: the number of this client's leaf, from 0.
        path: the audit path from it to the root, hashes of 32 bytes.
        alg, since, blob: the client's blob.
    """

    signed: bytes
    index: int
    path: tuple[bytes, ...]
    alg: int
    since: int
    blob: bytes

    def encode(self) -> bytes:
        """The body's bytes."""
        return cbor.encode(Tagged(TAG, [self.signed, self.index, list(self.path), self.alg, self.since, self.blob]))

    @classmethod
    def decode_untrusted(cls, body: bytes) -> SealedAnswer:
        """Parse the body of an OkGet. Nothing in it is verified yet.

        Raises:
            NotAReleaseError: it is not one.
        """
        try:
            value = cbor.decode(body, tags=(TAG,))
        except DecodeError as error:
            raise NotAReleaseError(f"what came back is {error}") from None
        match value:
            # The decoder takes no tag but this one.
            case Tagged(
                value=[bytes() as signed, int() as index, list() as path, int() as alg, int() as since, bytes() as blob],
            ) if not any(isinstance(number, bool) for number in (index, alg, since)):
                hashes = [part for part in path if isinstance(part, bytes) and len(part) == tree.HASH_BYTES]
                if len(hashes) == len(path):
                    return cls(signed=signed, index=index, path=tuple(hashes), alg=alg, since=since, blob=blob)
        raise NotAReleaseError("what came back is not a release of protocol 1")


class Accepted(Record):
    """A shard that has passed every check, and the head under which it did."""

    release: SignedHead
    secrets: tuple[Secret, ...]


def _when(seconds: int) -> str:
    from datetime import UTC, datetime

    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"


def check_head_untrusted(signed: bytes, demand: Demand, *, now: float) -> SignedHead:
    """Verify a signed head as far as it goes without a leaf: publisher, signature, name, expiry, serial. `now` is in seconds since 1970.

    Raises:
        NotAReleaseError, UntrustedPublisherError, BadSignatureError, WrongCofferError, ExpiredReleaseError, RollbackError,
        SerialJumpError, ForkError: see each; in this order.
    """
    release = heads.verify_untrusted(signed, publishers=demand.publishers)
    head = release.head
    if head.coffer != demand.coffer:
        raise WrongCofferError(
            f"the server gave a release of {head.coffer!r}, and {demand.coffer!r} is demanded: compare the address with the operator's"
        )
    if head.expires is not None and now >= head.expires:
        seen = f" (the last one seen is release {demand.seen.serial})" if demand.seen is not None else ""
        raise ExpiredReleaseError(
            f"release {head.serial} of {head.coffer!r}{seen} expired at {_when(head.expires)}, and this machine's clock says "
            f"{_when(int(now))}. Where the clock is right, the operator must publish anew: coffer-companion upload"
        )
    if demand.seen is not None:
        _check_serial(release, demand.seen)
    return release


def _check_serial(release: SignedHead, seen: Seen) -> None:
    head = release.head
    if head.serial < seen.serial:
        raise RollbackError(
            f"the server gave release {head.serial} of {head.coffer!r}, and release {seen.serial} has been seen before: the server was set "
            "back to an old state, or hides what is new. The operator resolves it by publishing anew: coffer-companion upload"
        )
    if head.serial > seen.serial + SERIAL_JUMP:
        raise SerialJumpError(
            f"the server gave release {head.serial} of {head.coffer!r}, implausibly far above release {seen.serial}, the last one seen: "
            "ask the operator which it is. Where the server is right, this client must forget what it has seen: coffer-client trust reset"
        )
    if head.serial == seen.serial and seen.signed_sha256 is not None and release.sha256 != seen.signed_sha256:
        raise ForkError(
            f"release {head.serial} of {head.coffer!r} is not the release {seen.serial} that was seen before: two were signed under one "
            "serial. The operator resolves it by publishing anew: coffer-companion upload"
        )


def accept_untrusted(answer: SealedAnswer, demand: Demand, *, identity: Identity, plain: bool, now: float) -> Accepted:
    """Check the body of an OkGet in the order of PROTOCOL.md, 7, and open it.

    Args:
        answer: the body as decoded, with nothing in it verified.
        demand: what the release must be.
        identity: this client's.
        plain: whether the client is known by its plain key (suite 0) rather than by its public key text.
        now: seconds since 1970.

    Raises:
        ReleaseError: by the subclass that names the check that failed.
        ShardError: the shard opened, and is not a shard.
        UnavailableError: this machine's libraries have no ML-KEM-768.
    """
    release = check_head_untrusted(answer.signed, demand, now=now)
    head = release.head
    client_id, alg = (identity.plain_id(), blobs.ALG_SEALED_BOX) if plain else (identity.id(), blobs.ALG_HPKE)
    leaf = tree.leaf_data(coffer=head.coffer, client_id=client_id, alg=answer.alg, since=answer.since, blob_sha256=sha256(answer.blob))
    try:
        root = tree.root_of_path(tree.leaf_hash(leaf), index=answer.index, size=head.count, path=answer.path)
    except ValueError:
        root = None
    if root != head.root or answer.alg != alg:
        raise InclusionError(
            f"what the server gave is not this client's part of release {head.serial} of {head.coffer!r}: the server, or somebody on the "
            "way to it, has changed it"
        )
    opened = blobs.open_blob(identity, alg=answer.alg, coffer=head.coffer, since=answer.since, blob=answer.blob)
    return Accepted(release=release, secrets=shard.decode(opened))
