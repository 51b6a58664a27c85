"""An event that resets itself when a task has waited for it."""

from __future__ import annotations

import trio


class AutoResetEvent:
    """An event that tells one waiting task that there is work, and resets when the task has been told."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """Tell the waiting task that there is work."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until `set` has been called since the last wait ended."""
        await self._event.wait()
        self._event = trio.Event()
