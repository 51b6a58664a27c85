"""What the server keeps of its store in memory: bounded in bytes, so that memory does not grow with the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Protocol, TypeVar

DEFAULT_BYTES: Final = 64 << 20
# What an entry costs beside its own bytes: the key, the objects, and its place in the dictionary.
ENTRY_BYTES: Final = 500


class Kept(Protocol):
    """What a cache can keep."""

    @property
    def size_bytes(self) -> int:
        """Its size in memory, in bytes, as far as it varies."""


_Kept = TypeVar("_Kept", bound=Kept)


class Cache:
    """Values by their keys; those not asked for longest are dropped where they are too many bytes. Any thread may use it.

    A value larger than the whole cache is not kept.

    Args:
        max_bytes: what all values may have together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: Hashable, kind: type[_Kept]) -> _Kept | None:
        """The value under `key`, or None. It must be of this kind."""
        with self._lock:
            value = self._kept.get(key)
            if value is None:
                return None
            self._kept.move_to_end(key)
        assert isinstance(value, kind)
        return value

    def get_or_make(self, key: Hashable, kind: type[_Kept], make: Callable[[], _Kept]) -> _Kept:
        """The value under `key`, made where it is not kept. Threads that want the same wait for one that makes it."""
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
        """Keep a value, in the place of one that has the same key."""
        with self._lock:
            self._drop(key)
            if _cost_bytes(value) > self._max_bytes:
                return
            self._kept[key] = value
            self.size_bytes += _cost_bytes(value)
            while self.size_bytes > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def drop(self, key: Hashable) -> None:
        """Forget the value under `key`, if there is one."""
        with self._lock:
            self._drop(key)

    def items(self) -> list[tuple[Hashable, Kept]]:
        """All keys with their values, those not asked for longest first."""
        with self._lock:
            return list(self._kept.items())

    def _drop(self, key: Hashable) -> None:
        if (value := self._kept.pop(key, None)) is not None:
            self.size_bytes -= _cost_bytes(value)


def _cost_bytes(value: Kept) -> int:
    return value.size_bytes + ENTRY_BYTES
