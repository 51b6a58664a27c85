"""What is refused leaves a trace in the log, and never more than a line a minute for each kind and address."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from .logs import log

_QUIET_S: Final = 60.0
# What is remembered of addresses is bounded: the one that was refused longest ago is forgotten first.
_ADDRESSES: Final = 4096


class Refusal(StrEnum):
    """The kinds of refusals. The value is how the log calls it."""

    UNKNOWN = "unknown or blocked client"
    ENROL = "request to be let in"
    OPEN = "upload denied"
    ASK = "question denied"
    FETCH = "fetch denied"


class _Recent:
    """What was refused to one address since the last line about it."""

    __slots__ = ("count", "logged")

    def __init__(self) -> None:
        self.count = 0
        self.logged = -_QUIET_S


class Refusals:
    """Counts refusals, and logs them.

    Args:
        clock: gives the time in seconds, from any point on.

    Attributes:
        counts: how many refusals there were of each kind since the start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: OrderedDict[tuple[Refusal, str], _Recent] = OrderedDict()
        self.counts: Counter[Refusal] = Counter()

    def note(self, kind: Refusal, *, address: str, client: str) -> None:
        """Count a refusal, and log it unless the same kind was logged for the same address within the last minute.

        Args:
            kind: what was refused.
            address: the peer's.
            client: as much of the peer's id as a log shows.
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
