"""One item -> one value: TOML's own values, and the tables that say from where to take a value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from coffer_common.documents import InexactNumber
from coffer_protocol.errors import ShardError
from coffer_protocol.limits import SHARD_BYTES
from coffer_protocol.shard import INT_MAX, INT_MIN, Secret, SecretValue, encode

from .layers import FROM, SOURCES, Item
from .model import Origin
from .source import Folder, Report, UnreadableError, read_bytes
from .templates import Template, TemplateError

# Warnings begin this long before a value must be changed.
EXPIRY_WARNING_DAYS: Final = 30

_OPTIONS: Final = {
    "from_file": ("type", "expires"),
    "from_env": ("expires",),
    "from_template": ("expires",),
    "from_value": ("expires",),
}
# tomli cuts off what follows the microseconds.
_TOO_FINE: Final = re.compile(r":\d\d\.\d{6}\d*[1-9]")
_FILE_TYPES: Final = ("text", "bytes")


class _RefusedError(Exception):
    """This value cannot be delivered. The text says why and what to do, and never contains the value."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Value:
    """One value, before it is known which client gets it.

    Attributes:
        key: its flat key.
        item: the item in the definition.
        origin: the origin of the value.
        secret: the secret; None for a template, and for a value that was refused.
        template: the template to fill in for each client, or None.
        size_bytes: how many bytes the secret takes in a shard; 0 if there is no secret yet.
    """

    key: str
    item: Item
    origin: Origin
    secret: Secret | None = None
    template: Template | None = None
    size_bytes: int = 0


def encoded_size(secret: Secret) -> int:
    """Return how many bytes a secret takes in a shard (docs/protocol.md, 6).

    Raises:
        ShardError: the secret does not fit into a shard.
    """
    # The head of a list with one item is one byte.
    return len(encode([secret])) - 1


class ValueReader:
    """Reads values, and what they may need from outside: files, the environment, and today's date."""

    def __init__(self, *, folder: Folder, environ: Mapping[str, str], today: date, report: Report) -> None:
        self._folder = folder
        self._environ = environ
        self._today = today
        self._report = report
        self._secret_files: dict[Path, None] = {}

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """The files that were found to hold secrets in the clear."""
        return tuple(self._secret_files)

    def read(self, key: str, item: Item) -> Value:
        """Return the value of one item. If something is wrong, the report gets that, and the value has no secret and no template."""
        mechanism = ""
        try:
            content, mechanism = self._from_table(item) if isinstance(item.raw, dict) else (self._scalar(item, item.raw), "")
            origin = item.place.origin(_how(item, mechanism))
            if isinstance(content, Template):
                return Value(key=key, item=item, origin=origin, template=content)
            secret = Secret(key=key, value=content)
            return Value(key=key, item=item, origin=origin, secret=secret, size_bytes=encoded_size(secret))
        except (_RefusedError, TemplateError, UnreadableError) as error:
            self._report.refuse(item.place, str(error))
        except ShardError as error:
            self._report.refuse(item.place, f"{error}: write another value, or take it out")
        return Value(key=key, item=item, origin=item.place.origin(_how(item, mechanism)))

    def _scalar(self, item: Item, raw: Any) -> SecretValue:
        match raw:
            case datetime() | time() if _TOO_FINE.search(item.place.line_text()):
                raise _RefusedError("a time has at most six digits after the second's point: take the others out, or write it as text")
            case str() | bool() | float() | datetime() | date() | time():
                pass
            case InexactNumber():
                raise _RefusedError("a number with a point has at most 64 bits, which cannot hold this one: write it as text, in quotes")
            case int():
                if not INT_MIN <= raw <= INT_MAX:
                    raise _RefusedError("an integer has at most 64 bits, signed: write it as text, in quotes")
            case list():
                raise _RefusedError("an array cannot be delivered: use a key for each item, or one text")
            case _:
                raise _RefusedError("a table cannot be a value here: write text, a number, a boolean or a date")
        if not item.public:
            self._secret_files[item.place.source.path] = None
        value: SecretValue = raw
        return value

    def _from_table(self, item: Item) -> tuple[SecretValue | Template, str]:
        """Return the content that a `from_…` table names, and how the table gives it."""
        table: dict[str, Any] = item.raw
        source = next(name for name in table if name.startswith(FROM))
        if source not in SOURCES:
            match = difflib.get_close_matches(source, SOURCES, n=1)
            raise _RefusedError(
                f"there is no {source!r}{f' (did you mean {match[0]!r}?)' if match else ''}: write {', '.join(SOURCES[:-1])} or "
                f"{SOURCES[-1]}; "
                f'if {source} is a key of its own, write the whole dotted key in quotes, such as "mail.{source}" = "…"'
            )
        if others := [name for name in table if name not in (source, *_OPTIONS[source])]:
            raise _RefusedError(f"a table with {source} can also have {' and '.join(_OPTIONS[source])}, but not {others[0]!r}: take it out")
        self._expiry(item, table)
        if source == "from_value":
            return self._scalar(item, table[source]), ""
        argument = table[source]
        if not isinstance(argument, str) or not argument:
            raise _RefusedError(f"{source} takes a text that is not empty: write it in quotes")
        match source:
            case "from_file":
                return self._file(item, argument, table.get("type")), f"from_file {argument}"
            case "from_env":
                return self._variable(item, argument), f"from_env {argument}"
            case _:
                return Template.from_text(argument), "template"

    def _file(self, item: Item, name: str, kind: Any) -> str | bytes:
        if kind not in (None, *_FILE_TYPES):
            raise _RefusedError(
                f"this is not a type: write {' or '.join(map(repr, _FILE_TYPES))}, or leave it out (then UTF-8 is text, all else bytes)"
            )
        path = self._folder.find(name, named_in=item.place.source.path)
        try:
            data = read_bytes(path, limit_bytes=SHARD_BYTES)
        except UnreadableError as error:
            raise UnreadableError(f"{name!r}: {error}") from None
        if not item.public:
            self._secret_files[path] = None
        if kind == "bytes":
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            if kind == "text":
                raise _RefusedError(f'{name!r} is not UTF-8 text: save it as UTF-8, or take type = "text" out') from None
            return data

    def _variable(self, item: Item, name: str) -> str:
        value = self._environ.get(name)
        if value is None:
            raise _RefusedError(f"the environment variable {name} is not set: set it for coffer-companion")
        if not value:
            self._report.warn(item.place, f"the environment variable {name} is set but empty: set it, unless that is intended")
        return value

    def _expiry(self, item: Item, table: Mapping[str, Any]) -> None:
        expires = table.get("expires")
        if expires is None:
            return
        # A datetime is a date in Python, but too precise: it would need a time zone.
        if not isinstance(expires, date) or isinstance(expires, datetime):
            raise _RefusedError("expires takes a date without quotes: write one, such as 2027-01-31")
        days = (expires - self._today).days
        if days > EXPIRY_WARNING_DAYS:
            return
        if days > 0:
            when = f"expires in {_days(days)}, on {expires}"
        else:
            when = f"expires today, {expires}" if days == 0 else f"expired {_days(-days)} ago, on {expires}"
        self._report.warn(item.place, f"the value {when}: change it, and its date")


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _how(item: Item, mechanism: str) -> str:
    group = "" if item.group is None else f"shared group {item.group!r}"
    overlay = "" if item.overlay is None else f"env {item.overlay} overlay"
    return ", ".join(filter(None, (group, overlay, mechanism))) or "own value"
