"""Values that do not show themselves.

Each type is a subclass of what it holds, and differs from it only in its repr: `str(value)`, formatting, equality, hashing and JSON are
those of the plain value, and a pickle holds the plain value. So a value that gets into a debugger, a log of a structure or an assertion's
message is not shown, and a value that is used works as usual. What its methods return (`value.upper()`) is plain.
"""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Self, SupportsIndex


class Redacted:
    """The repr that hides the value. A copy is the value itself, because it cannot change."""

    __slots__ = ()
    _kind = "value"

    def __repr__(self) -> str:
        return f"<secret {self._kind}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any], /) -> Self:
        return self


class SecretText(Redacted, str):
    """A text that hides itself."""

    __slots__ = ()
    _kind = "text"

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        return str, (str(self),)


class SecretBytes(Redacted, bytes):
    """Bytes that hide themselves. Their `str()` is Python's own b'…', which shows them."""

    __slots__ = ()
    _kind = "bytes"

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        return bytes, (bytes(self),)


class SecretInt(Redacted, int):
    """An integer that hides itself."""

    __slots__ = ()
    _kind = "integer"
    # int has no str of its own and would use the repr.
    __str__ = int.__repr__

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        return int, (int(self),)


class SecretFloat(Redacted, float):
    """A float that hides itself."""

    __slots__ = ()
    _kind = "float"
    # As for int.
    __str__ = float.__repr__

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        return float, (float(self),)
