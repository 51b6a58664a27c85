"""What a fetch returns: one client's secrets, and the release they are of."""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING, Mapping, Record
from coffer_protocol.shard import SecretValue

from .errors import NoSuchKeyError, WrongTypeError
from .redacted import Redacted, SecretBytes, SecretFloat, SecretInt, SecretText

if TYPE_CHECKING:
    import builtins
    import datetime as dt
    from collections.abc import Callable, Iterator
    from datetime import timedelta
    from typing import Any, Final, TypeVar, overload

    from coffer_protocol.release.coffer import Accepted

    D = TypeVar("D")
else:

    def overload(function: Callable[..., object]) -> Callable[..., object]:
        """Overloads are for type checkers; the function that follows them is what runs."""
        return function


# Stands where a caller gives no default: None is one.
_REQUIRED: Final[Any] = object()
# Each kind of value as people call it, and the method of a coffer that takes it.
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "text": ("text", "text"),
    "integer": ("an integer", "int"),
    "float": ("a float", "float"),
    "boolean": ("a boolean", "bool"),
    "bytes": ("bytes", "bytes"),
    "date-time": ("a date with a time", "datetime"),
    "date": ("a date", "date"),
    "time": ("a time of day", "time"),
}
_DAY_S: Final = 86400
# An operator needs this long to publish anew where a holiday lies between.
EXPIRY_WARNING_S: Final = 30 * _DAY_S


class Release(Record):
    """The release of a coffer (docs/protocol.md, 7).

    Attributes:
        coffer: the coffer's name.
        serial: from 1, one more with each release.
        issued_s: when it was signed, in seconds since 1970.
        expires_s: until when it is accepted, in seconds since 1970; None where it never expires.
    """

    coffer: str
    serial: int
    issued_s: int
    expires_s: int | None

    @property
    def issued(self) -> dt.datetime | None:
        """When it was signed, in UTC; None where it lies beyond the year 9999."""
        return _moment(self.issued_s)

    @property
    def expires(self) -> dt.datetime | None:
        """Until when it is accepted, in UTC; None where it never expires, or beyond the year 9999."""
        return None if self.expires_s is None else _moment(self.expires_s)


class Coffer(Mapping[str, SecretValue]):
    """One client's secrets by key, in the order of the operator's definition. Read-only.

    Values hide themselves in their repr (see `redacted`); the repr of the coffer has the keys and the release alone.

    `text`, `int`, `float`, `bool`, `bytes`, `date`, `datetime` and `time` give a value of the type that they are called by, for code that
    is checked. They are as exact as TOML is: a text is never read as a number, nor a date with a time as a date; the one exception is that
    `float` takes an integer too, rounded to the nearest float. Each of them:

        Args:
            key: as in the definition, with its dots.
            default: what is returned where there is no such key; it may be of any type, None included.

        Raises:
            NoSuchKeyError: there is no such key, and no default. The text offers the keys that are nearest.
            WrongTypeError: the value is of another type, default or not. The text names both types, and not the value.

    Attributes:
        release: which release they are of.
        stale: None where the server gave them; where none answered, and the cache has stood in: how long ago the server gave them.
    """

    __slots__ = ("_values", "release", "stale")

    def __init__(self, accepted: Accepted, *, stale: timedelta | None = None) -> None:
        head = accepted.release.head
        self._values = {secret.key: redact(secret.value) for secret in accepted.secrets}
        self.release: Final = Release(coffer=head.coffer, serial=head.serial, issued_s=head.issued, expires_s=head.expires)
        self.stale: Final = stale

    def __getitem__(self, key: str) -> SecretValue:
        """The value under `key`.

        Raises:
            NoSuchKeyError: there is none; the text names the keys that there are.
        """
        try:
            return self._values[key]
        except KeyError:
            raise NoSuchKeyError(self._missing([key])) from None

    # Those of Mapping would make the text of an error for each key that is not there.
    def __contains__(self, key: object) -> builtins.bool:
        return key in self._values

    @overload
    def get(self, key: str, /) -> SecretValue | None: ...
    @overload
    def get(self, key: str, /, default: D) -> SecretValue | D: ...
    def get(self, key: str, /, default: object = None) -> object:
        """The value under `key`, or else `default`."""
        return self._values.get(key, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> builtins.int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Coffer(keys={list(self._values)!r}, release={self.release!r})"

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """What a pickle holds is plain, and is hidden again here."""
        hidden = {key: redact(value) for key, value in state[1]["_values"].items()}
        for name, value in (state[1] | {"_values": hidden}).items():
            setattr(self, name, value)

    # ------------------------------------------------------------------------------------------------------ values of one type

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, *, default: D) -> str | D: ...
    def text(self, key: str, *, default: object = _REQUIRED) -> object:
        """The text under `key`."""
        return self._take(key, "text", default)

    @overload
    def int(self, key: str) -> builtins.int: ...
    @overload
    def int(self, key: str, *, default: D) -> builtins.int | D: ...
    def int(self, key: str, *, default: object = _REQUIRED) -> object:
        """The integer under `key`. A boolean is none."""
        return self._take(key, "integer", default)

    @overload
    def float(self, key: str) -> builtins.float: ...
    @overload
    def float(self, key: str, *, default: D) -> builtins.float | D: ...
    def float(self, key: str, *, default: object = _REQUIRED) -> object:
        """The float under `key`, or the integer as a float: an operator writes 3 as well as 3.0."""
        return self._take(key, "float", default)

    @overload
    def bool(self, key: str) -> builtins.bool: ...
    @overload
    def bool(self, key: str, *, default: D) -> builtins.bool | D: ...
    def bool(self, key: str, *, default: object = _REQUIRED) -> object:
        """The boolean under `key`. It cannot hide itself."""
        return self._take(key, "boolean", default)

    @overload
    def bytes(self, key: str) -> builtins.bytes: ...
    @overload
    def bytes(self, key: str, *, default: D) -> builtins.bytes | D: ...
    def bytes(self, key: str, *, default: object = _REQUIRED) -> object:
        """The bytes under `key`: what the definition takes from a file that is no text, or with `type = "bytes"`."""
        return self._take(key, "bytes", default)

    @overload
    def datetime(self, key: str) -> dt.datetime: ...
    @overload
    def datetime(self, key: str, *, default: D) -> dt.datetime | D: ...
    def datetime(self, key: str, *, default: object = _REQUIRED) -> object:
        """The date with a time under `key`. Its `tzinfo` is None where the definition gives no offset."""
        return self._take(key, "date-time", default)

    @overload
    def date(self, key: str) -> dt.date: ...
    @overload
    def date(self, key: str, *, default: D) -> dt.date | D: ...
    def date(self, key: str, *, default: object = _REQUIRED) -> object:
        """The date under `key`. One with a time is none."""
        return self._take(key, "date", default)

    @overload
    def time(self, key: str) -> dt.time: ...
    @overload
    def time(self, key: str, *, default: D) -> dt.time | D: ...
    def time(self, key: str, *, default: object = _REQUIRED) -> object:
        """The time of day under `key`."""
        return self._take(key, "time", default)

    def _take(self, key: str, wanted: str, default: object) -> object:
        if key not in self._values and default is not _REQUIRED:
            return default
        value = self[key]
        kind = kind_of(value)
        if wanted == "float" and kind == "integer":
            assert isinstance(value, int)
            return redact(float(value))
        if kind != wanted:
            (asked, _), (held, method) = _KINDS[wanted], _KINDS[kind]
            raise WrongTypeError(
                f"{key!r} in release {self.release.serial} of {self.release.coffer!r} is {held}, and {asked} was asked for: take it with "
                f"`.{method}()`, or have your operator change it in the definition"
            )
        return value

    # ------------------------------------------------------------------------------------------------------- several at once

    def environ(
        self, *, prefix: str = "", upper: builtins.bool = False, only: tuple[str, ...] = (), without: tuple[str, ...] = ()
    ) -> dict[str, str]:
        """The secrets as variables, as `coffer-client run` sets them for a command: names with underscores for dots and dashes, values as
        text (see `formats`). For a child process: `subprocess.run(command, env=os.environ | coffer.environ())`. The texts are plain.

        Args:
            prefix: what each name begins with, before the key.
            upper: whether the whole name is in upper case.
            only, without: patterns of keys, as shells have them: without any in `only` all are wanted.

        Raises:
            EnvironmentNameError: a key gives no name, several give one, or a value has a NUL. The text names them all, and no value.
            NoSuchKeyError: a pattern of `only` is like no key.
        """
        from .delivery.naming import Naming, environment

        return environment(self, Naming(prefix=prefix, upper=upper, only=only, without=without))

    def select(self, keys: tuple[str, ...]) -> dict[str, SecretValue]:
        """The secrets under `keys`, in that order; all of them, in the coffer's order, where no key is named.

        Raises:
            NoSuchKeyError: some do not exist; the text names all of those.
        """
        if missing := [key for key in keys if key not in self._values]:
            raise NoSuchKeyError(self._missing(missing))
        return {key: self._values[key] for key in keys or self._values}

    def _missing(self, keys: list[str]) -> str:
        missing = ", ".join(f"{key!r}{self._offer(key)}" for key in keys)
        there = ", ".join(map(repr, self._values)) or "none"
        return f"release {self.release.serial} of {self.release.coffer!r} has no key {missing} for this client; it has {there}"

    def _offer(self, key: str) -> str:
        """The keys that may have been meant, whatever their case, and whether they have dots or the underscores of variables."""
        # Only mistakes pay for it.
        from difflib import get_close_matches

        keys: dict[str, list[str]] = {}
        for there in self._values:
            keys.setdefault(_unadorned(there), []).append(there)
        form = _unadorned(key)
        nearest = keys.get(form) or [there for close in get_close_matches(form, keys) for there in keys[close]]
        return f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""


def redact(value: SecretValue) -> SecretValue:
    """The same value under the type that hides it. Booleans come back as they are: Python has no subclasses of bool."""
    match value:
        case bool():
            return value
        case str():
            return SecretText(value)
        case int():
            return SecretInt(value)
        case float():
            return SecretFloat(value)
        case bytes():
            return SecretBytes(value)
        case _:
            from .redacted_dates import redact_date

            return redact_date(value)


def kind_of(value: SecretValue) -> str:
    """What a value that `redact` gave is: text, integer, float, boolean, bytes, date-time, date or time."""
    return value._kind if isinstance(value, Redacted) else "boolean"


def _unadorned(key: str) -> str:
    return key.lower().replace("_", ".").replace("-", ".")


def _moment(seconds: int) -> dt.datetime | None:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def expiry_warning(release: Release, now: float) -> str | None:
    """What to tell people of a release that expires within 30 days; None where it does not.

    Args:
        release: one that has been accepted.
        now: seconds since 1970.
    """
    if release.expires_s is None or release.expires_s - now > EXPIRY_WARNING_S:
        return None
    return (
        f"release {release.serial} of {release.coffer!r} expires at {release.expires:%Y-%m-%d %H:%M} UTC, "
        f"in {int(release.expires_s - now) // _DAY_S} days: "
        "ask your operator to publish anew (coffer-companion upload)"
    )
