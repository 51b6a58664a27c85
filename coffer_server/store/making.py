"""Writes the changes of one upload into an open transaction, in groups, which ends in a release or in nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, and_, bindparam, func, select

from coffer_protocol.message import Drop, Put, Reuse
from coffer_protocol.primitives import sha256

from . import rules
from .base import Change
from .schema import IS_CURRENT, blobs, members, publishers

# Changes are written in groups: many rows for one statement, and never many large blobs in memory.
_GROUP_CHANGES: Final = 500
_GROUP_BYTES: Final = 4 << 20

_END_MEMBER: Final = (
    members.update()
    .where(members.c.coffer == bindparam("of_coffer"), members.c.client == bindparam("of_client"), IS_CURRENT)
    .values(until_serial=bindparam("ended"))
)


def groups(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """The changes in groups of a size that is written at once."""
    group: list[Change] = []
    size_bytes = 0
    for change in changes:
        group.append(change)
        if isinstance(change, Put):
            size_bytes += len(change.blob) + len(change.note)
        if len(group) >= _GROUP_CHANGES or size_bytes >= _GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


class Making:
    """A release in the making.

    Attributes:
        has_changed: whether any change so far has made a difference.
    """

    def __init__(self, connection: Connection, coffer: str, serial: int) -> None:
        self._connection = connection
        self._coffer = coffer
        self._serial = serial
        self.has_changed = False

    def apply(self, group: list[Change]) -> None:
        """Check and write some changes.

        Raises:
            DeniedError: one of them may not be.
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
            if old is None or not rules.is_same(change, alg=old.alg, since=old.since, sha256=old.sha256, mark=old.mark):
                self.has_changed = True
        if current:
            self._connection.execute(
                _END_MEMBER, [{"of_coffer": self._coffer, "of_client": client, "ended": self._serial} for client in current]
            )
        if puts := [self._blob_row(change) for change in group if isinstance(change, Put)]:
            self._connection.execute(blobs.insert(), puts)
        if rows := self._member_rows(group):
            self._connection.execute(members.insert(), rows)

    def _rows(self, statement: sqlalchemy.Select[Any], ids: list[bytes]) -> Iterable[Any]:
        return self._connection.execute(statement, {"ids": ids})

    def _touched(self, ids: list[bytes]) -> list[Any]:
        """Those that an earlier group has changed: they have begun, or ended, at the serial that is being made."""
        at_serial = (members.c.from_serial == self._serial) | (members.c.until_serial == self._serial)
        of_coffer = and_(members.c.coffer == self._coffer, members.c.client.in_(bindparam("ids", expanding=True)))
        return list(self._rows(select(members.c.client).where(of_coffer, at_serial), ids))

    def _blob_row(self, put: Put) -> dict[str, Any]:
        row = {"coffer": self._coffer, "client": put.id, "since": self._serial, "alg": put.alg, "sha256": sha256(put.blob)}
        return row | {"blob": put.blob, "note": put.note}

    def _member_rows(self, group: list[Change]) -> list[dict[str, Any]]:
        sizes = self._held([change for change in group if isinstance(change, Reuse)])
        rows: list[dict[str, Any]] = []
        for change in group:
            match change:
                case Put():
                    since, digest, size = self._serial, sha256(change.blob), len(change.blob)
                case Reuse():
                    since, digest = change.since, change.sha256
                    held = sizes.get((change.id, change.alg, since, digest))
                    size = rules.deny_reuse(change.id) if held is None else held
                case Drop():
                    continue
            row = {"coffer": self._coffer, "client": change.id, "from_serial": self._serial, "until_serial": None}
            rows.append(row | {"since": since, "alg": change.alg, "sha256": digest, "blob_bytes": size, "mark": change.mark})
        return rows

    def _held(self, reuses: list[Reuse]) -> dict[tuple[bytes, int, int, bytes], int]:
        """The size in bytes of each blob that the coffer's history holds for these clients."""
        if not reuses:
            return {}
        statement = select(blobs.c.client, blobs.c.alg, blobs.c.since, blobs.c.sha256, func.length(blobs.c.blob).label("size")).where(
            blobs.c.coffer == self._coffer, blobs.c.client.in_(bindparam("ids", expanding=True))
        )
        rows = self._rows(statement, [reuse.id for reuse in reuses])
        return {(row.client, row.alg, row.since, row.sha256): row.size for row in rows}
