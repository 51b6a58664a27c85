"""The bound on the unfinished messages of all peers together (docs/protocol.md, 9)."""

from __future__ import annotations

from typing import Final, Protocol

# A message in parts may be 2 MiB, and there may be 10,000 connections: without this bound their sum would be the machine's memory.
UNFINISHED_BYTES: Final = 256 << 20


class Sender(Protocol):
    """A peer that can be told to stop in the middle of a message."""

    def cut_off(self) -> None:
        """End the message that the peer is sending, and the session with it."""


class Unfinished:
    """The size of each peer's unfinished message.

    Args:
        limit_bytes: the limit of the sum. Beyond it, the peer with the longest message is cut off.
    """

    def __init__(self, limit_bytes: int = UNFINISHED_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._sizes: dict[Sender, int] = {}
        self.total_bytes = 0

    def note(self, sender: Sender, size_bytes: int) -> None:
        """Note the size of the part of a message that a peer has sent: 0 if the message is whole, or the session has ended."""
        self.total_bytes += size_bytes - self._sizes.pop(sender, 0)
        if size_bytes:
            self._sizes[sender] = size_bytes
        while self.total_bytes > self._limit_bytes:
            longest = max(self._sizes, key=self._sizes.__getitem__)
            self.total_bytes -= self._sizes.pop(longest)
            longest.cut_off()
