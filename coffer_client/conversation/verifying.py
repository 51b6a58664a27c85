"""Verifying what a server gave, under what is known of its coffer; and asking it for the heads of the releases that were missed."""

from __future__ import annotations

from coffer_protocol.errors import ChainError, ServerError, UnreachableError, UntrustedPublisherError
from coffer_protocol.lean import TYPE_CHECKING
from coffer_protocol.message import Tell
from coffer_protocol.release.chain import Walk
from coffer_protocol.release.coffer import accept_untrusted

if TYPE_CHECKING:
    from coffer_protocol.release.coffer import Accepted, SealedAnswer
    from coffer_protocol.release.trust import Trust

    from ..config.settings import Settings
    from .connection import Connection


def accept(answer: SealedAnswer, wanted: Settings, trust: Trust, *, now: float) -> Accepted:
    """Return what the body of an OkGet holds, verified and opened.

    Args:
        answer: the body as decoded, with nothing in it verified.
        wanted: as whom, and from which serial on.
        trust: what is known, and so demanded.
        now: seconds since 1970.

    Raises:
        ReleaseError, ShardError: the body does not verify.
    """
    credential = wanted.credential
    demand = trust.demand(answer.signed, lowest=wanted.address.serial)
    return accept_untrusted(answer, demand, identity=credential.identity, plain=credential.bare, now=now)


async def accept_asking(
    answer: SealedAnswer, wanted: Settings, trust: Trust, connection: Connection, *, now: float
) -> tuple[Accepted, Trust]:
    """As `accept`; where releases were missed, the server is asked for their heads.

    Returns:
        What was accepted, and the trust under which it was: the one that is known, or what follows from the missed heads.

    Raises:
        ReleaseError, ShardError: it does not verify.
        ProtocolError, UnreachableError, TimeoutError: as `Connection.next_message`, while it is asked.
    """
    # Suite 0 has no questions: a bare client is told of new publishers by a new address.
    can_ask = not wanted.credential.bare
    try:
        accepted = accept(answer, wanted, trust, now=now)
    except UntrustedPublisherError as untrusted:
        if not can_ask:
            raise
        try:
            trust = await _walk(connection, trust, to=answer.signed)
        except ServerError:
            # It gave this client a release, and will not tell of the coffer that is demanded: the release is of another one.
            raise untrusted from None
        return accept(answer, wanted, trust, now=now), trust
    if can_ask and _has_missed(trust, accepted):
        trust = await _catch_up(connection, trust, to=answer.signed)
    return accepted, trust


def _has_missed(trust: Trust, accepted: Accepted) -> bool:
    return trust.is_anchored and trust.seen is not None and accepted.release.head.serial > trust.seen.serial + 1


async def _catch_up(connection: Connection, trust: Trust, *, to: bytes) -> Trust:
    """What the missed heads say, where a trusted publisher signed the release and nothing hangs on them.

    They may retire a publisher or name another server. Where the server has lost them (docs/protocol.md, 7: one upload restores all), or
    fails now, the trust stays as it was: the release in hand is good.
    """
    try:
        return await _walk(connection, trust, to=to)
    except (ChainError, UnreachableError, ServerError, TimeoutError):
        return trust


async def _walk(connection: Connection, trust: Trust, *, to: bytes) -> Trust:
    """A `Walk` over the heads from the release that is known, or from the first; they are asked on for until the server has no more."""
    # Most fetches have no question to ask, and their start-up need not pay for any.
    from coffer_protocol.question import Heads, heads_untrusted

    walk = Walk(trust, to=to)
    serial = trust.seen.serial if trust.seen is not None else 1
    while True:
        await connection.send(Heads(coffer=trust.coffer, from_serial=serial).to_ask())
        count = 0
        for signed in heads_untrusted(await connection.receive(Tell)):
            if walk.step_untrusted(signed):
                return walk.trust
            count += 1
        if not count:
            raise walk.no_way()
        serial += count
