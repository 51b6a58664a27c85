"""Gets a client's secrets from the server of one address, or from the cache of its last answer, and verifies them in both cases.

For those who edit this module
==============================

The model
---------
A `Source` joins four parts that do not know each other:

    Settings      which server and coffer, as which client          fixed when the program starts
    Network       how to wait for a server                          sockets or an event loop (`coffer_client.io`)
    Memory        what this client remembers, on the disk           trust, sealed cache, the host that answered last
    verifying     whether an answer is acceptable under that trust  pure, except for the heads that it may ask for

`coffer_client.fetching` and `watching` decide *when* to ask and which host comes next. This module decides what an answer is worth:

    connect: recall the trust --> greet the host under each id that the trust names
    take:    answer --> verify under the trust --> record trust and answer --> Coffer --> receipt
                 ^                                     |
                 +---- recall the trust again <--------+  another process has recorded a newer one
    from_cache: recorded answer --> check its age --> verify under the trust --> Coffer

Invariants
----------
1. Only `take` and `from_cache` make a `Coffer`, and both verify first. A cached answer is verified as strictly as a fresh one: this module
   trusts the disk no more than the network.
2. Trust never goes back. `Memory.record` refuses to replace trust that has changed since it was recalled; `take` then recalls and verifies
   again. Two processes that accept different releases at the same moment therefore end with the newer one. The loop ends, because each
   further turn needs another process that has accepted a newer release.
3. An answer is recorded before it is handed out, so that the server cannot go back behind a release that an application has used. If the
   disk refuses the record, `warn` gets a sentence and the fetch goes on: an application must start.
4. An answer that is refused changes neither trust nor cache. A bad answer is never worse than no answer. If it shows another history, its
   head is kept as evidence together with the one that was accepted, and each use warns of it until a person has looked at it.
5. Each error keeps its type up to here. The caller tells "no answer", "a bad answer" and "a refusal that is believed" from one another by
   the type alone (`retrieval`): after the first two the next host is asked, and then the cache is used.
6. This folder waits for nothing of its own: no socket, no thread, no sleep. Each wait goes through `Network`, so the same coroutine runs in
   a program without an event loop, in asyncio and in trio; a test holds this. Files are read through `Network.call`, because they block.
7. `connect` keeps the trust that it recalled for the first `take`, and the modules that `take` needs are loaded while the server works on
   its answers. Both only make `coffer-client get` faster, and both may be removed without any other change.
"""

from __future__ import annotations

import os
import time

from coffer_protocol.errors import CofferError, ReleaseError, UnreachableError
from coffer_protocol.lean import TYPE_CHECKING

from ..errors import CacheError
from ..trust_store import Memory, find_folders
from .connection import Connection, session_with

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Final

    from coffer_protocol.address import Host
    from coffer_protocol.message import OkGet
    from coffer_protocol.release.trust import Trust

    from ..coffer import Coffer, Release
    from ..config.settings import Settings
    from .network import Network
    from .verifying import Verdict

# A clock that is right is corrected a little now and then. If it is further behind the cache, it is or was wrong, and the age is unknown.
_CLOCK_STEP_S: Final = 300.0


class Source:
    """The server of one address, as one client asks it.

    Attributes:
        wanted: which server and coffer, and as which client.
        network: how the server is reached.
        warn: called with a warning for people if something is wrong although a fetch goes on.
    """

    def __init__(
        self, wanted: Settings, memory: Memory, network: Network, *, warn: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        """Make a source. `clock` returns the seconds since 1970; releases expire and the cache ages by it."""
        self.wanted: Final = wanted
        self.network: Final = network
        self.warn: Final = warn
        self._memory = memory
        self._clock = clock
        # The trust that `connect` has recalled, for the first answer on its connection.
        self._recalled: Trust | None = None

    @classmethod
    def of(cls, wanted: Settings, network: Network, *, warn: Callable[[str], None]) -> Source:
        """Return a source with the files of this process's user, in the folders that the settings name.

        Args:
            wanted, network, warn: as the attributes.
        """
        memory = Memory(wanted, find_folders(state=wanted.state, cache=wanted.cache, environment=os.environ), warn=warn)
        return cls(wanted, memory, network, warn=warn)

    async def hosts(self) -> tuple[Host, ...]:
        """Return the server's hosts in the order in which to try them: the one that served last is the first.

        Raises:
            StateError: what is remembered is damaged.
        """
        trust = self._recalled = await self.network.call(self._memory.recall)
        return await self.network.call(self._memory.hosts, trust)

    async def connect(self, host: Host, *, deadline_s: float) -> Connection:
        """Open a session with a host, under the first of the trusted ids that it answers to (docs/protocol.md, 7, "Changing keys").

        Args:
            host: one of `hosts`.
            deadline_s: until when, on the network's clock.

        Raises:
            As `Network.connect`, `Connection.hello`, and `Memory.recall`.
        """
        address = self.wanted.address
        if self._recalled is None:
            self._recalled = await self.network.call(self._memory.recall)
        # The address's own id comes first, unless a release has removed it; then the others.
        ids = self._recalled.servers or (address.server, *address.servers)
        *others, last = sorted(ids, key=lambda server_id: server_id != address.server)
        for server_id in others:
            connection = await self._connection(host, server_id, deadline_s)
            try:
                return await _greeted(connection)
            except UnreachableError:
                # A server that does not have this id closes without an answer.
                continue
        return await _greeted(await self._connection(host, last, deadline_s))

    async def _connection(self, host: Host, server_id: bytes, deadline_s: float) -> Connection:
        credential = self.wanted.credential
        # This can fail without a connection, so it comes first.
        session = session_with(server_id, credential)
        stream = await self.network.connect(host, deadline_s=deadline_s)
        return Connection(session, stream, host, credential=credential, deadline_s=deadline_s)

    @staticmethod
    def load_result() -> None:
        """Load what else `take` and `sign_for` need. A server works on a Get for about as long as this takes."""
        from coffer_protocol.release import receipt  # noqa: F401

        from .. import coffer  # noqa: F401

    async def take(self, answer: OkGet, connection: Connection) -> Coffer:
        """Verify a server's answer and remember it. If releases were missed, ask the server for their heads.

        Raises:
            ReleaseError, ShardError: the answer does not verify.
            StateError: what is remembered is damaged.
            ProtocolError, UnreachableError, TimeoutError: as `Connection.next_message`, when the server is asked.
        """
        from ..coffer import Coffer

        try:
            verdict = await self._accept(answer, connection)
        except ReleaseError as error:
            if error.evidence is not None:
                await self.network.call(self._memory.keep_evidence, error.evidence, host=connection.host, now=self._clock())
            raise
        await self.tell_evidence()
        return Coffer(verdict.accepted)

    async def _accept(self, answer: OkGet, connection: Connection) -> Verdict:
        from coffer_protocol.release.coffer import SealedAnswer

        from .verifying import accept_asking

        sealed = SealedAnswer.decode_untrusted(answer.coffer)
        now = self._clock()
        # The trust that `connect` has recalled is for this answer. An answer that a watch waits for is taken under what is known by then.
        under, self._recalled = self._recalled, None
        # This ends: each further turn needs another process that has accepted a release in the meantime (invariant 2 above).
        while True:
            if under is None:
                under = await self.network.call(self._memory.recall)
            verdict = await accept_asking(sealed, self.wanted, under, connection, now=now)
            if await self.network.call(
                self._memory.record,
                verdict.trust,
                answer.coffer,
                under=under,
                host=connection.host,
                now=now,
                restarts=verdict.restarts,
            ):
                return verdict
            under = None

    async def tell_evidence(self) -> None:
        """Warn of evidence that nobody has acknowledged, if this process has not warned of it yet."""
        if warning := await self.network.call(self._memory.untold_evidence):
            self.warn(warning)

    async def sign_for(self, release: Release, connection: Connection, *, use: int) -> None:
        """Send the receipt for a release that was accepted (docs/protocol.md, 7). A client with a bare key cannot sign.

        The secrets are here already, so it is no error if the receipt does not arrive.

        Args:
            release: the release.
            connection: a connection that has given a release.
            use: `message.USE_ONCE` or `message.USE_FOLLOWED`.
        """
        credential = self.wanted.credential
        if not credential.bare:
            from coffer_protocol.release import receipt

            held = receipt.sign(
                credential.identity, coffer=release.coffer, serial=release.serial, signed_sha256=release.signed_sha256, use=use
            )
            await connection.send_if_open(held)

    async def from_cache(self, max_stale: timedelta, *, refusal: CofferError | None = None) -> Coffer:
        """Return what a server gave last, verified as if it came now; its release may have expired since.

        If this machine's clock is behind the time of that fetch, it is wrong or was wrong then, and no age is too high: `warn` says so.

        Args:
            max_stale: how long ago the server may have given it, at most.
            refusal: why the answer of a server was refused in the place of which this one is used; None if there was no answer.

        Raises:
            CacheError: the cache cannot be used; the text says why.
            StateError: what is remembered is damaged.
        """
        from datetime import timedelta

        from coffer_common import durations, times
        from coffer_protocol.release.coffer import SealedAnswer

        from ..coffer import Coffer
        from .verifying import accept

        now = self._clock()
        cached = await self.network.call(self._memory.cached)
        if cached is None:
            raise CacheError("it is empty")
        # Whatever a clock says, it is not fresh: an application may ask for the truth of this.
        stale = max(timedelta.resolution, timedelta(seconds=now - cached.fetched_at))
        if stale > max_stale:
            raise CacheError(f"it was fetched {durations.show(stale)} ago, and max-stale is {durations.show(max_stale)}")
        trust = await self.network.call(self._memory.recall)
        try:
            accepted = accept(SealedAnswer.decode_untrusted(cached.body), self.wanted, trust, now=None)
        except CofferError as error:
            raise CacheError(f"it does not verify: {error}", hint=error.hint) from error
        if cached.fetched_at - now > _CLOCK_STEP_S:
            self.warn(
                f"this machine's clock says {times.show(now)}, and when the cache was fetched it said {times.show(cached.fetched_at)}: it "
                "is behind now, or was ahead then, so nobody knows how old the cache is: set the clock"
            )
        return Coffer(accepted, stale=stale, refusal=refusal)


async def _greeted(connection: Connection) -> Connection:
    """Return the connection after the handshake. Close it if the handshake fails."""
    try:
        await connection.hello(meanwhile=_load_verification)
    except BaseException:
        await connection.close()
        raise
    return connection


def _load_verification() -> None:
    """Load the modules that verify. A server works on a Hello for about as long as this takes a client that has just started."""
    from . import verifying  # noqa: F401
