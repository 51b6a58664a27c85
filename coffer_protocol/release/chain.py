"""Walking the heads between two releases (docs/protocol.md, 7, *Follows* and "Changing keys").

A reader keeps its `Trust`. Each accepted head may change it for the releases after it: `Trust.after`. A reader that was away is shown the
heads that it missed. A `Walk` takes the same steps, from the release that the reader knows to the one that it was given.
"""

from __future__ import annotations

from ..errors import ChainError, ForkError, UntrustedPublisherError, WrongCofferError
from ..lean import TYPE_CHECKING
from ..limits import SERIAL_JUMP
from . import head as heads
from .evidence import BROKEN_CHAIN, FORK, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from .head import SignedHead
    from .trust import Seen, Trust


class Walk:
    """A walk in the order of the serials, one head at a time as they come, up to the release that a reader was given.

    A reader that has seen a release begins with that very release. If the server has lost it, the walk may begin with a restart. A reader
    that has seen none begins with the first head that is signed by a key that it trusts: it could check nothing before that head. From
    there on each head has a higher serial, the hash of the one before it unless it is a restart, and the signature of a key that is
    trusted at that point.

    Attributes:
        trust: the trust after the heads so far.
        restarts: the restarts among these heads, of which a person must hear.
    """

    __slots__ = ("restarts", "trust", "_has_begun", "_start", "_steps", "_to")

    def __init__(self, trust: Trust, *, to: bytes) -> None:
        """Prepare a walk.

        Args:
            trust: the trust of the reader before the walk.
            to: the signed head of the release that the reader was given.
        """
        self.trust = trust
        self.restarts: tuple[Evidence, ...] = ()
        self._start = trust
        self._to = to
        self._steps = 0
        self._has_begun = False

    def step_untrusted(self, signed: bytes) -> bool:
        """Take the next head that a server shows.

        Returns:
            Whether the head is `to`. Then `trust` is the one under which `to` must be accepted: only its signature and its place in the
            history have been checked.

        Raises:
            ForkError: the head is another release at the serial that was seen.
            ChainError: the head is out of order or part of another history, or there were too many heads.
            UntrustedPublisherError, BadSignatureError: the head is signed by a key that is not trusted at that point, or not by the key
                that it names.
            NotAReleaseError, WrongCofferError: the bytes are not a head, or the head is of another coffer.
        """
        # A reader takes no release so far above the one that it has seen. A server that shows more heads only wants it to go on reading.
        if self._steps > SERIAL_JUMP:
            raise self.no_way()
        self._steps += 1
        if not self._has_begun and self.trust.is_seen(signed):
            self._has_begun = True
            return signed == self._to
        try:
            release = heads.verify_untrusted(signed, publishers=self.trust.publishers)
        except UntrustedPublisherError:
            if self._has_begun or self.trust.seen is not None or signed == self._to:
                raise
            return False
        if release.head.coffer != self.trust.coffer:
            raise WrongCofferError(
                f"the server shows a release of {release.head.coffer!r} in the history of {self.trust.coffer!r}: compare the address with "
                "the operator's"
            )
        if self.trust.seen is not None:
            # Before the walk has begun, only a restart may come in place of the release that was seen.
            check_follows(release, self.trust.seen, by_hash=self._has_begun)
        self._has_begun = True
        if signed == self._to:
            return True
        if (restart := self.trust.restart_in(release)) is not None:
            self.restarts += (restart,)
        self.trust = self.trust.after(release)
        return False

    def no_way(self) -> ChainError:
        """Return the error for a server whose heads end before `to`."""
        seen = self._start.seen
        since = "its first release" if seen is None else f"release {seen.serial}"
        error = ChainError(f"the server shows no way from {since} of {self._start.coffer!r} to the release that it gave", hint=ADVICE)
        # A reader that has seen no release has no evidence against the server.
        return error.with_evidence(None if seen is None else Evidence(kind=BROKEN_CHAIN, known=seen.signed, shown=self._to))


def walk_untrusted(shown: Iterable[bytes], trust: Trust, *, to: bytes) -> Walk:
    """Take a whole `Walk` over a list of heads, up to `to`.

    Returns:
        The walk. Its `trust` is the one under which `to` must be accepted.

    Raises:
        ChainError: a head is missing, out of order or part of another history; or `to` is not among the heads.
        UntrustedPublisherError, BadSignatureError, NotAReleaseError, WrongCofferError: as `Walk.step_untrusted`.
    """
    walk = Walk(trust, to=to)
    for signed in shown:
        if walk.step_untrusted(signed):
            return walk
    raise walk.no_way()


def check_follows(release: SignedHead, seen: Seen, *, by_hash: bool = True) -> None:
    """Refuse a head, whose signature is valid, that does not follow the release that was seen.

    Args:
        release: the head.
        seen: the release before it.
        by_hash: whether the hash of that release is enough; otherwise only a restart follows.

    Raises:
        ForkError: the head is another release at the same serial.
        ChainError: the head does not follow.
    """
    head = release.head
    if head.serial > seen.serial and (head.restart or (by_hash and head.prev == seen.signed_sha256)):
        return
    if head.serial == seen.serial and release.sha256 != seen.signed_sha256:
        raise ForkError(
            f"release {head.serial} of {head.coffer!r}, as the server shows it, is not the release {head.serial} that was seen before",
            hint=ADVICE,
        ).with_evidence(Evidence(kind=FORK, known=seen.signed, shown=release.signed))
    raise ChainError(
        f"release {head.serial} of {head.coffer!r}, as the server shows it, does not follow release {seen.serial}: a release between them "
        "is missing, or one was replaced",
        hint=ADVICE,
    ).with_evidence(Evidence(kind=BROKEN_CHAIN, known=seen.signed, shown=release.signed))


ADVICE: Final = (
    "the server was set back to an old state, hides a release, or shows different releases to different readers. The operator restores its "
    "newest backup; if the history is lost, this begins it again: coffer-companion upload --restore FILE. If the operator knows that the "
    "server is right, a client forgets what it has seen: coffer-client trust reset"
)
