"""A secret as text or alone, exactly, and all of them as an environment. `formats` has the table of forms, and the other formats."""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

from .errors import EnvironmentNameError
from .naming import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, TypeAlias

    from coffer_protocol.shard import SecretValue

    from .naming import Naming

Secrets: TypeAlias = "Mapping[str, SecretValue]"

RAW: Final = "raw"
_TO_UNDERSCORE: Final = str.maketrans(".-", "__")


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


def variable_flaw(name: str, text: str) -> str | None:
    """Why `name` or `text` cannot stand in an environment; None where they can."""
    if not (name.isascii() and name.isidentifier()):
        return f"gives {name!r}, which is no name for a variable"
    # It would end the variable.
    return "has a NUL in its value" if "\0" in text else None


def environment(
    secrets: Secrets,
    naming: Naming = PLAIN,
    *,
    place: str = "an environment",
    flaw: Callable[[str, str], str | None] = variable_flaw,
) -> dict[str, str]:
    """The variables that hold the secrets, in their order. Dots and dashes in names become underscores.

    Args:
        secrets: by key.
        naming: which of them, under which names.
        place: where they go, for errors.
        flaw: says why a variable or its text cannot stand there.

    Raises:
        EnvironmentNameError: a key gives no name, several give one, or a value cannot stand there. The text names them all.
        NoSuchKeyError: a pattern of `naming` is like no key.
    """
    texts = {key: text_of(value) for key, value in naming.select(secrets).items()}
    return naming.rename(texts, place=place, spell=_underscored, flaw=flaw, error=EnvironmentNameError)


def _underscored(name: str) -> str:
    return name.translate(_TO_UNDERSCORE)
