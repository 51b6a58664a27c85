"""The rules of a Commit (docs/protocol.md, 7, "What a server accepts"), the same for every store.

A store finds the facts, in the transaction that will change them; what they must be is said here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from coffer_protocol.errors import ReleaseError
from coffer_protocol.identity import PublicKey, format_id
from coffer_protocol.limits import FRAME_CONTENT_BYTES
from coffer_protocol.message import Drop, Put
from coffer_protocol.release import head as heads
from coffer_protocol.release.blob import ALG_HPKE, ALG_SEALED_BOX
from coffer_protocol.release.coffer import SealedAnswer
from coffer_protocol.release.head import Head, SignedHead
from coffer_protocol.release.tree import HASH_BYTES
from coffer_protocol.suite import OVERHEAD_BYTES

from ..errors import ConflictError, DeniedError, KeyInUseError, NotHeldError, TooLargeError
from .base import Change, Retention
from .snapshot import Leaf, Outline

# A client that has a blob of this alg speaks this suite, and no other (docs/protocol.md, 3).
SUITE_OF_ALG: Final = {ALG_SEALED_BOX: 0, ALG_HPKE: 1}
PUBLISHER_SUITE: Final = 1
# What the body of an OkGet may have in suite 0, which has no Part.
_PLAIN_BODY_BYTES: Final = FRAME_CONTENT_BYTES - OVERHEAD_BYTES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The release that a Commit must follow: its serial, the SHA-256 of its *signed*, and when it expires."""

    serial: int
    sha256: bytes
    expires: int | None


def deny_open() -> NoReturn:
    """Refuse one that does not publish the coffer it names. The text is the same whether or not that coffer exists."""
    raise DeniedError("this key does not publish that coffer here; on the server: coffer-server publisher add DIR COFFER KEY")


def deny_get() -> NoReturn:
    """Refuse one that has no shard."""
    raise DeniedError("no release has secrets for this key; ask your operator to add it to the definition, and to upload")


def check_held(serial: int, *, held: bool | None) -> None:
    """Refuse a question about a release that is not held. `held` says whether it is; None where there has been no such release.

    Raises:
        DeniedError: there has been none.
        NotHeldError: its entries and notes have been let go.
    """
    if held is None:
        raise DeniedError(f"there is no release {serial} of this coffer here")
    if not held:
        raise NotHeldError(
            f"what was in release {serial} is not held any more, only its head; keep_releases and keep_days in server.toml say how long"
        )


def held_from(retention: Retention, *, last: int, aged: int | None) -> int:
    """The serial of the oldest release that is held.

    Args:
        retention: the server's.
        last: the serial of the current release.
        aged: that of the release that was the current one `retention.age_s` ago, or None where there was none.
    """
    return 0 if aged is None else min(last - retention.releases + 1, aged)


def verify_head_untrusted(signed: bytes, *, coffer: str, author: PublicKey, publishers: Collection[bytes], last: Last | None) -> SignedHead:
    """The head of the release that is to be made, as far as it can be checked without its shards.

    Args:
        signed: as it came.
        coffer: the one that was opened.
        author: the publisher whose session this is: it signs in its own name alone.
        publishers: the publisher keys in the server's table for this coffer.
        last: the current release, or None: then any serial and `prev` may be the first.

    Raises:
        DeniedError: it is not a head by this publisher, for this coffer, with the server's publishers.
        ConflictError: it does not follow `last`.
    """
    try:
        release = heads.verify_untrusted(signed, publishers={author.sign})
    except ReleaseError as error:
        raise DeniedError(f"the release is not signed as it must be: {error}") from None
    head = release.head
    if head.coffer != coffer:
        raise DeniedError(f"the release is one of {head.coffer!r}, and {coffer!r} was opened")
    if last is not None and (head.serial != last.serial + 1 or head.prev != last.sha256):
        raise ConflictError(f"release {head.serial} does not follow release {last.serial}, which is the current one: upload again")
    if head.publishers is not None and set(head.publishers) != set(publishers):
        raise DeniedError(
            "the release names other publishers than the server's table; compare `coffer-server publisher list`, "
            "and let `coffer-server publisher add` or `remove` come first"
        )
    return release


def check_named_once(ids: Collection[bytes], touched: Collection[bytes]) -> None:
    """Refuse an id that stands twice in `ids`, or was `touched` by an earlier change of the same upload.

    Raises:
        DeniedError: there is one.
    """
    if len(set(ids)) != len(ids) or touched:
        raise DeniedError("the upload names a client twice")


def check_change(change: Change, *, coffer: str, holder: str | None, publishes: str | None) -> None:
    """Refuse a change of an id that this coffer may not change so.

    Args:
        change: what is to happen to the id.
        coffer: the coffer that is published.
        holder: the coffer whose current release has the id, or None.
        publishes: the coffer that the id is a publisher of, or None.

    Raises:
        DeniedError: the id belongs to another coffer, is not there to be dropped, or speaks another suite than its blob would say.
    """
    client = format_id(change.id)
    if isinstance(change, Drop):
        if holder != coffer:
            raise DeniedError(f"client {client} cannot be dropped: the current release does not have it")
        return
    if holder not in (None, coffer) or publishes not in (None, coffer):
        raise DeniedError(
            f"client {client} belongs to another coffer of this server: an identity belongs to one. Give it another key there or here"
        )
    if change.alg not in SUITE_OF_ALG:
        raise DeniedError(f"client {client}: alg {change.alg} is not one of protocol 1")
    if publishes is not None and SUITE_OF_ALG[change.alg] != PUBLISHER_SUITE:
        raise DeniedError(f"client {client} is a publisher, and publishers speak suite {PUBLISHER_SUITE}: give its public key text")


def deny_reuse(client: bytes) -> NoReturn:
    """Refuse a Reuse of a blob that the coffer's history does not hold for that very id, alg, since and hash."""
    raise DeniedError(f"client {format_id(client)}: the blob to be reused is not held any more: upload the shard itself")


def check_changed(head: Head, *, last: Last | None, changed: bool) -> None:
    """Refuse a release that changes nothing; one that only renews `expires`, or says who publishes and serves, changes something.

    Raises:
        DeniedError: nothing changes.
    """
    if changed or last is None or head.expires != last.expires or head.publishers is not None or head.servers is not None:
        return
    raise DeniedError(f"release {head.serial} changes nothing")


def check_tree(release: SignedHead, leaves: Iterable[Leaf]) -> Outline:
    """The resulting release's snapshot, if it is what was signed, and every client can be sent its shard.

    Args:
        release: the verified head.
        leaves: those of the resulting release, in the order of their ids.

    Raises:
        DeniedError: root or count are others than those signed.
        TooLargeError: a blob of alg 1 would not fit into one frame.
    """
    largest_plain = 0

    def watched() -> Iterator[Leaf]:
        nonlocal largest_plain
        for leaf in leaves:
            if leaf.alg == ALG_SEALED_BOX:
                largest_plain = max(largest_plain, leaf.blob_bytes)
            yield leaf

    head = release.head
    snapshot = Outline.of(head.coffer, watched())
    if snapshot.size != head.count or snapshot.root != head.root:
        raise DeniedError(f"the shards of release {head.serial} are not those that were signed: upload again")
    if largest_plain:
        _check_plain(release, largest_plain)
    return snapshot


def _check_plain(release: SignedHead, blob_bytes: int) -> None:
    """Refuse a blob whose OkGet, at the longest path, index and since that this release has, is more than suite 0 can send."""
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
            f"a client with a bare NaCl key would get {len(body)} bytes, and suite 0 sends at most {_PLAIN_BODY_BYTES}: split its secrets, "
            "or give it a public key text"
        )


def check_publisher(
    *, coffer: str, key: PublicKey, name: str | None, publishes: str | None, holder: str | None, namesake: PublicKey | None
) -> bool:
    """Whether a publisher is to be added.

    Args:
        coffer: the coffer that it is to publish.
        key: its public keys.
        name: what it is to be called, or None.
        publishes: the coffer that this id publishes already, or None.
        holder: the coffer whose current release has this id, or None.
        namesake: the publisher of this coffer that has the name, or None.

    Returns:
        False where it publishes this coffer already.

    Raises:
        KeyInUseError: the key belongs to another coffer, or the name to another publisher.
    """
    if publishes == coffer:
        return False
    if publishes is not None:
        raise KeyInUseError(
            f"this key publishes {publishes!r} already, and a key belongs to one coffer; on the operator's machine make another:\n"
            "  coffer-companion keygen PATH"
        )
    if holder not in (None, coffer):
        raise KeyInUseError(
            f"this key is a client of {holder!r}, and a key belongs to one coffer; on the operator's machine make another:\n"
            "  coffer-companion keygen PATH"
        )
    if namesake is not None:
        raise KeyInUseError(f"another publisher of {coffer!r} is called {name!r} ({format_id(namesake.sign)}): choose another --name")
    return True


def is_same(change: Change, *, alg: int, since: int, sha256: bytes, mark: bytes) -> bool:
    """Whether a change leaves a client's entry as it is: a Reuse of its very blob under its very mark."""
    if isinstance(change, Put | Drop):
        return False
    return (change.alg, change.since, change.sha256, change.mark) == (alg, since, sha256, mark)
