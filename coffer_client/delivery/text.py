"""One secret as text, or exactly as bytes. `formats.py` has the table of how each type is written, and the formats for several secrets."""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, TypeAlias

    from coffer_protocol.shard import SecretValue

Secrets: TypeAlias = "Mapping[str, SecretValue]"

RAW: Final = "raw"


def text_of(value: SecretValue) -> str:
    """Return a value as text, as the table in `formats.py` describes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            import binascii

            return binascii.b2a_base64(value, newline=False).decode()
        case str() | int() | float():
            return str(value)
        # The rest are dates and times. Their types are not named, so that a coffer without any does not load them.
        case _:
            text = value.isoformat()
            return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def bytes_of(value: SecretValue) -> bytes:
    """Return a value alone: bytes as they are, everything else as text in UTF-8, with nothing added."""
    return bytes(value) if isinstance(value, bytes) else text_of(value).encode()


def raw(value: SecretValue, *, terminal: bool) -> bytes:
    """Return one value exactly. On a terminal, a newline is added if the value is not bytes and does not end in one."""
    data = bytes_of(value)
    return data + b"\n" if terminal and not isinstance(value, bytes) and not data.endswith(b"\n") else data
