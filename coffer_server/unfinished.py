"""The bound on what all peers together have sent of messages that are not whole yet (docs/protocol.md, 9)."""

from __future__ import annotations

from typing import Final, Protocol

# A message in parts may be 2 MiB, and there may be 10,000 connections: without this bound their sum would be the machine's memory.
UNFINISHED_BYTES: Final = 256 << 20


class Sender(Protocol):
    """A peer that can be told to stop in the middle of a message."""

    def cut_off(self) -> None:
        """End the message that the peer is sending, and the session with it."""


class Unfinished:
    """What each peer has sent of a message that is not whole yet.

    Args:
        limit_bytes: how much that may be in all. If it is more, the peer with the longest message is cut off.
    """

    def __init__(self, limit_bytes: int = UNFINISHED_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._sizes: dict[Sender, int] = {}
        self.total_bytes = 0

    def note(self, sender: Sender, size_bytes: int) -> None:
        """Take note of how much a peer has sent of its message: 0 if that is whole, or if the session has ended."""
        self.total_bytes += size_bytes - self._sizes.pop(sender, 0)
        if size_bytes:
            self._sizes[sender] = size_bytes
        while self.total_bytes > self._limit_bytes:
            longest = max(self._sizes, key=self._sizes.__getitem__)
            self.total_bytes -= self._sizes.pop(longest)
            longest.cut_off()
