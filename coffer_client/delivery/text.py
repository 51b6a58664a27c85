"""A secret as text, or alone, exactly. `formats` has the table of forms, and the formats of several."""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, TypeAlias

    from coffer_protocol.shard import SecretValue

Secrets: TypeAlias = "Mapping[str, SecretValue]"

RAW: Final = "raw"


def text_of(value: SecretValue) -> str:
    """A value as text, as the table in `formats` has it."""
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            import binascii

            return binascii.b2a_base64(value, newline=False).decode()
        case str() | int() | float():
            return str(value)
        # What is left are dates and times. The types are not named: whoever has none need not load them.
        case _:
            text = value.isoformat()
            return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def bytes_of(value: SecretValue) -> bytes:
    """A value as it stands alone: bytes as they are, all else as text in UTF-8, with nothing added."""
    return bytes(value) if isinstance(value, bytes) else text_of(value).encode()


def raw(value: SecretValue, *, terminal: bool) -> bytes:
    """One value, exactly: nothing is added, but a newline on a terminal where the value is not bytes and does not end in one."""
    data = bytes_of(value)
    return data + b"\n" if terminal and not isinstance(value, bytes) and not data.endswith(b"\n") else data
