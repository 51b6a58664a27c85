"""Where secrets come from: the server of one address, or the cache of what it gave; verified and remembered either way."""

from __future__ import annotations

import os
import time

from coffer_protocol.errors import ChainError, CofferError, ServerError, UnreachableError, UntrustedPublisherError
from coffer_protocol.lean import TYPE_CHECKING
from coffer_protocol.message import Tell
from coffer_protocol.release import coffer as releases
from coffer_protocol.release.chain import Walk
from coffer_protocol.release.coffer import accept_untrusted

from .coffer import Coffer
from .connection import Connection, session_with
from .errors import CacheError
from .memory import Memory, find_folders

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Final

    from coffer_protocol.address import Host
    from coffer_protocol.message import OkGet
    from coffer_protocol.release.chain import Trust
    from coffer_protocol.release.coffer import Accepted

    from .network import Network
    from .settings import Settings

# Clocks that are set right move a little; one that is further behind the cache was not right, and tells no age.
_CLOCK_STEP_S: Final = 300.0


class Source:
    """The server of one address, as one client asks it.

    Attributes:
        wanted: from where, what, and as whom.
        network: how it is reached.
        warn: is given a sentence for people where something is not as it should be, and a fetch goes on.
    """

    def __init__(
        self, wanted: Settings, memory: Memory, network: Network, *, warn: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives the seconds since 1970, against which releases expire and the cache ages."""
        self.wanted: Final = wanted
        self.network: Final = network
        self.warn: Final = warn
        self._memory = memory
        self._clock = clock
        # What `connect` has recalled, for the first answer on its connection.
        self._recalled: Trust | None = None

    @classmethod
    def of(cls, wanted: Settings, network: Network, *, warn: Callable[[str], None]) -> Source:
        """The source with the files of this process's user, where the settings have them.

        Args:
            wanted: from where, what, and as whom.
            network: how it is reached.
            warn: as the attribute.
        """
        memory = Memory(wanted, find_folders(state=wanted.state, cache=wanted.cache, environment=os.environ), warn=warn)
        return cls(wanted, memory, network, warn=warn)

    async def hosts(self) -> tuple[Host, ...]:
        """The address's hosts, in the order in which they are to be tried: the one that has served last is the first."""
        return await self.network.call(self._memory.hosts)

    async def connect(self, host: Host, *, deadline_s: float) -> Connection:
        """A session with a host, under the first of the trusted ids under which it answers (PROTOCOL.md, 7, "Changing keys").

        Args:
            host: one of the address's.
            deadline_s: by when, on the network's clock.

        Raises:
            As `Network.connect`, `Connection.hello`, and `Memory.recall`.
        """
        address = self.wanted.address.server
        trust = self._recalled = await self.network.call(self._memory.recall)
        # The address's own id first, as long as no release has taken it away; then those that a release has named.
        *others, last = sorted(trust.servers or (address,), key=lambda server_id: server_id != address)
        for server_id in others:
            connection = await self._connection(host, server_id, deadline_s)
            try:
                return await _greeted(connection)
            except UnreachableError:
                # A server that does not go by this id closes without an answer.
                continue
        return await _greeted(await self._connection(host, last, deadline_s))

    async def _connection(self, host: Host, server_id: bytes, deadline_s: float) -> Connection:
        credential = self.wanted.credential
        # What can fail without a connection comes before it.
        session = session_with(server_id, credential)
        stream = await self.network.connect(host, deadline_s=deadline_s)
        return Connection(session, stream, host, credential=credential, deadline_s=deadline_s)

    async def take(self, answer: OkGet, connection: Connection) -> Coffer:
        """Verify what a server gave, and remember it. Where releases were missed, the server is asked for their heads.

        Raises:
            ReleaseError, ShardError: it does not verify.
            StateError: what is remembered is damaged.
            ProtocolError, UnreachableError, TimeoutError: as `Connection.next_message`, while it is asked.
        """
        now = self._clock()
        signed = releases.Coffer.decode_untrusted(answer.coffer).signed
        # What `connect` has recalled is for this answer; those that a watch waits for are taken under what is known by then.
        under, self._recalled = self._recalled, None
        # It ends: to go round once more takes another process that has accepted a release meanwhile, and none that is newer than this one.
        while True:
            if under is None:
                under = await self.network.call(self._memory.recall)
            accepted, trust = await self._accept_asking(answer.coffer, signed, under, connection, now)
            after = trust.after(accepted.release)
            if await self.network.call(self._memory.record, after, answer.coffer, under=under, host=connection.host, now=now):
                return Coffer(accepted)
            under = None

    async def _accept_asking(self, body: bytes, signed: bytes, trust: Trust, connection: Connection, now: float) -> tuple[Accepted, Trust]:
        """What is accepted, and the trust under which it is: that which is known, or what the heads say that have been missed since."""
        # Suite 0 has no questions: a bare client is told of new publishers by a new address.
        can_ask = not self.wanted.credential.bare
        try:
            accepted = self._accept(body, signed, trust, now)
        except UntrustedPublisherError as untrusted:
            if not can_ask:
                raise
            try:
                trust = await _walk(connection, trust, to=signed)
            except ServerError:
                # It gave this client a release, and will not tell of the coffer that is demanded: the release is of another one.
                raise untrusted from None
            return self._accept(body, signed, trust, now), trust
        if can_ask and _has_missed(trust, accepted):
            trust = await _catch_up(connection, trust, to=signed)
        return accepted, trust

    async def from_cache(self, max_stale: timedelta) -> Coffer:
        """What a server gave last, verified as if it came now.

        Args:
            max_stale: how long ago it may have been given, at most.

        Raises:
            CacheError: there is nothing that can be used; the text says why.
            StateError: what is remembered is damaged.
        """
        from datetime import timedelta

        from . import duration

        now = self._clock()
        cached = await self.network.call(self._memory.cached)
        if cached is None:
            raise CacheError("there is none")
        stale = timedelta(seconds=max(0.0, now - cached.fetched_at))
        if cached.fetched_at - now > _CLOCK_STEP_S:
            raise CacheError("this machine's clock was set back since it was fetched, so its age is unknown")
        if stale > max_stale:
            raise CacheError(f"it was fetched {duration.show(stale)} ago, and may be {duration.show(max_stale)} old at most (max-stale)")
        trust = await self.network.call(self._memory.recall)
        try:
            signed = releases.Coffer.decode_untrusted(cached.body).signed
            accepted = self._accept(cached.body, signed, trust, now)
        except CofferError as error:
            raise CacheError(f"it does not verify: {error}") from error
        return Coffer(accepted, stale=stale)

    def _accept(self, body: bytes, signed: bytes, trust: Trust, now: float) -> Accepted:
        credential = self.wanted.credential
        demand = trust.demand(signed, lowest=self.wanted.address.serial)
        return accept_untrusted(body, demand, identity=credential.identity, plain=credential.bare, now=now)


def _has_missed(trust: Trust, accepted: Accepted) -> bool:
    return trust.is_anchored and trust.seen is not None and accepted.release.head.serial > trust.seen.serial + 1


async def _greeted(connection: Connection) -> Connection:
    """The connection, with the handshake done; closed where it fails."""
    try:
        await connection.hello()
    except BaseException:
        await connection.close()
        raise
    return connection


async def _catch_up(connection: Connection, trust: Trust, *, to: bytes) -> Trust:
    """What the missed heads say, where a trusted publisher signed the release and nothing hangs on them.

    They may retire a publisher or name another server. Where the server has lost them (PROTOCOL.md, 7: one upload restores all), or
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
