"""A definition as values, after it was read and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coffer_protocol.identity import ClientKey
from coffer_protocol.shard import Secret

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def dotted(parts: Iterable[str | int]) -> str:
    """Return a key path as TOML writes it, such as `web."smtp.host"`. An array's item is `[1]`, counted from 1."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            escaped = part if _BARE.fullmatch(part) else '"' + _escape(part) + '"'
            text += f".{escaped}" if text else escaped
    return text


def _escape(part: str) -> str:
    """Return a key without control characters, which must not reach an operator's terminal."""
    escaped = part.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(character if character.isprintable() else f"\\U{ord(character):08X}" for character in escaped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The origin of a value.

    Attributes:
        path: the file, as the operator named it.
        line: the line, from 1.
        column: the character in that line, from 1.
        how: how the definition gives the value, such as `own value`, `shared group 'db'`, `from_file tls/web.key`, `template`,
            `env staging overlay`; several are joined by commas.
    """

    path: str
    line: int
    column: int
    how: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client and its secrets.

    Attributes:
        name: the name in `[clients]`.
        keys: the public keys of its hosts. Each host gets the same secrets.
        secrets: its own secrets in the definition's order, then those of its groups.
        public: the keys of the secrets that are configuration and may be shown.
        origins: the origin of each secret, by key.
    """

    name: str
    keys: tuple[ClientKey, ...]
    secrets: tuple[Secret, ...]
    public: frozenset[str]
    origins: Mapping[str, Origin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A definition, completely read and checked.

    Attributes:
        path: the file that was named, which may include others.
        name: the coffer's name; None if the definition does not give it.
        server: the address of the server, as text that has been checked, or None.
        plain_server: the same with the server's plain id, for clients of suite 0.
        expires: how long a release is valid, as text that `durations.parse_lifetime` reads, or None.
        clients: the clients by name, in the order of `[clients]`.
        warnings: what is allowed but may be a mistake, a line each.
        clear_files: the files of the definition that hold secret values of their own in the clear, also in overlays that are not used.
        secret_files: the files that hold secrets in the clear: those of the definition that have values of their own, and those that
            `from_file` names for keys that are not public.
    """

    path: Path
    name: str | None
    server: str | None
    plain_server: str | None
    expires: str | None
    clients: Mapping[str, Client]
    warnings: tuple[str, ...]
    clear_files: tuple[Path, ...] = ()
    secret_files: tuple[Path, ...] = ()
