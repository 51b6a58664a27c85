"""Rotation of the root key: every sealed value is sealed anew under a new one, a few at a time, while the server serves.

The old root key goes when nothing is sealed under it any more. Where a rotation is interrupted, both are there, each value says which is
its own, and the next run goes on where this one ended.
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

# One transaction, which other writers wait for: at most 64 MiB of blobs.
_VALUES_AT_A_TIME: Final = 64


class Rotation:
    """One rotation, begun or gone on with.

    Args:
        database: whose values are sealed anew.
        roots: its root keys.
        now: seconds since 1970.

    Attributes:
        total: how many values are to be sealed anew.

    Raises:
        StoreError: the database failed.
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
        """Seal all of them, and let the old root key go. Gives, again and again, how many more are done.

        Raises:
            SealError: a value does not open. It is left as it is, and so is the old root key.
            StoreError: the database failed.
        """
        for place, column in SEALED:
            yield from self._run(place, column)
        with self._database.transaction(writes=True) as connection:
            # What was written meanwhile was sealed under the new one; but with the old one goes what is sealed under it.
            if left := sum(self._count(connection, column) for _, column in SEALED):
                raise SealError(f"{left} values are still sealed under the old root key, which stays: run this again")
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
                    anew = keyring.seal(at, keyring.open(at, sealed))
                    values.append({f"of_{name}": part for name, part in zip(key, of_row, strict=True)} | {"sealed": anew})
                if values:
                    connection.execute(update, values)
            if not rows:
                return
            last = rows[-1][:-1]
            yield len(rows)

    def _next(
        self, connection: Connection, keyring: Keyring, table: Table, column: Column[bytes], last: tuple[Any, ...] | None
    ) -> list[tuple[Any, ...]]:
        """The next rows behind `last` whose value is sealed under an older root key: their keys, and the value."""
        key = list(table.primary_key.columns)
        statement = select(*key, column).where(_is_old(column, keyring)).order_by(*key).limit(_VALUES_AT_A_TIME)
        if last is not None:
            statement = statement.where(tuple_(*key) > tuple_(*last))
        return [tuple(row) for row in connection.execute(statement)]

    def _count(self, connection: Connection, column: Column[bytes]) -> int:
        keyring = self._roots.read(connection)
        return connection.scalar(select(func.count()).select_from(column.table).where(_is_old(column, keyring))) or 0


def _is_old(column: Column[bytes], keyring: Keyring) -> ColumnElement[bool]:
    """Whether a value, where there is one, is sealed under another root key than the last."""
    return func.substr(column, 1, NUMBER.size) != NUMBER.pack(keyring.current)


def take_over(database: Database, roots: RootKeys, former: bytes, *, server: bytes, now: int) -> int:
    """Let the root keys of a database open with another identity than the one that they open with now.

    Args:
        database: whose root keys.
        roots: of the identity that is to open them.
        former: `at_rest_key` of the other.
        server: the id of the one that is to open them.
        now: seconds since 1970.

    Returns:
        How many there are.

    Raises:
        SealError: `former` does not open them either.
        StoreError: the database cannot be used.
    """
    with database.transaction(writes=True) as connection:
        count = roots.take_over(connection, former)
        Ledger(connection, roots.read(connection), now=now).record(RootKeysTakenOver(server=server))
        return count
