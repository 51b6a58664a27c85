"""What the server has answered, kept for when the database is away: a client that was served before is served the same again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.release.coffer import SealedAnswer

from ...errors import DatabaseAwayError
from .. import rules
from ..base import Fetched, Known, Reads
from ..cache import Cache

# Answers renewed at a time after a release: as many as take a moment, for a notice of the next release waits behind them.
_RENEWED_AT_A_TIME: Final = 64


class _Key(NamedTuple):
    client: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client was given. The body of its OkGet stands as bytes, so that what it takes in memory is known.

    Attributes:
        coffer, serial: of the release.
        release: the SHA-256 of its *signed*.
        alg: of the client's blob.
        body: the OkGet's.
    """

    coffer: str
    serial: int
    release: bytes
    alg: int
    body: bytes

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return len(self.body)


class FallbackReads(Reads):
    """Reads that the database answers, and memory where the database cannot be reached.

    Memory answers only with the newest release that this server has heard of: a client that was dropped since gets nothing, and one that
    it has heard to be blocked is unknown. After a release `renew` brings memory up to it. Threads may share it.

    Args:
        reads: the database's.
        cache: keeps the answers, beside what else it has.

    Attributes:
        is_away: whether the database is known to be away: then no read waits to find it out again.
    """

    def __init__(self, reads: Reads, cache: Cache) -> None:
        self._reads = reads
        self._cache = cache
        self._newest: dict[str, int] = {}
        self._blocked: frozenset[bytes] = frozenset()
        # Whose answers are of an older release. The thread that hears of releases is the one that renews.
        self._behind: deque[bytes] = deque()
        self.is_away = False

    def look_up(self, client: bytes) -> Known | None:
        if not self.is_away:
            try:
                known = self._reads.look_up(client)
                if known is None:
                    self._cache.drop(_Key(client))
                return known
            except DatabaseAwayError:
                pass
        if client in self._blocked:
            return None
        answer = self._recall(client)
        return Known(coffer=answer.coffer, suite=rules.SUITE_OF_ALG[answer.alg], serial=answer.serial)

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        # Memory answers for all of them or for none.
        wanted = list(clients)
        if not self.is_away:
            try:
                return self._ask(wanted)
            except DatabaseAwayError:
                pass
        answers = {client: self._recall(client) for client in wanted if client not in self._blocked}
        return {
            client: Fetched(coffer=answer.coffer, serial=answer.serial, body=SealedAnswer.decode_untrusted(answer.body))
            for client, answer in answers.items()
        }

    def _ask(self, clients: Sequence[bytes]) -> dict[bytes, Fetched]:
        found = self._reads.fetch_all(clients)
        for client in clients:
            fetched = found.get(client)
            if fetched is None:
                self._cache.drop(_Key(client))
            else:
                self._remember(client, fetched)
        return found

    def _remember(self, client: bytes, fetched: Fetched) -> None:
        release = sha256(fetched.body.signed)
        kept = self._cache.get(_Key(client), Answer)
        if kept is None or kept.release != release:
            self._cache.put(_Key(client), Answer(fetched.coffer, fetched.serial, release, fetched.body.alg, fetched.body.encode()))

    def _recall(self, client: bytes) -> Answer:
        """What memory has for a client.

        Raises:
            DatabaseAwayError: nothing that may be given.
        """
        answer = self._cache.get(_Key(client), Answer)
        if answer is None or answer.serial < self._newest.get(answer.coffer, 0):
            raise DatabaseAwayError("the database is away, and this server has no current answer in memory: try again, or another server")
        return answer

    def heard(self, coffer: str, serial: int) -> None:
        """There is a release: what memory has of the coffer's older ones may not be given any more, and is to be renewed."""
        self._newest[coffer] = serial
        for key, answer in self._cache.items():
            if isinstance(key, _Key) and isinstance(answer, Answer) and answer.coffer == coffer and answer.serial < serial:
                self._behind.append(key.client)

    def heard_blocked(self, clients: Iterable[bytes]) -> None:
        """These are all that are blocked: memory has nothing for them, whatever it has."""
        self._blocked = frozenset(clients)

    def renew(self) -> bool:
        """Ask the database anew for some of what is in memory and of an older release.

        Returns:
            Whether there is more.

        Raises:
            StoreError: the database cannot be asked.
        """
        clients = list(islice(self._behind, _RENEWED_AT_A_TIME))
        if clients:
            self._ask(clients)
        for _ in clients:
            self._behind.popleft()
        return bool(self._behind)
