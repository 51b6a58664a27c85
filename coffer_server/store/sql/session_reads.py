"""The reads that every session makes, as statements on the driver itself: through SQLAlchemy each would cost four times that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from coffer_protocol.release.coffer import SealedAnswer

from .. import rules
from ..base import Fetched, Known, Reads
from ..cache import Cache
from ..snapshot import BLOCK_LEAVES, Block, BlockPosition, Leaf, Outline
from .database import Database, Reader
from .root_keys import RootKeys
from .schema import BLOB

_LAST_SERIAL: Final = "(SELECT MAX(serial) FROM releases WHERE releases.coffer = members.coffer)"
# This gives one row, or no row if the id is blocked.
_LOOK_UP: Final = f"""
    SELECT (SELECT coffer FROM publishers WHERE client = :client), members.coffer, members.alg, {_LAST_SERIAL}
    FROM (SELECT 1) AS always LEFT JOIN members ON members.client = :client AND members.until_serial IS NULL
    WHERE NOT EXISTS (SELECT 1 FROM blocked WHERE blocked.client = :client)
"""  # noqa: S608 (made of constants)
_FETCH: Final = f"""
    SELECT members.coffer, releases.serial, releases.sha256, releases.signed, members.alg, members.since, members.sha256, blobs.blob
    FROM members JOIN blobs USING (coffer, client, since, alg, sha256)
    JOIN releases ON releases.coffer = members.coffer AND releases.serial = {_LAST_SERIAL}
    WHERE members.client = :client AND members.until_serial IS NULL
    AND NOT EXISTS (SELECT 1 FROM blocked WHERE blocked.client = :client)
"""  # noqa: S608 (made of constants)
_LEAVES: Final = """
    SELECT client, alg, since, sha256, blob_bytes FROM members WHERE coffer = :coffer AND until_serial IS NULL ORDER BY client
"""
_OUTLINE: Final = "SELECT outline FROM outlines WHERE coffer = :coffer AND serial = :serial"
_ROOT_KEYS: Final = "SELECT number, wrapped FROM root_keys"
_BLOCK: Final = f"""
    SELECT client, alg, since, sha256, blob_bytes FROM members
    WHERE coffer = :coffer AND until_serial IS NULL AND client >= :first ORDER BY client LIMIT {BLOCK_LEAVES}
"""  # noqa: S608 (made of constants)


class SessionReads(Reads):
    """The look-ups and fetches of all sessions. Threads may share this object.

    Args:
        database: the database from which they are read.
        cache: keeps the outlines of current releases, and blocks of their leaves.
        roots: the database's root keys.
    """

    def __init__(self, database: Database, cache: Cache, roots: RootKeys) -> None:
        self._database = database
        self._cache = cache
        self._roots = roots

    def look_up(self, client: bytes) -> Known | None:
        row = self._database.read(lambda reader: reader.execute(_LOOK_UP, {"client": client}).fetchone())
        if row is None:
            return None
        publishes, holder, alg, serial = row
        if publishes is not None:
            return Known(coffer=publishes, suite=rules.PUBLISHER_SUITE, serial=serial, is_publisher=True)
        return None if holder is None else Known(coffer=holder, suite=rules.SUITE_OF_ALG[alg], serial=serial)

    def fetch_all(self, clients: Iterable[bytes]) -> dict[bytes, Fetched]:
        wanted = list(clients)

        def read(reader: Reader) -> dict[bytes, Fetched]:
            found = ((client, self._fetch(reader, client)) for client in wanted)
            return {client: fetched for client, fetched in found if fetched is not None}

        return self._database.read(read)

    def _fetch(self, reader: Reader, client: bytes) -> Fetched | None:
        row = reader.execute(_FETCH, {"client": client}).fetchone()
        if row is None:
            return None
        coffer, serial, release, signed, alg, since, digest, sealed = row
        keyring = self._roots.keyring_for(sealed) or self._roots.update(reader.execute(_ROOT_KEYS))
        blob = keyring.open(BLOB.of(coffer, client, since, alg, digest), sealed)

        # The cache knows releases by their hashes: after a failover that has lost a release, another release may have its serial.
        def outline() -> Outline:
            kept = reader.execute(_OUTLINE, {"coffer": coffer, "serial": serial}).fetchone()
            return Outline.of(coffer, _leaves(reader, coffer)) if kept is None else Outline.from_bytes(kept[0])

        def block_at(place: BlockPosition) -> Block:
            return self._cache.get_or_make((release, place.block), Block, lambda: Block(coffer, _block(reader, coffer, place)))

        proof = self._cache.get_or_make(release, Outline, outline).prove(client, block_at)
        body = SealedAnswer(signed=signed, index=proof.number, path=proof.path, alg=alg, since=since, blob=blob)
        return Fetched(coffer=coffer, serial=serial, body=body)


def _leaves(reader: Reader, coffer: str) -> Iterator[Leaf]:
    return (Leaf(*row) for row in reader.execute(_LEAVES, {"coffer": coffer}))


def _block(reader: Reader, coffer: str, place: BlockPosition) -> Iterator[Leaf]:
    return (Leaf(*row) for row in reader.execute(_BLOCK, {"coffer": coffer, "first": place.first}))
