"""A release in preparation: the changes of one upload, applied in groups in an open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy
from sqlalchemy import and_, bindparam, func, select

from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.message import Drop, Put, Reuse

from . import rules
from .base import Change
from .events import CHANGES_PER_EVENT, Changed, Entered, Left
from .log.ledger import Ledger
from .sealing import OVERHEAD_BYTES
from .sql.schema import BLOB, IS_CURRENT, MARK, NOTE, blobs, members, publishers

# Changes are written in groups: many rows with one statement, but never many large blobs in memory.
_GROUP_BYTES: Final = 4 << 20


def groups(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Yield the changes in groups, each small enough to be written at once."""
    group: list[Change] = []
    size_bytes = 0
    for change in changes:
        group.append(change)
        if isinstance(change, Put):
            size_bytes += len(change.blob) + len(change.note)
        if len(group) >= CHANGES_PER_EVENT or size_bytes >= _GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


class PendingRelease:
    """A release in preparation. When its transaction ends, it is a release, or nothing of it is left.

    Args:
        ledger: the ledger of the transaction.
        coffer: the coffer's name.
        serial: the serial of the release.

    Attributes:
        has_changed: whether any change so far makes the release differ from the current one.
    """

    def __init__(self, ledger: Ledger, coffer: str, serial: int) -> None:
        self._ledger = ledger
        self._connection = ledger.connection
        self._keyring = ledger.keyring
        self._coffer = coffer
        self._serial = serial
        self.has_changed = False

    def apply(self, group: list[Change]) -> None:
        """Check and write a group of changes.

        Raises:
            DeniedError: if one of the changes is not allowed.
        """
        ids = [change.id for change in group]
        rules.check_named_once(ids, self._touched(ids))
        current = {
            row.client: row
            for row in self._rows(select(members).where(members.c.client.in_(bindparam("ids", expanding=True)), IS_CURRENT), ids)
        }
        publishing = {
            row.client: row.coffer
            for row in self._rows(
                select(publishers.c.client, publishers.c.coffer).where(publishers.c.client.in_(bindparam("ids", expanding=True))), ids
            )
        }
        for change in group:
            old = current.get(change.id)
            rules.check_change(change, coffer=self._coffer, holder=None if old is None else old.coffer, publishes=publishing.get(change.id))
            self.has_changed |= old is None or not self._is_same(change, old)
        if puts := [self._blob_row(change) for change in group if isinstance(change, Put)]:
            self._connection.execute(blobs.insert(), puts)
        self._ledger.record(Changed(coffer=self._coffer, serial=self._serial, changes=tuple(self._happened(group))))

    def _is_same(self, change: Change, old: Any) -> bool:
        mark = self._keyring.open(MARK.of(old.coffer, old.client, old.from_serial), old.mark)
        return rules.is_same(change, alg=old.alg, since=old.since, sha256=old.sha256, mark=mark)

    def _rows(self, statement: sqlalchemy.Select[Any], ids: list[bytes]) -> Iterable[Any]:
        return self._connection.execute(statement, {"ids": ids})

    def _touched(self, ids: list[bytes]) -> list[Any]:
        """Return the ids that an earlier group has changed: their membership begins or ends at the serial of this release."""
        at_serial = (members.c.from_serial == self._serial) | (members.c.until_serial == self._serial)
        of_coffer = and_(members.c.coffer == self._coffer, members.c.client.in_(bindparam("ids", expanding=True)))
        return list(self._rows(select(members.c.client).where(of_coffer, at_serial), ids))

    def _blob_row(self, put: Put) -> dict[str, Any]:
        digest = sha256(put.blob)
        key = (self._coffer, put.id, self._serial, put.alg, digest)
        row = {"coffer": self._coffer, "client": put.id, "since": self._serial, "alg": put.alg, "sha256": digest}
        return row | {"blob": self._keyring.seal(BLOB.of(*key), put.blob), "note": self._keyring.seal(NOTE.of(*key), put.note)}

    def _happened(self, group: list[Change]) -> Iterator[Entered | Left]:
        sizes = self._held([change for change in group if isinstance(change, Reuse)])
        for change in group:
            match change:
                case Put(id=client, alg=alg, mark=mark, blob=blob):
                    yield Entered(id=client, alg=alg, since=self._serial, sha256=sha256(blob), mark=mark, blob_bytes=len(blob))
                case Reuse(id=client, alg=alg, mark=mark, since=since, sha256=digest):
                    held = sizes.get((client, alg, since, digest))
                    size = rules.deny_reuse(client) if held is None else held
                    yield Entered(id=client, alg=alg, since=since, sha256=digest, mark=mark, blob_bytes=size)
                case Drop(id=client):
                    yield Left(id=client)

    def _held(self, reuses: list[Reuse]) -> dict[tuple[bytes, int, int, bytes], int]:
        """Return the size in bytes of each blob that the coffer's history holds for these clients."""
        if not reuses:
            return {}
        statement = select(blobs.c.client, blobs.c.alg, blobs.c.since, blobs.c.sha256, func.length(blobs.c.blob).label("size")).where(
            blobs.c.coffer == self._coffer, blobs.c.client.in_(bindparam("ids", expanding=True))
        )
        rows = self._rows(statement, [reuse.id for reuse in reuses])
        return {(row.client, row.alg, row.since, row.sha256): row.size - OVERHEAD_BYTES for row in rows}
