"""The answers that a server has given, kept for the time that the database is away: a client gets the same answer again."""

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

# Answers renewed at a time after a release. They must take only a moment, because the notice of the next release waits for them.
_RENEWED_AT_A_TIME: Final = 64


class _Key(NamedTuple):
    client: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that a client was given. The body of its OkGet is kept as bytes, so that its size in memory is known.

    Attributes:
        coffer: the name of the coffer.
        serial: the serial of the release.
        release: the SHA-256 of the release's *signed*.
        alg: the alg of the client's blob.
        body: the body of the OkGet.
    """

    coffer: str
    serial: int
    release: bytes
    alg: int
    body: bytes

    @property
    def size_bytes(self) -> int:
        """The size in memory, in bytes."""
        return len(self.body)


class FallbackReads(Reads):
    """Reads that the database answers, or memory if the database cannot be reached.

    Memory answers only from the newest release that this server has heard of. A client that was dropped since then gets no answer, and a
    client that the server knows to be blocked is unknown. After a release, `renew` brings memory up to date. Threads may share this object.

    Args:
        reads: the reads of the database.
        cache: keeps the answers, in addition to its other values.

    Attributes:
        is_away: whether the database is known to be away. Then no read tries to reach it.
    """

    def __init__(self, reads: Reads, cache: Cache) -> None:
        self._reads = reads
        self._cache = cache
        self._newest: dict[str, int] = {}
        self._blocked: frozenset[bytes] = frozenset()
        # The clients whose answers are of an older release. Only the thread that hears of releases renews them.
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
        """Return the answer that memory has for a client.

        Raises:
            DatabaseAwayError: if memory has no answer of the newest release.
        """
        answer = self._cache.get(_Key(client), Answer)
        if answer is None or answer.serial < self._newest.get(answer.coffer, 0):
            raise DatabaseAwayError("the database is away, and this server has no current answer in memory: try again, or another server")
        return answer

    def heard(self, coffer: str, serial: int) -> None:
        """Note a new release: answers of the coffer's older releases may no longer be given, and must be renewed."""
        self._newest[coffer] = serial
        for key, answer in self._cache.items():
            if isinstance(key, _Key) and isinstance(answer, Answer) and answer.coffer == coffer and answer.serial < serial:
                self._behind.append(key.client)

    def heard_blocked(self, clients: Iterable[bytes]) -> None:
        """Note all blocked clients: memory gives them no answers."""
        self._blocked = frozenset(clients)

    def renew(self) -> bool:
        """Renew some of the answers that are of an older release, from the database.

        Returns:
            Whether there are more of them.

        Raises:
            StoreError: if the database cannot be read.
        """
        clients = list(islice(self._behind, _RENEWED_AT_A_TIME))
        if clients:
            self._ask(clients)
        for _ in clients:
            self._behind.popleft()
        return bool(self._behind)
