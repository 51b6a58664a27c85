"""The part of a release that one client gets, and its checks (docs/protocol.md, 7).

A client checks a release in one order, and each refusal has an error of its own: form, publisher, signature, name, expiry, serial,
*follows*, time of issue, place in the tree, blob, shard. `check_head_untrusted` makes the checks that need only the signed head, and
`accept_untrusted` makes all of them.
"""

from __future__ import annotations

from .. import cbor, shard
from ..cbor import Tagged
from ..crypto.primitives import sha256
from ..errors import (
    ClockError,
    DecodeError,
    ExpiredReleaseError,
    ForkError,
    InclusionError,
    IssuedAheadError,
    IssuedEarlierError,
    NotAReleaseError,
    RollbackError,
    SerialJumpError,
    WrongCofferError,
)
from ..lean import TYPE_CHECKING, Record
from ..limits import CLOCK_START, ISSUED_AHEAD_S, SERIAL_JUMP
from . import blob as blobs
from . import chain, tree
from . import head as heads
from .evidence import FORK, Evidence

if TYPE_CHECKING:
    from typing import Final

    from ..identity import Identity
    from ..shard import Secret
    from .head import SignedHead
    from .trust import Demand

TAG: Final = 1131374182


class SealedAnswer(Record):
    """The body of OkGet: one client's blob, and the proof that it is part of a signed release.

    Attributes:
        signed: the bytes of the signed head.
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
        """Return the body's bytes."""
        return cbor.encode(Tagged(TAG, [self.signed, self.index, list(self.path), self.alg, self.since, self.blob]))

    @classmethod
    def decode_untrusted(cls, body: bytes) -> SealedAnswer:
        """Parse the body of an OkGet. Nothing in it is verified yet.

        Raises:
            NotAReleaseError: it is not a release.
        """
        try:
            value = cbor.decode(body, tags=(TAG,))
        except DecodeError as error:
            raise NotAReleaseError(f"the server's answer is {error}") from None
        match value:
            # The decoder takes no tag but this one.
            case Tagged(
                value=[bytes() as signed, int() as index, list() as path, int() as alg, int() as since, bytes() as blob],
            ) if not any(isinstance(number, bool) for number in (index, alg, since)):
                hashes = [part for part in path if isinstance(part, bytes) and len(part) == tree.HASH_BYTES]
                if len(hashes) == len(path):
                    return cls(signed=signed, index=index, path=tuple(hashes), alg=alg, since=since, blob=blob)
        raise NotAReleaseError("the server's answer is not a release of protocol 1")


class Accepted(Record):
    """The secrets of a shard that has passed every check, and the head of its release."""

    release: SignedHead
    secrets: tuple[Secret, ...]


def _when(seconds: int) -> str:
    from datetime import UTC, datetime

    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"


def check_head_untrusted(signed: bytes, demand: Demand, *, now: float | None, may_skip: bool = False) -> SignedHead:
    """Verify a signed head as far as possible without a leaf.

    Args:
        signed: the bytes of the signed head.
        demand: what the release must be.
        now: the reader's clock, in seconds since 1970; None if neither expiry nor a time of issue in the future is a reason to refuse.
        may_skip: whether a later release than the next need not follow the one that was seen: a client of suite 0 cannot ask for the heads
            between them.

    Raises:
        NotAReleaseError, UntrustedPublisherError, BadSignatureError, WrongCofferError, ExpiredReleaseError, RollbackError,
        SerialJumpError, ForkError, ChainError, IssuedEarlierError, IssuedAheadError: see each; in this order.
        ClockError: no release was seen, and the reader's clock is before 2025, so it cannot judge the release.
    """
    release = heads.verify_untrusted(signed, publishers=demand.publishers)
    if release.head.coffer != demand.coffer:
        raise WrongCofferError(
            f"the server gave a release of {release.head.coffer!r}, and {demand.coffer!r} is demanded: compare the address with the "
            "operator's"
        )
    time = None if now is None else max(int(now), demand.latest)
    _check_expiry(release, demand, time)
    _check_serial(release, demand)
    seen = demand.seen
    if seen is not None and release.sha256 != seen.signed_sha256:
        if not may_skip or release.head.serial == seen.serial + 1:
            chain.check_follows(release, seen)
        if release.head.issued < seen.issued and not release.head.restart:
            raise IssuedEarlierError(
                f"release {release.head.serial} of {demand.coffer!r} was issued at {_when(release.head.issued)}, before release "
                f"{seen.serial}, which was seen already and was issued at {_when(seen.issued)}: its publisher's clock was behind, or that "
                "of the release before was ahead",
                hint="the operator sets the publisher's clock, and begins the history again: coffer-companion upload --restore FILE",
            )
    _check_not_ahead(release, demand, time, now)
    return release


def _check_expiry(release: SignedHead, demand: Demand, time: int | None) -> None:
    head = release.head
    if time is None or head.expires is None or time < head.expires:
        return
    seen = f" (the last one seen is release {demand.seen.serial})" if demand.seen is not None else ""
    told = f"release {head.serial} of {head.coffer!r}{seen} expired at {_when(head.expires)}, and it is {_when(time)} by"
    if time == demand.latest:
        # Nothing new would outlive a release that was issued by a wrong clock, unless it is made to.
        raise ExpiredReleaseError(
            f"{told} a release that this machine has seen",
            hint="the operator publishes one that is valid for longer: coffer-companion upload --expires never FILE",
        )
    raise ExpiredReleaseError(
        f"{told} this machine's clock: nobody has published since, the server hides newer releases, or this clock is ahead",
        hint="look at this machine's clock (date). If it is right, the operator publishes again: coffer-companion upload FILE",
    )


def _check_serial(release: SignedHead, demand: Demand) -> None:
    head, highest, seen = release.head, demand.highest_serial, demand.seen
    if head.serial < highest:
        raise RollbackError(
            f"the server gave release {head.serial} of {head.coffer!r}, and release {highest} has been seen before or is demanded: "
            "the server was set back to an old state, or hides newer releases",
            hint="the operator restores the server's newest backup; if it is lost, this begins the history again: coffer-companion upload "
            "--restore FILE",
        )
    if highest and head.serial > highest + SERIAL_JUMP:
        raise SerialJumpError(
            f"the server gave release {head.serial} of {head.coffer!r}, implausibly far above release {highest}, the last one seen: ask "
            "the operator which serial is right",
            hint="if the server is right, this client must forget what it has seen: coffer-client trust reset",
        )
    if seen is not None and head.serial == seen.serial and release.sha256 != seen.signed_sha256:
        raise ForkError(
            f"release {head.serial} of {head.coffer!r} is not the release {seen.serial} that was seen before: two different releases with "
            "this serial were signed, and the server shows them to different readers",
            hint=chain.ADVICE,
        ).with_evidence(Evidence(kind=FORK, known=seen.signed, shown=release.signed))


def _time_text(now: float | None, demand: Demand) -> str:
    """Return what the reader's time is, and whose word that is."""
    assert now is not None
    if now >= demand.latest:
        return f"it is {_when(int(now))} by this machine's clock"
    return f"it is {_when(demand.latest)} by a release that was seen before (this machine's clock says {_when(int(now))})"


def _check_not_ahead(release: SignedHead, demand: Demand, time: int | None, now: float | None) -> None:
    if time is None or release.head.issued <= time + ISSUED_AHEAD_S:
        return
    if demand.seen is None and time < CLOCK_START:
        raise ClockError(f"this machine's clock says {_when(time)}, which cannot be: set it, and try again")
    raise IssuedAheadError(
        f"release {release.head.serial} of {release.head.coffer!r} was issued at {_when(release.head.issued)}, and "
        f"{_time_text(now, demand)}: this clock is behind, or the publisher's was ahead",
        hint="look at this machine's clock (date). If it is right, the operator sets the publisher's clock, and begins the history again: "
        "coffer-companion upload --restore FILE",
    )


def accept_untrusted(answer: SealedAnswer, demand: Demand, *, identity: Identity, plain: bool, now: float | None) -> Accepted:
    """Check the body of an OkGet in the order of docs/protocol.md, 7, and open it.

    Args:
        answer: the decoded body, in which nothing is verified yet.
        demand: what the release must be.
        identity: this client's identity.
        plain: whether the client is known by its plain key (suite 0) rather than by its public key text.
        now: seconds since 1970; None for an answer from the cache, which may be used after its release has expired.

    Raises:
        ReleaseError: a check failed; the subclass says which.
        ClockError: as `check_head_untrusted`.
        ShardError: the blob does not hold a shard.
        UnavailableError: this machine's libraries have no ML-KEM-768.
    """
    release = check_head_untrusted(answer.signed, demand, now=now, may_skip=plain)
    head = release.head
    client_id, alg = (identity.plain_id(), blobs.ALG_SEALED_BOX) if plain else (identity.id(), blobs.ALG_HPKE)
    leaf = tree.Leaf(coffer=head.coffer, client_id=client_id, alg=answer.alg, since=answer.since, blob_sha256=sha256(answer.blob))
    try:
        root = tree.root_of_path(leaf.hash(), index=answer.index, size=head.count, path=answer.path)
    except ValueError:
        root = None
    if root != head.root or answer.alg != alg:
        raise InclusionError(
            f"what the server gave is not this client's part of release {head.serial} of {head.coffer!r}: the server, or somebody on the "
            "way to it, has changed it"
        )
    opened = blobs.open_blob(identity, alg=answer.alg, coffer=head.coffer, since=answer.since, blob=answer.blob)
    return Accepted(release=release, secrets=shard.decode(opened))
