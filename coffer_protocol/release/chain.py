"""Walking the heads between two releases, to find out who may sign the later one (PROTOCOL.md, 7, "Changing keys").

A reader keeps its `Trust`. Each accepted head may change it for the releases behind it: `Trust.after`. A reader that was away is shown the
heads that it missed, and a `Walk` takes the same steps, from the release that it knows to the one that it was given.
"""

from __future__ import annotations

from ..errors import ChainError, UntrustedPublisherError, WrongCofferError
from ..lean import TYPE_CHECKING
from ..limits import SERIAL_JUMP
from . import head as heads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .head import SignedHead
    from .trust import Trust


class Walk:
    """A walk in the order of the serials, a head at a time as they come, up to the release that a reader was given.

    An anchored reader begins with the very release that it has seen. One that is not begins with the first head that is signed by a key
    that it trusts: before it there is nothing that such a reader could check. From there on each head has the next serial, the hash of
    the one before it, and the signature of a key that those before it have named.

    Attributes:
        trust: what follows from the heads so far.
    """

    __slots__ = ("trust", "_start", "_to", "_steps", "_has_begun")

    def __init__(self, trust: Trust, *, to: bytes) -> None:
        """Nothing is walked yet.

        Args:
            trust: where the walk begins.
            to: the signed head of the release that the reader was given.
        """
        self.trust = trust
        self._start = trust
        self._to = to
        self._steps = 0
        self._has_begun = False

    def step_untrusted(self, signed: bytes) -> bool:
        """Take the next head that a server shows, as it came.

        Returns:
            Whether it is `to`: then `trust` is that under which `to` is to be accepted. Its signature and its place have been checked,
            nothing else.

        Raises:
            ChainError: it is out of order, or of another history; or it is one too many.
            UntrustedPublisherError, BadSignatureError: it is signed by a key that nobody has named, or not by the key that it names.
            NotAReleaseError, WrongCofferError: it is no head, or one of another coffer.
        """
        # A reader takes no release so far above what it has seen; whoever shows more heads only wants it to go on reading.
        if self._steps > SERIAL_JUMP:
            raise self.no_way()
        self._steps += 1
        if not self._has_begun and self.trust.is_anchored:
            if not self.trust.is_seen(signed):
                raise ChainError(f"{_shows(self._start)} another history than the one that was seen. {_ADVICE}")
            self._has_begun = True
            return signed == self._to
        try:
            release = heads.verify_untrusted(signed, publishers=self.trust.publishers)
        except UntrustedPublisherError:
            if self._has_begun or signed == self._to:
                raise
            return False
        _check_link(release, self.trust, is_first=not self._has_begun)
        self._has_begun = True
        if signed == self._to:
            return True
        self.trust = self.trust.after(release)
        return False

    def no_way(self) -> ChainError:
        """The error where a server shows no more heads, and `to` was not among them."""
        return ChainError(f"{_shows(self._start)} no way from there to the release that it gave. {_ADVICE}")


def walk_untrusted(shown: Iterable[bytes], trust: Trust, *, to: bytes) -> Trust:
    """A whole `Walk` over heads that are all there; they are read no further than `to`.

    Returns:
        The trust under which `to` is to be accepted.

    Raises:
        ChainError: a link is missing, out of order, or of another history; or `to` is not among them.
        UntrustedPublisherError, BadSignatureError, NotAReleaseError, WrongCofferError: as `Walk.step_untrusted`.
    """
    walk = Walk(trust, to=to)
    for signed in shown:
        if walk.step_untrusted(signed):
            return walk.trust
    raise walk.no_way()


_ADVICE = (
    "It was set back to an old state, or hides what lies between. The operator resolves it by restoring the server's newest backup; where "
    "the history is lost, by handing out the address anew (coffer-companion address)"
)


def _shows(trust: Trust) -> str:
    since = f"release {trust.seen.serial}" if trust.seen is not None else "its first release"
    return f"the publisher of {trust.coffer!r} has changed since {since}, and the server shows"


def _check_link(release: SignedHead, trust: Trust, *, is_first: bool) -> None:
    """See that a head, whose signature is good, stands where it must."""
    head = release.head
    if head.coffer != trust.coffer:
        raise WrongCofferError(f"the server shows a release of {head.coffer!r} in the history of {trust.coffer!r}")
    if trust.seen is None:
        return
    if is_first:
        if head.serial < trust.seen.serial:
            raise ChainError(f"the server shows release {head.serial} where those from release {trust.seen.serial} on were asked for")
        return
    if head.serial != trust.seen.serial + 1 or head.prev != trust.seen.signed_sha256:
        raise ChainError(
            f"release {head.serial} of {head.coffer!r}, as the server shows it, does not follow release {trust.seen.serial}: one between "
            f"them is missing, or one was replaced. {_ADVICE}"
        )
