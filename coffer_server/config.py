"""server.toml: the server's settings, parsed strictly."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import tomli

from coffer_protocol import limits
from coffer_protocol.address import DEFAULT_PORT, Host
from coffer_protocol.errors import KeyTextError

from .errors import SettingsError
from .store.cache import DEFAULT_BYTES

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("text", "json")
_SUITES: Final = (0, 1)
STORE_PREFIX: Final = "postgresql+psycopg://"
# What docs/protocol.md, 3 demands, and so the most that may be set.
STILL_S: Final = 60
# A date that far back is before any release.
_MAX_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What server.toml says; each field's default is what stands where the file says nothing.

    Attributes:
        listen: where the server listens; port 0 picks a free one.
        advertise: the name and port that clients use, or None for the first of `listen`.
        suites: the suites that are served. Suite 1 must be: publishers speak nothing else.
        store: the URL of the PostgreSQL database that the server shares with others, or None for an SQLite database of its own.
        cache_bytes: what the server keeps of its store in memory, at most.
        max_connections: beyond it, a new connection is closed at once.
        upload_bytes: what one upload may have.
        upload_shards: how many clients one upload may name.
        keep_releases: how many of a coffer's last releases are held with all that is in them.
        keep_days: for how long a release is held, whatever their number, after another has followed it.
        still_s: after how many seconds, at most, a watcher is told that there is nothing newer.
        log_level: one of `LOG_LEVELS`.
        log_format: `text` for people, `json` for machines.
    """

    listen: tuple[Host, ...] = (Host(name="127.0.0.1"),)
    advertise: Host | None = None
    suites: tuple[int, ...] = _SUITES
    store: str | None = None
    cache_bytes: int = DEFAULT_BYTES
    max_connections: int = 16_384
    upload_bytes: int = limits.UPLOAD_BYTES
    upload_shards: int = limits.UPLOAD_SHARDS
    keep_releases: int = 20
    keep_days: int = 90
    still_s: int = STILL_S
    log_level: str = "info"
    log_format: str = "text"

    @property
    def advertised(self) -> Host:
        """The host that belongs into this server's address."""
        return self.advertise or self.listen[0]


def for_host(advertise: Host | None, *, store: str | None = None) -> Settings:
    """The settings of a new server: one that others reach by `advertise`, or one for this machine alone. `store` is its database's URL.

    Raises:
        SettingsError: one of them cannot be used.
    """
    if store is not None:
        try:
            _store(store)
        except ValueError as error:
            raise SettingsError(f"--store: {error}") from None
    if advertise is None:
        return Settings(store=store)
    if advertise.port == 0:
        raise SettingsError(f"--host {advertise}: clients cannot connect to port 0; leave the port out for {DEFAULT_PORT}")
    everywhere = (Host(name="0.0.0.0", port=advertise.port), Host(name="::", port=advertise.port))  # noqa: S104 (asked for by --host)
    return Settings(listen=everywhere, advertise=advertise, store=store)


def parse(text: str, *, source: str) -> Settings:
    """The settings in the text of a server.toml. `source` names the file in errors.

    Raises:
        SettingsError: it is not TOML, or a key is unknown or holds what it must not; the text names the key.
    """
    try:
        table = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise SettingsError(f"{source} is not TOML: {error}") from None
    values = {}
    for key, value in table.items():
        if key not in _PARSERS:
            nearest = difflib.get_close_matches(key, _PARSERS, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{source}: the key {key!r} is unknown; the nearest that is known is {nearest!r}")
        try:
            values[key] = _PARSERS[key](value)
        except (ValueError, KeyTextError) as error:
            raise SettingsError(f"{source}: {key}: {error}") from None
    return Settings(**values)


def _hosts(value: object) -> tuple[Host, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError('a list of "HOST:PORT" is wanted')
    return tuple(Host.from_text(item) for item in value)


def _host(value: object) -> Host:
    if not isinstance(value, str):
        raise ValueError('"NAME" or "NAME:PORT" is wanted')
    host = Host.from_text(value)
    if host.port == 0:
        raise ValueError(f"clients cannot connect to port 0; leave the port out for {DEFAULT_PORT}")
    return host


def _suites(value: object) -> tuple[int, ...]:
    if value not in ([0, 1], [1, 0], [1]) or any(isinstance(item, bool) for item in value):
        raise ValueError("[0, 1] or [1] is wanted: publishers speak suite 1, so it is always served")
    return tuple(sorted(value))


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 63:
        raise ValueError("a whole number from 1 is wanted")
    return value


def _store(value: object) -> str:
    if not isinstance(value, str) or not value.startswith(STORE_PREFIX):
        raise ValueError(f'"{STORE_PREFIX}USER:PASSWORD@HOST/DATABASE" is wanted')
    return value


def _from_1_to(most: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise ValueError(f"a whole number from 1 to {most} is wanted")
        return value

    return check


def _one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is wanted")
        return value

    return check


_PARSERS: Final[dict[str, Callable[[Any], Any]]] = {
    "listen": _hosts,
    "advertise": _host,
    "suites": _suites,
    "store": _store,
    "cache_bytes": _count,
    "max_connections": _count,
    "upload_bytes": _count,
    "upload_shards": _count,
    "keep_releases": _count,
    "keep_days": _from_1_to(_MAX_DAYS),
    "still_s": _from_1_to(STILL_S),
    "log_level": _one_of(LOG_LEVELS),
    "log_format": _one_of(LOG_FORMATS),
}

_COMMENTS: Final = {
    "listen": 'Where the server listens. IPv6 stands in brackets: "[::1]:26337". Port 0 picks a free one.',
    "advertise": 'The name that clients use, "NAME" or "NAME:PORT": it stands in the address that `coffer-server id` prints.',
    "suites": "The suites that are served: 0 is for the smallest clients (NaCl box), 1 for all others and for publishers.",
    "store": "The PostgreSQL database that this server shares with others; without it, coffer.sqlite3 beside this file.",
    "cache_bytes": "What the server keeps of its store in memory, in bytes: with PostgreSQL, what it can serve while that is away.",
    "max_connections": "Connections at one time, in all; beyond it a new one is closed at once.",
    "upload_bytes": "What one upload may have, in bytes.",
    "upload_shards": "How many clients one upload may name.",
    "keep_releases": "How many of a coffer's last releases are held with all that is in them, for `history` and `rollback`.",
    "keep_days": "Besides them, those that were the current release within so many days. Heads are kept for ever.",
    "still_s": f"A watcher is told that there is nothing newer after so many seconds, or earlier; {STILL_S} at most.",
    "log_level": "debug, info, warning or error.",
    "log_format": "text for people, json for machines; both go to stderr.",
}

# What is shown where the default is None.
_EXAMPLES: Final[dict[str, object]] = {
    "advertise": Host(name="secrets.example.org"),
    "store": f"{STORE_PREFIX}coffer:PASSWORD@/coffer?host=db1.example.org&host=db2.example.org",
}


def render(settings: Settings) -> str:
    """The text of a server.toml: every key with what it means, those at their defaults commented out."""
    lines = ["# Settings of a Coffer server. A line that begins with # shows a default; restart the server after a change."]
    for field in fields(settings):
        value = getattr(settings, field.name)
        shown = _EXAMPLES[field.name] if value is None else value
        assignment = f"{field.name} = {_toml(shown)}"
        lines += ["", f"# {_COMMENTS[field.name]}", f"# {assignment}" if value == field.default else assignment]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    match value:
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case int():
            return str(value)
        case Host(name=name, port=port):
            # With its port, for who edits the line would look for it.
            return f'"[{name}]:{port}"' if ":" in name else f'"{name}:{port}"'
        case _:
            # TOML's basic strings take JSON's escapes.
            return json.dumps(value, ensure_ascii=False)
