"""The root keys of a database: reading, unwrapping, adding and dropping them."""

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
    """The root keys that a process has unwrapped. Threads may share this object.

    Args:
        at_rest_key: the key that wraps the root keys, `Identity.at_rest_key` of the server's identity.
    """

    def __init__(self, at_rest_key: bytes) -> None:
        self._at_rest_key = at_rest_key
        self._known: dict[tuple[int, bytes], bytes] = {}
        self._keyring: Keyring | None = None

    def read(self, connection: Connection) -> Keyring:
        """Return the keyring of the root keys that the database has in this transaction.

        Raises:
            SealError: if a root key does not open, or if the database has no root key.
        """
        return self.update(connection.execute(select(root_keys.c.number, root_keys.c.wrapped)))

    def update(self, rows: Iterable[Any]) -> Keyring:
        """Return the keyring of these rows, which have the number and the wrapped key of each root key in the database.

        Raises:
            SealError: as for `read`.
        """
        wrapped = {(number, bytes(key)) for number, key in rows}
        if not wrapped:
            raise SealError("the database has no root key, so another program has changed it: restore a backup")
        if self._keyring is None or wrapped != self._known.keys():
            known = {(number, key): sealing.unwrap(key, number=number, at_rest_key=self._at_rest_key) for number, key in wrapped}
            self._known, self._keyring = known, Keyring({number: root for (number, _), root in known.items()})
        return self._keyring

    def keyring_for(self, sealed: bytes) -> Keyring | None:
        """Return the last keyring if it can open this value. Return None if the root keys must be read again."""
        keyring = self._keyring
        return keyring if keyring is not None and sealing.number_of(sealed) in keyring else None

    def add(self, connection: Connection) -> int:
        """Add a new root key, under which values are sealed from now on, and return its number."""
        numbers = connection.scalars(select(root_keys.c.number)).all()
        number = max(numbers, default=0) + 1
        root_key = primitives.random_bytes(sealing.ROOT_KEY_BYTES)
        connection.execute(root_keys.insert().values(number=number, wrapped=self._wrap(root_key, number)))
        return number

    def drop_old(self, connection: Connection) -> None:
        """Delete all root keys except for the last. The caller makes sure that no value is sealed under them."""
        connection.execute(delete(root_keys).where(root_keys.c.number < self.read(connection).current))

    def take_over(self, connection: Connection, former: bytes) -> int:
        """Wrap the root keys again that are wrapped by `former`, another identity's `at_rest_key`.

        Returns:
            The number of root keys.

        Raises:
            SealError: if `former` does not open a root key.
        """
        rows = connection.execute(select(root_keys.c.number, root_keys.c.wrapped)).all()
        for number, wrapped in rows:
            root_key = sealing.unwrap(wrapped, number=number, at_rest_key=former)
            connection.execute(root_keys.update().where(root_keys.c.number == number).values(wrapped=self._wrap(root_key, number)))
        return len(rows)

    def _wrap(self, root_key: bytes, number: int) -> bytes:
        return sealing.wrap(root_key, number=number, at_rest_key=self._at_rest_key)
