"""How the last attempt to change the store went."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from coffer_protocol.errors import CofferError

from ..errors import StoreError
from ..store.base import Trouble

_Result = TypeVar("_Result")


class Writing:
    """Notes the outcome of every write. One thread at a time writes; any may look.

    Attributes:
        begun: when the write began that is under way; None where none is.
        refused: since when, and why, the store takes nothing; None where the last write succeeded.
    """

    def __init__(self) -> None:
        self._succeeded: float | None = None
        self.begun: float | None = None
        self.refused: Trouble | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether something is being written."""
        return self.begun is not None

    def is_proven(self, now: float, *, within_s: float) -> bool:
        """Whether the last write has succeeded, and not long ago."""
        return self.refused is None and self._succeeded is not None and 0 <= now - self._succeeded < within_s

    def attempt(self, call: Callable[[], _Result], now: Callable[[], float]) -> _Result:
        """What a call returns that changes the store. What it raises is raised.

        Args:
            call: it blocks.
            now: seconds since 1970.
        """
        self.begun = now()
        try:
            result = call()
        except StoreError as error:
            self._refuse(str(error), now)
            raise
        except CofferError:
            # One request is refused, for what is in it.
            raise
        except Exception as error:
            self._refuse(f"the server failed ({type(error).__name__}); its log says where", now)
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
