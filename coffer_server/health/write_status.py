"""The outcome of the last write to the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from coffer_protocol.errors import CofferError

from ..errors import StoreError
from ..store.base import Trouble

_Result = TypeVar("_Result")


class WriteStatus:
    """The outcome of the last write. One thread at a time writes; any thread may read the attributes.

    Attributes:
        begun: the time at which the write in progress began, or None if there is no write in progress.
        refused: since when and why the store takes no writes, or None if the last write succeeded.
    """

    def __init__(self) -> None:
        self._succeeded: float | None = None
        self.begun: float | None = None
        self.refused: Trouble | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a write is in progress."""
        return self.begun is not None

    def is_proven(self, now: float, *, within_s: float) -> bool:
        """Return whether the last write succeeded, less than `within_s` seconds ago."""
        return self.refused is None and self._succeeded is not None and 0 <= now - self._succeeded < within_s

    def attempt(self, call: Callable[[], _Result], now: Callable[[], float]) -> _Result:
        """Run a call that writes to the store, note its outcome, and return its result. An error of the call is raised again.

        Args:
            call: the call. It blocks.
            now: returns the time in seconds since 1970.
        """
        self.begun = now()
        try:
            result = call()
        except StoreError as error:
            self._refuse(str(error), now)
            raise
        except CofferError:
            # The request is refused for what is in it. The store itself works.
            raise
        except Exception as error:
            self._refuse(f"the server failed ({type(error).__name__}): see its log", now)
            raise
        else:
            self.refused = None
            self._succeeded = now()
            return result
        finally:
            self.begun = None

    def _refuse(self, reason: str, now: Callable[[], float]) -> None:
        since = int(now()) if self.refused is None else self.refused.since
        self.refused = Trouble(since=since, reason=reason)
