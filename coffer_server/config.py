"""The settings of a server, in server.toml, which is parsed strictly."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

from coffer_common import documents
from coffer_common.errors import TextFileError
from coffer_protocol import limits
from coffer_protocol.address import DEFAULT_PORT, Host
from coffer_protocol.errors import KeyTextError

from .errors import SettingsError
from .store.cache import DEFAULT_BYTES

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("text", "json")
_SUITES: Final = (0, 1)
STORE_PREFIX: Final = "postgresql+psycopg://"
# docs/protocol.md, 3 demands this, so it is also the most that may be set.
STILL_S: Final = 60
# A hundred years: longer than any release can be held.
_MAX_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in server.toml. A field's default applies if the file does not set it.

    Attributes:
        listen: the addresses on which the server listens. Port 0 picks a free port.
        advertise: the name and port that clients use, or None for the first of `listen`.
        suites: the suites that are served. Suite 1 is always among them, because publishers speak no other.
        store: the URL of the PostgreSQL database that the server shares with other servers, or None for an SQLite database of its own.
        cache_bytes: the limit of the server's cache in memory.
        max_connections: the limit of connections at one time. Beyond it, a new connection is closed at once.
        upload_bytes: the limit of the size of one upload.
        upload_shards: the limit of the number of clients that one upload names.
        keep_releases: how many of a coffer's last releases are held with all their contents.
        keep_days: for how many days a release is held after another has followed it, whatever their number.
        still_s: the longest time in seconds after which a watcher hears that there is no newer release.
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
        """The host in this server's address."""
        return self.advertise or self.listen[0]


def for_host(advertise: Host | None, *, store: str | None = None) -> Settings:
    """Return the settings of a new server.

    Args:
        advertise: the host by which other machines reach the server, or None for a server that only this machine reaches.
        store: the URL of the server's PostgreSQL database, or None for SQLite.

    Raises:
        SettingsError: if `advertise` or `store` cannot be used.
    """
    if store is not None:
        try:
            _store(store)
        except ValueError as error:
            raise SettingsError(f"--store: {error}") from None
    if advertise is None:
        return Settings(store=store)
    if advertise.port == 0:
        raise SettingsError(f"--host {advertise}: clients cannot connect to port 0: leave the port out for {DEFAULT_PORT}")
    everywhere = (Host(name="0.0.0.0", port=advertise.port), Host(name="::", port=advertise.port))  # noqa: S104 (asked for by --host)
    return Settings(listen=everywhere, advertise=advertise, store=store)


def parse(text: str, *, source: str) -> Settings:
    """Return the settings in the text of a server.toml. `source` names the file in errors.

    Raises:
        SettingsError: if the text is not TOML, or a key is unknown or has a wrong value. The text names the key.
    """
    try:
        table = documents.parse_toml(text, source)
    except TextFileError as error:
        raise SettingsError(str(error)) from None
    values = {}
    for key, value in table.items():
        if key not in _PARSERS:
            nearest = difflib.get_close_matches(key, _PARSERS, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{source}: unknown key {key!r}: did you mean {nearest!r}?")
        try:
            values[key] = _PARSERS[key](value)
        except (ValueError, KeyTextError) as error:
            raise SettingsError(f"{source}: {key}: {error}") from None
    return Settings(**values)


def _hosts(value: object) -> tuple[Host, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError('expected a list of "HOST:PORT"')
    return tuple(Host.from_text(item) for item in value)


def _host(value: object) -> Host:
    if not isinstance(value, str):
        raise ValueError('expected "NAME" or "NAME:PORT"')
    host = Host.from_text(value)
    if host.port == 0:
        raise ValueError(f"clients cannot connect to port 0: leave the port out for {DEFAULT_PORT}")
    return host


def _suites(value: object) -> tuple[int, ...]:
    if value not in ([0, 1], [1, 0], [1]) or any(isinstance(item, bool) for item in value):
        raise ValueError("expected [0, 1] or [1]: suite 1 is always served, because publishers speak it")
    return tuple(sorted(value))


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 63:
        raise ValueError("expected a whole number from 1")
    return value


def _store(value: object) -> str:
    if not isinstance(value, str) or not value.startswith(STORE_PREFIX):
        raise ValueError(f'expected "{STORE_PREFIX}USER:PASSWORD@HOST/DATABASE"')
    return value


def _from_1_to(most: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise ValueError(f"expected a whole number from 1 to {most}")
        return value

    return check


def _one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
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
    "listen": 'The addresses on which the server listens. Write IPv6 in brackets: "[::1]:26337". Port 0 picks a free port.',
    "advertise": 'The name that clients use, "NAME" or "NAME:PORT". `coffer-server id` prints it in the address.',
    "suites": "The suites that are served: 0 is for the smallest clients (NaCl box), 1 for all others and for publishers.",
    "store": "The PostgreSQL database that this server shares with others. Without it the server uses coffer.sqlite3 in this folder.",
    "cache_bytes": "The size of the cache in memory, in bytes. A server on PostgreSQL serves from it while the database is away.",
    "max_connections": "The limit of connections at one time. Beyond it, a new connection is closed at once.",
    "upload_bytes": "The limit of the size of one upload, in bytes.",
    "upload_shards": "The limit of the number of clients that one upload names.",
    "keep_releases": "How many of a coffer's last releases are held with all their contents, for `history` and `rollback`.",
    "keep_days": "Releases that were current within this many days are held, too. Signed heads are kept for ever.",
    "still_s": f"A watcher hears that there is no newer release after at most this many seconds, from 1 to {STILL_S}.",
    "log_level": "debug, info, warning or error.",
    "log_format": "text for people, json for machines. Both go to stderr.",
}

# Shown as examples for keys without a default value.
_EXAMPLES: Final[dict[str, object]] = {
    "advertise": Host(name="secrets.example.org"),
    "store": f"{STORE_PREFIX}coffer:PASSWORD@/coffer?host=db1.example.org&host=db2.example.org",
}


def render(settings: Settings) -> str:
    """Return the text of a server.toml: every key with its meaning. Keys at their defaults are commented out."""
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
            # Always with the port, because a person who edits the line would look for it.
            return f'"[{name}]:{port}"' if ":" in name else f'"{name}:{port}"'
        case _:
            # TOML's basic strings take JSON's escapes.
            return json.dumps(value, ensure_ascii=False)
