"""An event that is over once it has been waited for."""

from __future__ import annotations

import trio


class AutoResetEvent:
    """Says, to the one task that waits for it, that there is something to do."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """There is."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until `set` has been called since the last wait ended."""
        await self._event.wait()
        self._event = trio.Event()
