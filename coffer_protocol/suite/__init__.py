"""Suites: how a session's messages are sealed (docs/protocol.md, 4 and 5), behind one interface.

A handshake is two frames: Hello or Enrol, and its answer. After it both sides have a `Transport`. The order of the messages is not a
subject of this folder, but of `session`.

Modules:
    box.py     suite 0: NaCl's box, for small clients in any language
    noise.py   suite 1: Noise IK with hybrid forward secrecy
"""

from __future__ import annotations

from ..lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final, Protocol

    from ..message import MessageType
else:
    Protocol = object


class Transport(Protocol):
    """Seals and opens the frames after the handshake, each direction in its order."""

    def seal(self, kind: MessageType, body: bytes) -> bytes:
        """Return the content of the next frame that this side sends."""

    def open(self, kind: MessageType, content: bytes) -> bytes:
        """Return the body of the next frame that the peer sent.

        Raises:
            UnopenableError: if the content is not that of the peer's next frame.
        """


class Initiator(Protocol):
    """The client's side of a handshake."""

    suite: int

    def client_id(self) -> bytes:
        """Return the id that Hello will prove, 32 bytes."""

    def hello(self, kind: MessageType) -> bytes:
        """Return the content of Hello, or of Enrol in suite 1. Called once."""

    def finish(self, kind: MessageType, content: bytes) -> tuple[bytes, Transport]:
        """Open the server's answer, and return its body and the transport for all later frames.

        Raises:
            UnopenableError: if the answer does not come from the server that was addressed.
        """


class Responder(Protocol):
    """The server's side of a handshake."""

    suite: int

    def read_hello(self, kind: MessageType, content: bytes) -> bytes:
        """Return the id of the client, 32 bytes, which its Hello proves, or its Enrol in suite 1.

        Raises:
            UnopenableError: if the Hello is damaged, or is for another server.
        """

    def answer(self, kind: MessageType, body: bytes) -> tuple[bytes, Transport]:
        """Return the content of the answer, and the transport for all later frames. Called once."""


# The content of a Hello, in bytes, and the suite that it belongs to: nothing is negotiated (docs/protocol.md, 3).
HELLO_BYTES: Final = {152: 0, 1302: 1}
# What the answer to a Hello has in addition to its body.
ANSWER_OVERHEAD_BYTES: Final = {0: 40, 1: 1153}
# What every later content has in addition to its body.
OVERHEAD_BYTES: Final = {0: 40, 1: 17}
