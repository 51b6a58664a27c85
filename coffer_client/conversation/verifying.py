"""Verifies a server's answer under what is known of its coffer, and asks the server for the heads of releases that were missed."""

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
        wanted: as which client, and from which serial on.
        trust: what is known of the coffer, and so what is demanded.
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
    """Do what `accept` does; if releases were missed, ask the server for their heads.

    Returns:
        What was accepted, and the trust under which it was accepted: the known trust, or the trust that follows from the missed heads.

    Raises:
        ReleaseError, ShardError: the body does not verify.
        ProtocolError, UnreachableError, TimeoutError: as `Connection.next_message`, when the server is asked.
    """
    # Suite 0 has no questions: a bare client needs a new address to learn of new publishers.
    can_ask = not wanted.credential.bare
    try:
        accepted = accept(answer, wanted, trust, now=now)
    except UntrustedPublisherError as untrusted:
        if not can_ask:
            raise
        try:
            trust = await _walk(connection, trust, to=answer.signed)
        except ServerError:
            # The server gave this client a release, but it does not tell the heads of the demanded coffer: the release is of another one.
            raise untrusted from None
        return accept(answer, wanted, trust, now=now), trust
    if can_ask and _has_missed(trust, accepted):
        trust = await _catch_up(connection, trust, to=answer.signed)
    return accepted, trust


def _has_missed(trust: Trust, accepted: Accepted) -> bool:
    return trust.is_anchored and trust.seen is not None and accepted.release.head.serial > trust.seen.serial + 1


async def _catch_up(connection: Connection, trust: Trust, *, to: bytes) -> Trust:
    """Return the trust that follows from the missed heads. A trusted publisher signed the release, so it does not depend on them.

    They may retire a publisher or name another server. If the server has lost them (docs/protocol.md, 7: one upload restores all) or fails
    now, the trust stays as it was: the release in hand is good.
    """
    try:
        return await _walk(connection, trust, to=to)
    except (ChainError, UnreachableError, ServerError, TimeoutError):
        return trust


async def _walk(connection: Connection, trust: Trust, *, to: bytes) -> Trust:
    """Do a `Walk` over the heads from the known release, or from the first. Ask for more heads until the server has no more."""
    # Most fetches ask no question, so their start-up should not pay for this module.
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
