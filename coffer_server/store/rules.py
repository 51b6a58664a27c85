"""The rules of a Commit (docs/protocol.md, 7, "What a server accepts"), the same for every store.

A store reads the facts, in the transaction that will change them. This module says what the facts must be. It is pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from coffer_common.identifiers import publisher_label
from coffer_protocol.errors import ReleaseError
from coffer_protocol.identity import PublicKey, format_id
from coffer_protocol.limits import FRAME_CONTENT_BYTES, ISSUED_AHEAD_S
from coffer_protocol.message import Drop, Put
from coffer_protocol.release import head as heads
from coffer_protocol.release.blob import ALG_HPKE, ALG_SEALED_BOX
from coffer_protocol.release.coffer import SealedAnswer
from coffer_protocol.release.head import Head, SignedHead
from coffer_protocol.release.tree import HASH_BYTES
from coffer_protocol.suite import OVERHEAD_BYTES

from ..errors import ConflictError, DeniedError, KeyInUseError, NotHeldError, TooLargeError, UnsupportedError
from .base import Change
from .snapshot import Leaf, Outline

# A client with a blob of this alg speaks this suite and no other (docs/protocol.md, 3).
SUITE_OF_ALG: Final = {ALG_SEALED_BOX: 0, ALG_HPKE: 1}
PUBLISHER_SUITE: Final = 1
# The limit of the body of an OkGet in suite 0, which has no Part.
_PLAIN_BODY_BYTES: Final = FRAME_CONTENT_BYTES - OVERHEAD_BYTES[0]
_OTHER_KEY: Final = "on the operator's machine, make another key with: coffer-companion keygen PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The release that a Commit must follow: its serial, the SHA-256 of its *signed*, and the times of its issue and expiry."""

    serial: int
    sha256: bytes
    issued: int
    expires: int | None


def deny_open() -> NoReturn:
    """Raise DeniedError: the session's key is not a publisher of the coffer. The text is the same whether or not that coffer exists."""
    raise DeniedError("this key is not a publisher of that coffer here: on the server, run coffer-server publisher add DIR COFFER KEY")


def deny_get() -> NoReturn:
    """Raise DeniedError: the session's key has no shard."""
    raise DeniedError("no release has secrets for this key: ask your operator to add it to the definition and to upload")


def check_held(serial: int, *, held: bool | None) -> None:
    """Raise an error if a question is about a release that is not held.

    Args:
        serial: the serial of the release.
        held: whether the release is held, or None if there has been no such release.

    Raises:
        DeniedError: if there has been no such release.
        NotHeldError: if the release's entries and notes were deleted.
    """
    if held is None:
        raise DeniedError(f"there is no release {serial} of this coffer here")
    if not held:
        raise NotHeldError(
            f"the server has deleted the contents of release {serial} and kept its head: "
            "keep_releases and keep_days in server.toml say how long contents are held"
        )


def check_comparable(serial: int, *, held: bool) -> None:
    """Raise UnsupportedError if a release is not held, because the changes since then are not known."""
    if not held:
        raise UnsupportedError(f"release {serial} is not held here, so what has changed since then is not known: ask for all entries")


def held_from(*, kept: int | None, aged: int | None) -> int:
    """Return the serial of the oldest release that is held.

    Args:
        kept: the serial of the oldest of the last `Retention.releases` releases, or None if there are fewer.
        aged: the serial of the release that was current `Retention.age_s` ago, or None if there was no release then.
    """
    return 0 if kept is None or aged is None else min(kept, aged)


def verify_head_untrusted(
    signed: bytes, *, coffer: str, author: PublicKey, publishers: Collection[bytes], last: Last | None, now: int
) -> SignedHead:
    """Return the head of the release that is to be committed, after the checks that need no shards.

    Args:
        signed: the signed head, as the publisher sent it.
        coffer: the coffer that was opened.
        author: the publisher of this session. It cannot commit a head that names another publisher.
        publishers: the publisher keys in the server's table for this coffer.
        last: the current release, or None if there is no release; then any serial and `prev` are allowed.
        now: seconds since 1970.

    Raises:
        DeniedError: if this is not a head by this publisher, for this coffer, with the server's publishers, or its times are impossible.
        ConflictError: if the head does not follow `last`.
    """
    try:
        release = heads.verify_untrusted(signed, publishers={author.sign})
    except ReleaseError as error:
        raise DeniedError(f"cannot verify the release: {error}") from None
    head = release.head
    if head.coffer != coffer:
        raise DeniedError(f"the release is for {head.coffer!r}, but the session opened {coffer!r}")
    if last is not None and (head.serial <= last.serial or not (head.restart or head.prev == last.sha256)):
        raise ConflictError(f"release {head.serial} does not follow the current release {last.serial}: upload again")
    _check_times(head, last=last, now=now)
    if head.publishers is not None and set(head.publishers) != set(publishers):
        raise DeniedError(
            "the release does not name the same publishers as the server: compare them with `coffer-server publisher list`, "
            "and run `coffer-server publisher add` or `remove` first"
        )
    return release


def _check_times(head: Head, *, last: Last | None, now: int) -> None:
    """Refuse a release whose publisher's clock is wrong: a release that clients would refuse must not become the current one."""
    if last is not None and head.issued < last.issued and not head.restart:
        raise DeniedError(
            f"release {head.serial} was issued {last.issued - head.issued} s before release {last.serial}: the publisher's clock is wrong"
        )
    if head.issued > now + ISSUED_AHEAD_S:
        raise DeniedError(
            f"release {head.serial} was issued {head.issued - now} s ahead of this server's clock: one of the two clocks is wrong"
        )
    if head.expires is not None and head.expires <= now:
        raise DeniedError(f"release {head.serial} has expired by this server's clock: one of the two clocks is wrong")


def check_named_once(ids: Collection[bytes], touched: Collection[bytes]) -> None:
    """Raise DeniedError if `ids` has an id twice, or if an earlier change of the same upload has `touched` one of them."""
    if len(set(ids)) != len(ids) or touched:
        raise DeniedError("the upload names a client twice")


def check_change(change: Change, *, coffer: str, holder: str | None, publishes: str | None) -> None:
    """Raise DeniedError if this coffer may not make a change to an id.

    Args:
        change: the change.
        coffer: the coffer that is published.
        holder: the coffer whose current release has the id, or None.
        publishes: the coffer of which the id is a publisher, or None.

    Raises:
        DeniedError: if the id belongs to another coffer, if a dropped id is not in the current release, or if the alg of the blob does not
            fit the suite that the id speaks.
    """
    client = format_id(change.id)
    if isinstance(change, Drop):
        if holder != coffer:
            raise DeniedError(f"client {client} cannot be dropped: the current release does not have it")
        return
    if holder not in (None, coffer) or publishes not in (None, coffer):
        raise DeniedError(f"client {client} belongs to another coffer of this server: give it another key for one of the two coffers")
    if change.alg not in SUITE_OF_ALG:
        raise DeniedError(f"client {client}: protocol 1 has no alg {change.alg}")
    if publishes is not None and SUITE_OF_ALG[change.alg] != PUBLISHER_SUITE:
        raise DeniedError(f"client {client} is a publisher, and publishers speak suite {PUBLISHER_SUITE}: give its public key text")


def deny_reuse(client: bytes) -> NoReturn:
    """Raise DeniedError: the coffer's history does not hold the blob of a Reuse for that very id, alg, since and hash."""
    raise DeniedError(f"client {format_id(client)}: the server no longer holds the blob to reuse: upload the shard itself")


def check_changed(head: Head, *, last: Last | None, changed: bool) -> None:
    """Raise DeniedError if a release changes nothing. To renew `expires`, or to name publishers, servers or hosts, is a change."""
    says_more = head.restart or head.publishers is not None or head.servers is not None or head.hosts is not None
    if changed or last is None or head.expires != last.expires or says_more:
        return
    raise DeniedError(f"release {head.serial} changes nothing")


def check_tree(release: SignedHead, leaves: Iterable[Leaf]) -> Outline:
    """Return the outline of the resulting release, if it is what was signed and every client can be sent its shard.

    Args:
        release: the verified head.
        leaves: the leaves of the resulting release, in the order of their ids.

    Raises:
        DeniedError: if the root or the count differs from the signed one.
        TooLargeError: if a blob of alg 1 does not fit into one frame.
    """
    largest_plain = 0

    def watched() -> Iterator[Leaf]:
        nonlocal largest_plain
        for leaf in leaves:
            if leaf.alg == ALG_SEALED_BOX:
                largest_plain = max(largest_plain, leaf.blob_bytes)
            yield leaf

    head = release.head
    outline = Outline.of(head.coffer, watched())
    if outline.size != head.count or outline.root != head.root:
        raise DeniedError(f"the shards of release {head.serial} differ from the signed ones: upload again")
    if largest_plain:
        _check_plain(release, largest_plain)
    return outline


def _check_plain(release: SignedHead, blob_bytes: int) -> None:
    """Raise TooLargeError if suite 0 cannot send the OkGet of a blob with the longest path, index and since of this release."""
    head = release.head
    depth = (head.count - 1).bit_length()
    body = SealedAnswer(
        signed=release.signed,
        index=head.count - 1,
        path=(bytes(HASH_BYTES),) * depth,
        alg=ALG_SEALED_BOX,
        since=head.serial,
        blob=bytes(blob_bytes),
    ).encode()
    if len(body) > _PLAIN_BODY_BYTES:
        raise TooLargeError(
            f"the answer to a client with a bare NaCl key has {len(body)} bytes, but suite 0 sends at most {_PLAIN_BODY_BYTES}: "
            "split its secrets, or give its public key text"
        )


def check_publisher(
    *, coffer: str, key: PublicKey, name: str | None, publishes: str | None, holder: str | None, namesake: PublicKey | None
) -> bool:
    """Return whether a publisher has to be added.

    Args:
        coffer: the coffer that the publisher is to publish.
        key: its public keys.
        name: its name, or None.
        publishes: the coffer of which this id is a publisher already, or None.
        holder: the coffer whose current release has this id, or None.
        namesake: the publisher of this coffer that has the name, or None.

    Returns:
        False if the id is already a publisher of this coffer.

    Raises:
        KeyInUseError: if the key belongs to another coffer, or the name to another publisher.
    """
    if publishes == coffer:
        return False
    if publishes is not None:
        raise KeyInUseError(f"this key is a publisher of {publishes!r}, and a key belongs to one coffer", hint=_OTHER_KEY)
    if holder not in (None, coffer):
        raise KeyInUseError(f"this key is a client of {holder!r}, and a key belongs to one coffer", hint=_OTHER_KEY)
    if namesake is not None:
        label = publisher_label(name, namesake)
        raise KeyInUseError(f"another publisher of {coffer!r} has that name: {label}: choose another --name")
    return True


def check_block(client: bytes, *, coffer: str, may_block: bool, holder: str | None, publishes: str | None) -> None:
    """Refuse a publisher that blocks, or unblocks, an id that is not its own to block.

    Args:
        client: the id.
        coffer: the coffer that is published.
        may_block: whether the publisher was given the right.
        holder: the coffer whose current release has the id, or None.
        publishes: the coffer that the id is a publisher of, or None.

    Raises:
        DeniedError: it may not.
    """
    if not may_block:
        raise DeniedError("this publisher may not block clients; on the server: coffer-server publisher add --may-block")
    if holder != coffer or publishes is not None:
        raise DeniedError(f"{format_id(client)} is not a client in this coffer's current release")


def is_same(change: Change, *, alg: int, since: int, sha256: bytes, mark: bytes) -> bool:
    """Return whether a change leaves a client's entry as it is: it is a Reuse of the same blob with the same mark."""
    if isinstance(change, Put | Drop):
        return False
    return (change.alg, change.since, change.sha256, change.mark) == (alg, since, sha256, mark)
