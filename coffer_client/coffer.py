"""What a fetch returns: one client's secrets, and the release that they belong to."""

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

    from coffer_protocol.errors import CofferError
    from coffer_protocol.release.coffer import Accepted

    D = TypeVar("D")
else:

    def overload(function: Callable[..., object]) -> Callable[..., object]:
        """Overloads are for type checkers; the function after them is the one that runs."""
        return function


# The default of an argument `default`: a caller may give None.
_REQUIRED: Final[Any] = object()
# Each kind of value: its name for people, and the method of a coffer that returns it.
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


class Release(Record):
    """The release of a coffer (docs/protocol.md, 7).

    Attributes:
        coffer: the coffer's name.
        serial: the release's number: higher with each release.
        signed_sha256: the hash of its signed head, 32 bytes, which tells two releases with one serial from each other.
        issued_s: when the release was signed, in seconds since 1970.
        expires_s: when it expires, in seconds since 1970; None if it never expires.
    """

    coffer: str
    serial: int
    signed_sha256: bytes
    issued_s: int
    expires_s: int | None

    @property
    def issued(self) -> dt.datetime | None:
        """When the release was signed, in UTC; None if that is after the year 9999."""
        return _moment(self.issued_s)

    @property
    def expires(self) -> dt.datetime | None:
        """When the release expires, in UTC; None if it never expires, or after the year 9999."""
        return None if self.expires_s is None else _moment(self.expires_s)


class Coffer(Mapping[str, SecretValue]):
    """One client's secrets by key, in the order of the operator's definition. Read-only.

    Values hide themselves in their repr (see `redacted`); the repr of the coffer has only the keys and the release.

    `text`, `int`, `float`, `bool`, `bytes`, `date`, `datetime` and `time` return a value of the type in their name, for code that is
    type-checked. They are as exact as TOML is: a text is never read as a number, nor a date with a time as a date. There is one exception:
    `float` also takes an integer, rounded to the nearest float. Each of them has:

        Args:
            key: the key as in the definition, with its dots.
            default: what to return if there is no such key. It may have any type and may be None.

        Raises:
            NoSuchKeyError: there is no such key, and no default. The text suggests the keys that are most similar.
            WrongTypeError: the value has another type, whether or not there is a default. The text names both types, and not the value.

    Attributes:
        release: the release that the secrets belong to.
        stale: how long ago a server gave the secrets, if they come from the cache; None if a server gave them now. An age is true, and
            None is not.
        refusal: if they come from the cache because the answer of a server was refused, the error that says what the server did; otherwise
            None.
    """

    __slots__ = ("_values", "refusal", "release", "stale")

    def __init__(self, accepted: Accepted, *, stale: timedelta | None = None, refusal: CofferError | None = None) -> None:
        head = accepted.release.head
        self._values = {secret.key: redact(secret.value) for secret in accepted.secrets}
        self.release: Final = Release(
            coffer=head.coffer,
            serial=head.serial,
            signed_sha256=accepted.release.sha256,
            issued_s=head.issued,
            expires_s=head.expires,
        )
        self.stale: Final = stale
        self.refusal: Final = refusal

    def __getitem__(self, key: str) -> SecretValue:
        """Return the value under `key`.

        Raises:
            NoSuchKeyError: there is no such key. The text names the keys that exist.
        """
        try:
            return self._values[key]
        except KeyError:
            raise NoSuchKeyError(self._missing([key])) from None

    # The methods of Mapping would make the text of an error for each key that does not exist.
    def __contains__(self, key: object) -> builtins.bool:
        return key in self._values

    @overload
    def get(self, key: str, /) -> SecretValue | None: ...
    @overload
    def get(self, key: str, /, default: D) -> SecretValue | D: ...
    def get(self, key: str, /, default: object = None) -> object:
        """Return the value under `key`, or `default` if there is no such key."""
        return self._values.get(key, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> builtins.int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Coffer(keys={list(self._values)!r}, release={self.release!r})"

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Hide the values of a pickle again: there they are plain."""
        hidden = {key: redact(value) for key, value in state[1]["_values"].items()}
        for name, value in (state[1] | {"_values": hidden}).items():
            setattr(self, name, value)

    # ------------------------------------------------------------------------------------------------------ values of one type

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, *, default: D) -> str | D: ...
    def text(self, key: str, *, default: object = _REQUIRED) -> object:
        """Return the text under `key`."""
        return self._take(key, "text", default)

    @overload
    def int(self, key: str) -> builtins.int: ...
    @overload
    def int(self, key: str, *, default: D) -> builtins.int | D: ...
    def int(self, key: str, *, default: object = _REQUIRED) -> object:
        """Return the integer under `key`. A boolean is not an integer."""
        return self._take(key, "integer", default)

    @overload
    def float(self, key: str) -> builtins.float: ...
    @overload
    def float(self, key: str, *, default: D) -> builtins.float | D: ...
    def float(self, key: str, *, default: object = _REQUIRED) -> object:
        """Return the float under `key`, or the integer as a float: an operator may write 3 for 3.0."""
        return self._take(key, "float", default)

    @overload
    def bool(self, key: str) -> builtins.bool: ...
    @overload
    def bool(self, key: str, *, default: D) -> builtins.bool | D: ...
    def bool(self, key: str, *, default: object = _REQUIRED) -> object:
        """Return the boolean under `key`. It cannot hide itself."""
        return self._take(key, "boolean", default)

    @overload
    def bytes(self, key: str) -> builtins.bytes: ...
    @overload
    def bytes(self, key: str, *, default: D) -> builtins.bytes | D: ...
    def bytes(self, key: str, *, default: object = _REQUIRED) -> object:
        """Return the bytes under `key`: the definition has them from a file that is not text, or with `type = "bytes"`."""
        return self._take(key, "bytes", default)

    @overload
    def datetime(self, key: str) -> dt.datetime: ...
    @overload
    def datetime(self, key: str, *, default: D) -> dt.datetime | D: ...
    def datetime(self, key: str, *, default: object = _REQUIRED) -> object:
        """Return the date with a time under `key`. It has no `tzinfo` if the definition gives no offset."""
        return self._take(key, "date-time", default)

    @overload
    def date(self, key: str) -> dt.date: ...
    @overload
    def date(self, key: str, *, default: D) -> dt.date | D: ...
    def date(self, key: str, *, default: object = _REQUIRED) -> object:
        """Return the date under `key`. A date with a time is not a date."""
        return self._take(key, "date", default)

    @overload
    def time(self, key: str) -> dt.time: ...
    @overload
    def time(self, key: str, *, default: D) -> dt.time | D: ...
    def time(self, key: str, *, default: object = _REQUIRED) -> object:
        """Return the time of day under `key`."""
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
                f"{key!r} in release {self.release.serial} of {self.release.coffer!r} is {held}, and {asked} was asked for: use "
                f"`.{method}()`, or ask your operator to change the definition"
            )
        return value

    # ------------------------------------------------------------------------------------------------------- several at once

    def environ(
        self, *, prefix: str = "", upper: builtins.bool = False, only: tuple[str, ...] = (), without: tuple[str, ...] = ()
    ) -> dict[str, str]:
        """Return the secrets as variables, as `coffer-client run` sets them for a command.

        Names have underscores for dots and dashes, values are text (see `delivery/formats.py`). Use it for a child process:
        `subprocess.run(command, env=os.environ | coffer.environ())`. The texts are plain.

        Args:
            prefix: the text in front of each key.
            upper: whether the whole name is in upper case.
            only, without: patterns of keys, as in a shell. If `only` is empty, all keys are wanted.

        Raises:
            EnvironmentNameError: a key gives no name, several give the same one, or a value has a NUL. The text names all of them, and no
                value.
            NoSuchKeyError: a pattern of `only` matches no key.
        """
        from .delivery.naming import Naming, environment

        return environment(self, Naming(prefix=prefix, upper=upper, only=only, without=without))

    def select(self, keys: tuple[str, ...]) -> dict[str, SecretValue]:
        """Return the secrets under `keys`, in that order; if no key is given, all secrets in the coffer's order.

        Raises:
            NoSuchKeyError: some keys do not exist. The text names all of these.
        """
        if missing := [key for key in keys if key not in self._values]:
            raise NoSuchKeyError(self._missing(missing))
        return {key: self._values[key] for key in keys or self._values}

    def _missing(self, keys: list[str]) -> str:
        missing = ", ".join(f"{key!r}{self._offer(key)}" for key in keys)
        known = f"the keys are {', '.join(map(repr, self._values))}" if self._values else "there are no keys"
        return f"release {self.release.serial} of {self.release.coffer!r} has no key {missing} for this client; {known}"

    def _offer(self, key: str) -> str:
        """Suggest the keys that may have been meant, whatever their case, and whether with dots or with the underscores of variables."""
        # Loaded only after a mistake.
        from difflib import get_close_matches

        keys: dict[str, list[str]] = {}
        for there in self._values:
            keys.setdefault(_unadorned(there), []).append(there)
        form = _unadorned(key)
        nearest = keys.get(form) or [there for close in get_close_matches(form, keys) for there in keys[close]]
        return f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""


def redact(value: SecretValue) -> SecretValue:
    """Return the same value as the type that hides it. A boolean is returned as it is: Python allows no subclass of bool."""
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
    """Return the kind of a value from `redact`: text, integer, float, boolean, bytes, date-time, date or time."""
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
    """Return a warning if a release expires soon (`head.is_ending`), otherwise None.

    Args:
        release: an accepted release.
        now: seconds since 1970.
    """
    from coffer_protocol.release.head import is_ending

    if release.expires_s is None or not is_ending(issued=release.issued_s, expires=release.expires_s, now=now):
        return None
    # Few fetches end in a warning.
    from datetime import timedelta

    from coffer_common import durations, times

    return (
        f"release {release.serial} of {release.coffer!r} expires at {times.show(release.expires_s)}, "
        f"in {durations.show(timedelta(seconds=max(0.0, release.expires_s - now)))}: "
        "ask your operator to publish again (coffer-companion upload)"
    )
