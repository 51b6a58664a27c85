"""Verifies a server's answer under the trust in its coffer, and asks the server for the heads of releases that were missed."""

from __future__ import annotations

from coffer_protocol.errors import ChainError, ReleaseError, ServerError, UntrustedPublisherError
from coffer_protocol.lean import TYPE_CHECKING, Record
from coffer_protocol.message import Tell
from coffer_protocol.release.chain import Walk
from coffer_protocol.release.coffer import accept_untrusted
from coffer_protocol.release.head import claimed_untrusted, verify_untrusted

from ..errors import BusyServerError

if TYPE_CHECKING:
    from coffer_protocol.release.coffer import Accepted, SealedAnswer
    from coffer_protocol.release.evidence import Evidence
    from coffer_protocol.release.trust import Trust

    from ..config.settings import Settings
    from .connection import Connection


class Verdict(Record):
    """The result of a verification.

    Attributes:
        accepted: the secrets, and the head under which they were accepted.
        trust: the trust from now on.
        restarts: the restarts on the way to that release, of which a person must hear.
    """

    accepted: Accepted
    trust: Trust
    restarts: tuple[Evidence, ...]


def accept(answer: SealedAnswer, wanted: Settings, trust: Trust, *, now: float | None) -> Accepted:
    """Verify and open the body of an OkGet.

    Args:
        answer: the decoded body, in which nothing is verified yet.
        wanted: the client's settings.
        trust: the trust in the coffer, from which the demands follow.
        now: seconds since 1970; None for an answer from the cache, which may be used after its release has expired.

    Raises:
        ReleaseError, ShardError: the body does not verify.
        ClockError: this machine's clock cannot be right.
    """
    credential = wanted.credential
    return accept_untrusted(answer, trust.demand(answer.signed), identity=credential.identity, plain=credential.bare, now=now)


async def accept_asking(answer: SealedAnswer, wanted: Settings, trust: Trust, connection: Connection, *, now: float) -> Verdict:
    """Do what `accept` does; if the release does not follow the one that was seen, ask the server for the heads between them.

    Args:
        answer, wanted, trust: as for `accept`.
        connection: the one that gave the answer.
        now: seconds since 1970.

    Raises:
        ReleaseError, ShardError, ClockError: as `accept`. The error has the evidence of another history, if there is any.
        ProtocolError, UnreachableError, TimeoutError: as `Connection.next_message`, when the server is asked.
    """
    restarts: tuple[Evidence, ...] = ()
    try:
        accepted = accept(answer, wanted, trust, now=now)
    except (UntrustedPublisherError, ChainError) as refused:
        # Suite 0 has no questions: a bare client learns of new publishers only from a new address.
        if wanted.credential.bare:
            raise
        try:
            walk = await _walk(connection, trust, to=answer.signed)
        except BusyServerError:
            # Without these heads there is no answer: another host is asked.
            raise
        except ServerError:
            # The server gave this client a release, but not the heads of the demanded coffer: the release is of another coffer.
            raise refused from None
        trust, restarts = walk.trust, walk.restarts
        accepted = accept(answer, wanted, trust, now=now)
    restart = trust.restart_in(accepted.release)
    return Verdict(accepted=accepted, trust=trust.after(accepted.release), restarts=restarts if restart is None else (*restarts, restart))


async def _walk(connection: Connection, trust: Trust, *, to: bytes) -> Walk:
    """Do a `Walk` over the heads from the known release, or from the first. Ask for more heads until the server has no more."""
    # Most fetches ask no question, so their start-up should not pay for this module.
    from coffer_protocol.question import Heads, heads_untrusted

    walk = Walk(trust, to=to)
    serial = trust.seen.serial if trust.seen is not None else max(1, trust.lowest)
    while True:
        await connection.send(Heads(coffer=trust.coffer, from_serial=serial).to_ask())
        shown = None
        for shown in heads_untrusted(await connection.receive(Tell)):
            if walk.step_untrusted(shown):
                return walk
        if shown is None:
            raise _no_way(walk, trust, to=to)
        serial = claimed_untrusted(shown).serial + 1


def _no_way(walk: Walk, trust: Trust, *, to: bytes) -> ChainError:
    """Return the error for a server whose heads end before `to`."""
    error = walk.no_way()
    try:
        verify_untrusted(to, publishers=(*trust.publishers, *walk.trust.publishers))
    except ReleaseError:
        # Anybody may have made that head. It proves nothing, and must not displace evidence that does.
        error.evidence = None
    return error
