"""Evidence that a server shows different releases to different readers, or that a history was begun again (docs/protocol.md, 7).

This module defines what a reader keeps as evidence. Each kind of reader stores it in its own place.
"""

from __future__ import annotations

from ..lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Final

# Two heads of one serial.
FORK: Final = "fork"
# A head that does not follow the one before.
BROKEN_CHAIN: Final = "broken-chain"
# A head that begins the history again, by a person's word.
RESTART: Final = "restart"


class Evidence(Record):
    """Two heads that belong to two histories.

    Attributes:
        kind: `FORK`, `BROKEN_CHAIN` or `RESTART`.
        known: the *signed* of the release that the reader has seen; None if it kept only the hash.
        shown: the *signed* of the head that the server has shown.
    """

    kind: str
    known: bytes | None
    shown: bytes
