"""What a fetch returns: one client's secrets, and the release they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from coffer_protocol.release.coffer import Accepted
from coffer_protocol.shard import SecretValue

from .errors import NoSuchKeyError
from .redacted import redact

# An operator needs this long to publish anew where a holiday lies between.
EXPIRY_WARNING: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The release of a coffer (PROTOCOL.md, 7).

    Attributes:
        coffer: the coffer's name.
        serial: from 1, one more with each release.
        issued: when it was signed, in UTC; None where it lies beyond the year 9999.
        expires: until when it is accepted, in UTC; None where it never expires, or beyond the year 9999.
    """

    coffer: str
    serial: int
    issued: datetime | None
    expires: datetime | None


class Coffer(Mapping[str, SecretValue]):
    """One client's secrets by key, in the order of the operator's definition. Read-only.

    Values hide themselves in their repr (see `redacted`); the repr of the coffer has the keys and the release alone.

    Attributes:
        release: which release they are of.
        stale: None where the server gave them; where none answered, and the cache has stood in: how long ago the server gave them.
    """

    __slots__ = ("_values", "release", "stale")

    def __init__(self, accepted: Accepted, *, stale: timedelta | None = None) -> None:
        head = accepted.release.head
        self._values = {secret.key: redact(secret.value) for secret in accepted.secrets}
        self.release: Final = Release(coffer=head.coffer, serial=head.serial, issued=_moment(head.issued), expires=_moment(head.expires))
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

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Coffer(keys={list(self._values)!r}, release={self.release!r})"

    def select(self, keys: tuple[str, ...]) -> dict[str, SecretValue]:
        """The secrets under `keys`, in that order; all of them, in the coffer's order, where no key is named.

        Raises:
            NoSuchKeyError: some do not exist; the text names all of those.
        """
        if missing := [key for key in keys if key not in self._values]:
            raise NoSuchKeyError(self._missing(missing))
        return {key: self._values[key] for key in keys or self._values}

    def _missing(self, keys: list[str]) -> str:
        missing, there = (", ".join(map(repr, names)) or "none" for names in (keys, self._values))
        return f"release {self.release.serial} of {self.release.coffer!r} has no key {missing} for this client; it has {there}"


def _moment(seconds: int | None) -> datetime | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def expiry_warning(release: Release, now: datetime) -> str | None:
    """What to tell people of a release that expires within 30 days; None where it does not.

    Args:
        release: one that has been accepted.
        now: the time, with its zone.
    """
    if release.expires is None or release.expires - now > EXPIRY_WARNING:
        return None
    days = (release.expires - now).days
    return (
        f"release {release.serial} of {release.coffer!r} expires at {release.expires:%Y-%m-%d %H:%M} UTC, in {days} days: "
        "ask your operator to publish anew (coffer-companion upload)"
    )
