"""Walking the heads between two releases, to find out who may sign the later one (PROTOCOL.md, 7, "Changing keys").

A reader keeps its `Trust`. Each accepted head may change it for the releases behind it: `Trust.after`. A reader that was away is shown the
heads that it missed, and `walk_untrusted` takes the same steps, from the release that it knows to the one that it was given.
"""

from __future__ import annotations

from ..errors import ChainError, UntrustedPublisherError, WrongCofferError
from ..lean import TYPE_CHECKING, dataclass
from ..limits import SERIAL_JUMP
from ..primitives import sha256
from . import head as heads
from .coffer import Demand, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .head import SignedHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a reader knows of a coffer, and so what it demands of the next release.

    Attributes:
        coffer: the coffer's name.
        publishers: whose signature counts from the next release on, keys of 32 bytes.
        servers: the ids under which the server may answer, 32 bytes each; None where no head has named any.
        seen: the newest release that was accepted; without its hash, the lowest serial that may be; None for any.
        signer: who signed `seen`. It stays good for that release, also where the release retires it.
    """

    coffer: str
    publishers: tuple[bytes, ...]
    servers: tuple[bytes, ...] | None = None
    seen: Seen | None = None
    signer: bytes | None = None

    @property
    def is_anchored(self) -> bool:
        """Whether a release was accepted before, so that the next ones are told by its hash."""
        return self.seen is not None and self.seen.signed_sha256 is not None

    def is_seen(self, signed: bytes) -> bool:
        """Whether these are the very bytes of the newest release that was accepted."""
        return self.seen is not None and self.seen.signed_sha256 == sha256(signed)

    def demand(self, signed: bytes) -> Demand:
        """What is demanded of the release whose *signed* this claims to be. Only its hash is looked at."""
        again = (self.signer,) if self.signer is not None and self.is_seen(signed) else ()
        return Demand(coffer=self.coffer, publishers=(*self.publishers, *again), seen=self.seen)

    def after(self, release: SignedHead) -> Trust:
        """The trust that follows from a release that has been accepted under this one."""
        head = release.head
        return Trust(
            coffer=self.coffer,
            publishers=head.publishers or self.publishers,
            servers=head.servers or self.servers,
            seen=Seen(serial=head.serial, signed_sha256=release.sha256),
            signer=head.publisher,
        )


def walk_untrusted(shown: Iterable[bytes], trust: Trust, *, to: bytes) -> Trust:
    """Walk the heads that a server shows, in the order of their serials, up to `to`.

    An anchored reader begins with the very release that it has seen. One that is not begins with the first head that is signed by a key
    that it trusts: before it there is nothing that such a reader could check. From there on each head has the next serial, the hash of
    the one before it, and the signature of a key that those before it have named.

    Args:
        shown: signed heads as they came; read no further than `to`.
        trust: where the walk begins.
        to: the signed head of the release that the reader was given.

    Returns:
        The trust under which `to` is to be accepted. The signature and the place of `to` have been checked then, nothing else.

    Raises:
        ChainError: a link is missing, out of order, or of another history; or `to` is not among them.
        UntrustedPublisherError, BadSignatureError: a link is signed by a key that nobody has named, or not signed by the key it names.
        NotAReleaseError, WrongCofferError: a link is no head, or one of another coffer.
    """
    start = trust
    begun = False
    for number, signed in enumerate(shown):
        # A reader takes no release so far above what it has seen; whoever shows more heads only wants it to go on reading.
        if number > SERIAL_JUMP:
            break
        if not begun and trust.is_anchored:
            if not trust.is_seen(signed):
                raise ChainError(f"{_shows(start)} another history than the one that was seen. {_ADVICE}")
            begun = True
            if signed == to:
                return trust
            continue
        try:
            release = heads.verify_untrusted(signed, publishers=trust.publishers)
        except UntrustedPublisherError:
            if begun or signed == to:
                raise
            continue
        _check_link(release, trust, is_first=not begun)
        begun = True
        if signed == to:
            return trust
        trust = trust.after(release)
    raise ChainError(f"{_shows(start)} no way from there to the release that it gave. {_ADVICE}")


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
