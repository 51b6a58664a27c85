"""The rotation of the root key: every value is sealed again under a new root key, a few at a time, while the server runs.

The old root key is deleted when no value is sealed under it. If a rotation is interrupted, both root keys are in the database, and each
value has the number of its own; the next run continues.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Table, bindparam, func, select, tuple_

from ...errors import SealError
from ..events import RootKeysTakenOver, RotationBegun, RotationEnded
from ..log.ledger import Ledger
from ..sealing import NUMBER, Keyring, SealedColumn
from ..sql.database import Database
from ..sql.root_keys import RootKeys
from ..sql.schema import SEALED

# Values in one transaction, for which other writers wait: at most 64 MiB of blobs.
_VALUES_AT_A_TIME: Final = 64


class Rotation:
    """One rotation. It begins a new one, or continues one that was interrupted.

    Args:
        database: the database whose values are sealed again.
        roots: the database's root keys.
        now: the time in seconds since 1970.

    Attributes:
        total: the number of values that are to be sealed again.

    Raises:
        StoreError: if the database failed.
    """

    def __init__(self, database: Database, roots: RootKeys, *, now: int) -> None:
        self._database = database
        self._roots = roots
        self._now = now
        with database.transaction(writes=True) as connection:
            if roots.read(connection).is_single:
                roots.add(connection)
                keyring = roots.read(connection)
                Ledger(connection, keyring, now=now).record(RotationBegun(root_key=keyring.current))
            self.total = sum(self._count(connection, column) for _, column in SEALED)

    def run(self) -> Iterator[int]:
        """Seal all values again, then delete the old root key. Yield the number of values in each transaction.

        Raises:
            SealError: if a value does not open. That value and the old root key stay as they are.
            StoreError: if the database failed.
        """
        for place, column in SEALED:
            yield from self._run(place, column)
        with self._database.transaction(writes=True) as connection:
            # Values that were written in the meantime are sealed under the new root key. A value under the old one would be lost with it.
            if left := sum(self._count(connection, column) for _, column in SEALED):
                raise SealError(f"{left} values are still sealed under the old root key, so it was not deleted: run this again")
            self._roots.drop_old(connection)
            keyring = self._roots.read(connection)
            Ledger(connection, keyring, now=self._now).record(RotationEnded(root_key=keyring.current))

    def _run(self, place: SealedColumn, column: Column[bytes]) -> Iterator[int]:
        table = column.table
        assert isinstance(table, Table)
        key = table.primary_key.columns.keys()
        update = table.update().where(*(table.c[name] == bindparam(f"of_{name}") for name in key)).values({column: bindparam("sealed")})
        last: tuple[Any, ...] | None = None
        while True:
            with self._database.transaction(writes=True) as connection:
                keyring = self._roots.read(connection)
                rows = self._next(connection, keyring, table, column, last)
                values = []
                for *of_row, sealed in rows:
                    at = place.of(*of_row)
                    resealed = keyring.seal(at, keyring.open(at, sealed))
                    values.append({f"of_{name}": part for name, part in zip(key, of_row, strict=True)} | {"sealed": resealed})
                if values:
                    connection.execute(update, values)
            if not rows:
                return
            last = rows[-1][:-1]
            yield len(rows)

    def _next(
        self, connection: Connection, keyring: Keyring, table: Table, column: Column[bytes], last: tuple[Any, ...] | None
    ) -> list[tuple[Any, ...]]:
        """Return the next rows after `last` whose value is sealed under an older root key: their keys and the value."""
        key = list(table.primary_key.columns)
        statement = select(*key, column).where(_is_old(column, keyring)).order_by(*key).limit(_VALUES_AT_A_TIME)
        if last is not None:
            statement = statement.where(tuple_(*key) > tuple_(*last))
        return [tuple(row) for row in connection.execute(statement)]

    def _count(self, connection: Connection, column: Column[bytes]) -> int:
        keyring = self._roots.read(connection)
        return connection.scalar(select(func.count()).select_from(column.table).where(_is_old(column, keyring))) or 0


def _is_old(column: Column[bytes], keyring: Keyring) -> ColumnElement[bool]:
    """Return the condition that a value exists and is sealed under another root key than the last."""
    return func.substr(column, 1, NUMBER.size) != NUMBER.pack(keyring.current)


def take_over(database: Database, roots: RootKeys, former: bytes, *, server: bytes, now: int) -> int:
    """Make the root keys of a database open with another identity than the one with which they open now.

    Args:
        database: the database.
        roots: the root keys, by the identity that is to open them.
        former: `at_rest_key` of the identity with which they open now.
        server: the id of the server whose identity is to open them.
        now: the time in seconds since 1970.

    Returns:
        The number of root keys.

    Raises:
        SealError: if `former` does not open the root keys.
        StoreError: if the database cannot be used.
    """
    with database.transaction(writes=True) as connection:
        count = roots.take_over(connection, former)
        Ledger(connection, roots.read(connection), now=now).record(RootKeysTakenOver(server=server))
        return count
