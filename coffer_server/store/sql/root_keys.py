"""The root keys of a database, as one process knows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, select

from coffer_protocol.crypto import primitives

from ...errors import SealError
from .. import sealing
from ..sealing import Keyring
from .schema import root_keys


class RootKeys:
    """Unwraps root keys, and keeps the keyring that they make. Threads may share it.

    Args:
        at_rest_key: what wraps them: `Identity.at_rest_key` of the server's.
    """

    def __init__(self, at_rest_key: bytes) -> None:
        self._at_rest_key = at_rest_key
        self._known: dict[tuple[int, bytes], bytes] = {}
        self._keyring: Keyring | None = None

    def read(self, connection: Connection) -> Keyring:
        """The keyring as the database has it in this transaction.

        Raises:
            SealError: a root key does not open, or there is none.
        """
        return self.update(connection.execute(select(root_keys.c.number, root_keys.c.wrapped)))

    def update(self, rows: Iterable[Any]) -> Keyring:
        """The keyring of these rows: number and wrapped key of each root key in the database.

        Raises:
            SealError: as `read`.
        """
        wrapped = {(number, bytes(key)) for number, key in rows}
        if not wrapped:
            raise SealError("the database has no root key: it was changed by something else than Coffer; restore a backup")
        if self._keyring is None or wrapped != self._known.keys():
            known = {(number, key): sealing.unwrap(key, number=number, at_rest_key=self._at_rest_key) for number, key in wrapped}
            self._known, self._keyring = known, Keyring({number: root for (number, _), root in known.items()})
        return self._keyring

    def keyring_for(self, sealed: bytes) -> Keyring | None:
        """The keyring that was made last, where it can open this value; None where it must be read anew."""
        keyring = self._keyring
        return keyring if keyring is not None and sealing.number_of(sealed) in keyring else None

    def add(self, connection: Connection) -> int:
        """Make a root key, which values are sealed under from now on; its number."""
        numbers = connection.scalars(select(root_keys.c.number)).all()
        number = max(numbers, default=0) + 1
        root_key = primitives.random_bytes(sealing.ROOT_KEY_BYTES)
        connection.execute(root_keys.insert().values(number=number, wrapped=self._wrap(root_key, number)))
        return number

    def drop_old(self, connection: Connection) -> None:
        """Let go of every root key but the last. No value may be sealed under them any more."""
        connection.execute(delete(root_keys).where(root_keys.c.number < self.read(connection).current))

    def take_over(self, connection: Connection, former: bytes) -> int:
        """Wrap the root keys anew which are wrapped by `former`, another identity's `at_rest_key`.

        Returns:
            How many there are.

        Raises:
            SealError: one is wrapped by neither.
        """
        rows = connection.execute(select(root_keys.c.number, root_keys.c.wrapped)).all()
        for number, wrapped in rows:
            root_key = sealing.unwrap(wrapped, number=number, at_rest_key=former)
            connection.execute(root_keys.update().where(root_keys.c.number == number).values(wrapped=self._wrap(root_key, number)))
        return len(rows)

    def _wrap(self, root_key: bytes, number: int) -> bytes:
        return sealing.wrap(root_key, number=number, at_rest_key=self._at_rest_key)
