"""A cache in memory, bounded in bytes, so that memory does not grow with the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Protocol, TypeVar

DEFAULT_BYTES: Final = 64 << 20
# What an entry costs in addition to its own bytes: the key, the objects, and its place in the dictionary.
ENTRY_BYTES: Final = 500


class Kept(Protocol):
    """A value that a cache can keep."""

    @property
    def size_bytes(self) -> int:
        """The value's size in memory, in bytes, as far as it varies."""


_Kept = TypeVar("_Kept", bound=Kept)


class Cache:
    """Values by their keys. If they have too many bytes, the least recently used are dropped. Any thread may use a cache.

    A value that is larger than the whole cache is not kept.

    Args:
        max_bytes: the limit of the sizes of all values together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: Hashable, kind: type[_Kept]) -> _Kept | None:
        """Return the value under `key`, which must be of this kind, or None if there is no value."""
        with self._lock:
            value = self._kept.get(key)
            if value is None:
                return None
            self._kept.move_to_end(key)
        assert isinstance(value, kind)
        return value

    def get_or_make(self, key: Hashable, kind: type[_Kept], make: Callable[[], _Kept]) -> _Kept:
        """Return the value under `key`. If there is no value, make and keep one; other threads that want it wait."""
        if (value := self.get(key, kind)) is not None:
            return value
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            if (value := self.get(key, kind)) is not None:
                return value
            try:
                made = make()
                self.put(key, made)
            finally:
                with self._lock:
                    self._making.pop(key, None)
            return made

    def put(self, key: Hashable, value: Kept) -> None:
        """Keep a value. It replaces the value that has the same key."""
        with self._lock:
            self._drop(key)
            if _cost_bytes(value) > self._max_bytes:
                return
            self._kept[key] = value
            self.size_bytes += _cost_bytes(value)
            while self.size_bytes > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def drop(self, key: Hashable) -> None:
        """Drop the value under `key`, if there is one."""
        with self._lock:
            self._drop(key)

    def items(self) -> list[tuple[Hashable, Kept]]:
        """Return all keys with their values, the least recently used first."""
        with self._lock:
            return list(self._kept.items())

    def _drop(self, key: Hashable) -> None:
        if (value := self._kept.pop(key, None)) is not None:
            self.size_bytes -= _cost_bytes(value)


def _cost_bytes(value: Kept) -> int:
    return value.size_bytes + ENTRY_BYTES
