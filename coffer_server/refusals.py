"""Counts refusals, and logs them: at most a line a minute for each kind and address."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from .logs import log

_QUIET_S: Final = 60.0
# The number of addresses that are remembered. The one that was refused longest ago is forgotten first.
_ADDRESSES: Final = 4096


class Refusal(StrEnum):
    """The kinds of refusals. The value is how the log calls it."""

    UNKNOWN = "unknown or blocked client"
    ENROL = "request to be let in"
    OPEN = "upload denied"
    ASK = "question denied"
    FETCH = "fetch denied"


class _Recent:
    """The refusals of one kind to one address since the last line about them."""

    __slots__ = ("count", "logged")

    def __init__(self) -> None:
        self.count = 0
        self.logged = -_QUIET_S


class Refusals:
    """Counts refusals, and logs them.

    Args:
        clock: returns the time in seconds, from any point on.

    Attributes:
        counts: the number of refusals of each kind since the start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: OrderedDict[tuple[Refusal, str], _Recent] = OrderedDict()
        self.counts: Counter[Refusal] = Counter()

    def note(self, kind: Refusal, *, address: str, client: str) -> None:
        """Count a refusal, and log it unless the same kind was logged for the same address within the last minute.

        Args:
            kind: what was refused.
            address: the peer's address.
            client: the part of the peer's id that a log shows.
        """
        self.counts[kind] += 1
        recent = self._recent.setdefault((kind, address), _Recent())
        self._recent.move_to_end((kind, address))
        if len(self._recent) > _ADDRESSES:
            self._recent.popitem(last=False)
        recent.count += 1
        now = self._clock()
        if now - recent.logged >= _QUIET_S:
            log.info("refused", what=kind.value, address=address, client=client, times=recent.count)
            recent.count, recent.logged = 0, now
