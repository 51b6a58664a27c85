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
        trust: what follows from the heads so far.
        restarts: the restarts that the walk has gone over, which a person must be told.
    """

    __slots__ = ("restarts", "trust", "_has_begun", "_start", "_steps", "_to")

    def __init__(self, trust: Trust, *, to: bytes) -> None:
        """Prepare a walk.

        Args:
            trust: where the walk begins.
            to: the signed head of the release that the reader was given.
        """
        self.trust = trust
        self.restarts: tuple[Evidence, ...] = ()
        self._start = trust
        self._to = to
        self._steps = 0
        self._has_begun = False

    def step_untrusted(self, signed: bytes) -> bool:
        """Take the next head that a server shows, as it came.

        Returns:
            Whether it is `to`: then `trust` is the one under which `to` is to be accepted. Its signature and its place have been checked,
            nothing else.

        Raises:
            ForkError: it is another release at the serial that was seen.
            ChainError: it is out of order, or of another history; or it is one head too many.
            UntrustedPublisherError, BadSignatureError: it is signed by a key that is not trusted at that point, or not by the key that it
                names.
            NotAReleaseError, WrongCofferError: it is not a head, or one of another coffer.
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
            # Until the walk has begun only a restart may come in the place of the release that was seen.
            check_follows(release, self.trust.seen, by_hash=self._has_begun)
        self._has_begun = True
        if signed == self._to:
            return True
        if (restart := self.trust.restart_in(release)) is not None:
            self.restarts += (restart,)
        self.trust = self.trust.after(release)
        return False

    def no_way(self) -> ChainError:
        """Return the error for a server that shows no more heads, and `to` was not among them."""
        seen = self._start.seen
        since = "its first release" if seen is None else f"release {seen.serial}"
        error = ChainError(f"the server shows no way from {since} of {self._start.coffer!r} to the release that it gave", hint=_ADVICE)
        # A reader that has seen no release can contradict nobody.
        return error.with_evidence(None if seen is None else Evidence(kind=BROKEN_CHAIN, known=seen.signed, shown=self._to))


def walk_untrusted(shown: Iterable[bytes], trust: Trust, *, to: bytes) -> Walk:
    """Take a whole `Walk` over heads that are all there; they are read no further than `to`.

    Returns:
        The walk: its `trust` is the one under which `to` is to be accepted.

    Raises:
        ChainError: a link is missing, out of order, or of another history; or `to` is not among the heads.
        UntrustedPublisherError, BadSignatureError, NotAReleaseError, WrongCofferError: as `Walk.step_untrusted`.
    """
    walk = Walk(trust, to=to)
    for signed in shown:
        if walk.step_untrusted(signed):
            return walk
    raise walk.no_way()


def check_follows(release: SignedHead, seen: Seen, *, by_hash: bool = True) -> None:
    """Refuse a head, whose signature is good, that does not follow the release that was seen.

    Args:
        release: the head.
        seen: the release before it.
        by_hash: whether the hash of that release is enough; otherwise only a restart follows.

    Raises:
        ForkError: it is another release at the same serial.
        ChainError: it does not follow.
    """
    head = release.head
    if head.serial > seen.serial and (head.restart or (by_hash and head.prev == seen.signed_sha256)):
        return
    if head.serial == seen.serial and release.sha256 != seen.signed_sha256:
        raise ForkError(
            f"release {head.serial} of {head.coffer!r}, as the server shows it, is not the release {head.serial} that was seen before",
            hint=_ADVICE,
        ).with_evidence(Evidence(kind=FORK, known=seen.signed, shown=release.signed))
    raise ChainError(
        f"release {head.serial} of {head.coffer!r}, as the server shows it, does not follow release {seen.serial}: a release between them "
        "is missing, or one was replaced",
        hint=_ADVICE,
    ).with_evidence(Evidence(kind=BROKEN_CHAIN, known=seen.signed, shown=release.signed))


_ADVICE: Final = (
    "the server was set back to an old state, hides a release, or shows different releases to different readers. The operator restores its "
    "newest backup; if the history is lost, this begins it again: coffer-companion upload --restore FILE"
)
