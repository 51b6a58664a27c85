"""Reads that memory answers while the database is away."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from coffer_protocol.release.coffer import SealedAnswer
from coffer_server.errors import DatabaseAwayError
from coffer_server.store.base import Fetched, Known
from coffer_server.store.cache import Cache
from coffer_server.store.shared.fallback import Answer, FallbackReads

from ...publishing import identity

WEB = identity(100).id()
WORKER = identity(101).id()


class Database:
    """Reads of a database that a test stops: every client that has a serial has a shard which says it."""

    def __init__(self) -> None:
        self.serials: dict[bytes, int] = {WEB: 1, WORKER: 1}
        self.is_there = True
        self.history = b"signed"
        self.asked = 0

    def look_up(self, client: bytes) -> Known | None:
        fetched = self.fetch_all([client]).get(client)
        return None if fetched is None else Known(coffer=fetched.coffer, suite=1, serial=fetched.serial)

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        self.asked += 1
        if not self.is_there:
            raise DatabaseAwayError("stopped")
        return {client: self._fetched(self.serials[client]) for client in clients if client in self.serials}

    def _fetched(self, serial: int) -> Fetched:
        body = SealedAnswer(signed=b"%s %d" % (self.history, serial), index=0, path=(bytes(32),), alg=2, since=serial, blob=b"blob")
        return Fetched(coffer="web-shop", serial=serial, body=body)


@pytest.fixture
def database() -> Database:
    """A database with two clients."""
    return Database()


@pytest.fixture
def reads(database: Database) -> FallbackReads:
    """Reads of it."""
    return FallbackReads(database, Cache(1 << 20))


def test_the_database_answers_while_it_is_there(database: Database, reads: FallbackReads) -> None:
    assert reads.look_up(WEB) == Known(coffer="web-shop", suite=1, serial=1)
    reads.fetch_all([WEB])
    database.serials = {WEB: 2}
    assert reads.fetch_all([WEB, WORKER]).keys() == {WEB}
    assert reads.fetch_all([WEB])[WEB].serial == 2
    assert reads.look_up(WORKER) is None


def test_memory_gives_what_was_given_before(database: Database, reads: FallbackReads) -> None:
    given = reads.fetch_all([WEB])
    database.is_there = False
    assert reads.fetch_all([WEB]) == given
    assert reads.look_up(WEB) == Known(coffer="web-shop", suite=1, serial=1)


def test_what_is_not_in_memory_is_not_said_to_be_unknown(database: Database, reads: FallbackReads) -> None:
    database.is_there = False
    with pytest.raises(DatabaseAwayError, match="another server"):
        reads.look_up(WEB)
    with pytest.raises(DatabaseAwayError):
        reads.fetch_all([WEB])


def test_a_database_that_is_known_to_be_away_is_not_asked(database: Database, reads: FallbackReads) -> None:
    reads.fetch_all([WEB])
    asked = database.asked
    reads.is_away = True
    reads.look_up(WEB)
    reads.fetch_all([WEB])
    assert database.asked == asked


def test_memory_gives_nothing_of_a_release_that_is_known_to_be_old(database: Database, reads: FallbackReads) -> None:
    reads.fetch_all([WEB])
    reads.heard("web-shop", 2)
    database.is_there = False
    with pytest.raises(DatabaseAwayError):
        reads.fetch_all([WEB])
    reads.heard("billing", 7)
    with pytest.raises(DatabaseAwayError):
        reads.look_up(WEB)


def test_memory_is_renewed_after_a_release(database: Database, reads: FallbackReads) -> None:
    reads.fetch_all([WEB, WORKER])
    database.serials = {WEB: 2}
    reads.heard("web-shop", 2)
    assert not reads.renew()
    database.is_there = False
    assert reads.fetch_all([WEB])[WEB].serial == 2
    # It was dropped.
    with pytest.raises(DatabaseAwayError):
        reads.look_up(WORKER)


def test_memory_is_renewed_piece_by_piece(database: Database) -> None:
    reads = FallbackReads(database, Cache(1 << 20))
    clients = [number.to_bytes(32, "big") for number in range(1, 200)]
    database.serials = dict.fromkeys(clients, 1)
    reads.fetch_all(clients)
    database.serials = dict.fromkeys(clients, 2)
    reads.heard("web-shop", 2)
    asked = database.asked
    while reads.renew():
        pass
    assert 1 < database.asked - asked < 10
    database.is_there = False
    assert {fetched.serial for fetched in reads.fetch_all(clients).values()} == {2}


def test_renewing_goes_on_where_it_failed(database: Database, reads: FallbackReads) -> None:
    reads.fetch_all([WEB])
    database.serials[WEB] = 2
    reads.heard("web-shop", 2)
    database.is_there = False
    with pytest.raises(DatabaseAwayError):
        reads.renew()
    database.is_there = True
    assert not reads.renew()
    database.is_there = False
    assert reads.fetch_all([WEB])[WEB].serial == 2


def test_a_release_that_was_lost_is_not_remembered_under_the_serial_of_another(database: Database, reads: FallbackReads) -> None:
    reads.fetch_all([WEB])
    database.history = b"another"
    given = reads.fetch_all([WEB])
    database.is_there = False
    assert reads.fetch_all([WEB]) == given


def test_memory_does_not_know_who_is_blocked(database: Database, reads: FallbackReads) -> None:
    given = reads.fetch_all([WEB, WORKER])
    reads.heard_blocked([WEB, identity(404).id()])
    database.is_there = False
    assert reads.look_up(WEB) is None
    assert reads.fetch_all([WEB, WORKER]) == {WORKER: given[WORKER]}
    reads.heard_blocked([])
    assert reads.fetch_all([WEB]) == {WEB: given[WEB]}


def test_memory_forgets_who_was_found_to_be_unknown(database: Database, reads: FallbackReads) -> None:
    reads.fetch_all([WEB])
    database.serials = {}
    assert reads.look_up(WEB) is None
    database.is_there = False
    with pytest.raises(DatabaseAwayError):
        reads.look_up(WEB)


def test_an_answers_size_is_that_of_its_bytes() -> None:
    assert Answer("web-shop", 1, bytes(32), 2, bytes(3000)).size_bytes == 3000
