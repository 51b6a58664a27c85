"""Suite 0: NaCl alone, for the smallest possible client in any language (docs/protocol.md, 4).

Every frame is a `crypto_box`. The receiver computes the nonce itself, so that no frame can be replayed, reordered, reflected or given
another type. Suite 0 has no forward secrecy, and has only Get.
"""

from __future__ import annotations

from .. import frame
from ..crypto import primitives
from ..crypto.primitives import blake2b
from ..errors import KeyTextError, UnopenableError
from ..frame import Frame
from ..identity import ID_BYTES
from ..lean import TYPE_CHECKING
from ..message import Direction, MessageType

if TYPE_CHECKING:
    from typing import Final

    from ..crypto.primitives import Random
    from ..identity import Identity
    from . import Transport

SUITE: Final = 0
NONCE_BYTES: Final = 24

_PREFIX_BYTES: Final = 2
_FIRST: Final = b"coffer/1 first"
_BASIC: Final = b"coffer/1 basic"
_NONCE: Final = b"coffer/1 nonce"
_FIRST_HASH_BYTES: Final = 10
_NONCE_HASH_BYTES: Final = NONCE_BYTES - _PREFIX_BYTES


def _first_nonce_prefix(kind: MessageType, hello: bytes) -> bytes:
    """Return the beginning of the nonce of the server's first frame. 12 random bytes follow it."""
    return bytes([Direction.SERVER_TO_CLIENT, kind]) + blake2b(hello, size_bytes=_FIRST_HASH_BYTES, person=_FIRST)


def _open(secret: bytes, public: bytes, nonce: bytes, sealed: bytes, what: str) -> bytes:
    try:
        return primitives.box_open(secret, public, nonce, sealed)
    except ValueError:
        raise UnopenableError(f"{what} cannot be opened: it was damaged or forged on its way") from None


class BoxTransport:
    """Seals and opens the frames after the first two. `transcript` is both of those, with their headers."""

    __slots__ = ("_key", "_own", "_peer", "_public", "_received", "_secret", "_sent")

    def __init__(self, *, own: Direction, secret: bytes, public: bytes, transcript: bytes) -> None:
        self._own = own
        self._peer = Direction.SERVER_TO_CLIENT if own is Direction.CLIENT_TO_SERVER else Direction.CLIENT_TO_SERVER
        self._secret = secret
        self._public = public
        self._key = blake2b(transcript, size_bytes=32, person=_BASIC)
        self._sent = 0
        self._received = 0

    def _nonce(self, direction: Direction, kind: MessageType, number: int) -> bytes:
        prefix = bytes([direction, kind])
        return prefix + blake2b(prefix + number.to_bytes(8, "big"), size_bytes=_NONCE_HASH_BYTES, key=self._key, person=_NONCE)

    def seal(self, kind: MessageType, body: bytes) -> bytes:
        """Return the content of the next frame that this side sends."""
        nonce = self._nonce(self._own, kind, self._sent)
        self._sent += 1
        return nonce + primitives.box(self._secret, self._public, nonce, body)

    def open(self, kind: MessageType, content: bytes) -> bytes:
        """Return the body of the next frame that the peer sent.

        Raises:
            UnopenableError: if the content is not that of the peer's next frame.
        """
        nonce = self._nonce(self._peer, kind, self._received)
        self._received += 1
        if not primitives.same(content[:NONCE_BYTES], nonce):
            raise UnopenableError("a frame is not the peer's next one: it was replayed or moved on its way")
        return _open(self._secret, self._public, nonce, content[NONCE_BYTES:], "a frame")


class BoxInitiator:
    """The client's side of a handshake with the server whose plain id is `server_id`."""

    suite = SUITE

    def __init__(self, identity: Identity, server_id: bytes, *, random: Random = primitives.random_bytes) -> None:
        self._secret = identity.plain_secret()
        self._client_id = primitives.x25519_public(self._secret)
        self._server_id = server_id
        self._random = random
        self._hello = b""

    def client_id(self) -> bytes:
        """Return the id that Hello will prove, 32 bytes."""
        return self._client_id

    def hello(self, kind: MessageType) -> bytes:
        """Return the content of Hello, 152 bytes."""
        nonce = bytes([Direction.CLIENT_TO_SERVER, kind]) + self._random(NONCE_BYTES - _PREFIX_BYTES)
        proof = primitives.box(self._secret, self._server_id, nonce, self._client_id)
        content = primitives.sealed_box(self._server_id, self._client_id + nonce + proof)
        self._hello = frame.encode(Frame(kind, content))
        return content

    def finish(self, kind: MessageType, content: bytes) -> tuple[bytes, Transport]:
        """Open the server's answer, and return its body and the transport for all later frames.

        Raises:
            UnopenableError: if the answer does not come from the server that was addressed, or is not to this Hello.
        """
        nonce, sealed = content[:NONCE_BYTES], content[NONCE_BYTES:]
        prefix = _first_nonce_prefix(kind, self._hello)
        if len(nonce) != NONCE_BYTES or not primitives.same(nonce[: len(prefix)], prefix):
            raise UnopenableError("the answer is not to this Hello: it was replayed or forged on its way")
        body = _open(self._secret, self._server_id, nonce, sealed, "the answer")
        transcript = self._hello + frame.encode(Frame(kind, content))
        return body, BoxTransport(own=Direction.CLIENT_TO_SERVER, secret=self._secret, public=self._server_id, transcript=transcript)


class BoxResponder:
    """The server's side of a handshake. `secret` is the server's plain X25519 secret."""

    suite = SUITE

    def __init__(self, secret: bytes, *, random: Random = primitives.random_bytes) -> None:
        self._secret = secret
        self._public = primitives.x25519_public(secret)
        self._random = random
        self._hello = b""
        self._client_id = b""

    def read_hello(self, kind: MessageType, content: bytes) -> bytes:
        """Return the proven id of the client, 32 bytes.

        Raises:
            UnopenableError: if the Hello is damaged, or is for another server.
        """
        try:
            inside = primitives.sealed_box_open(self._secret, self._public, content)
            client_id, rest = inside[:ID_BYTES], inside[ID_BYTES:]
            nonce, proof = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
            primitives.check_x25519_public(client_id)
            proven = primitives.box_open(self._secret, client_id, nonce, proof)
        except (ValueError, KeyTextError):
            raise UnopenableError("the Hello cannot be opened") from None
        if nonce[:_PREFIX_BYTES] != bytes([Direction.CLIENT_TO_SERVER, kind]) or proven != client_id:
            raise UnopenableError("the Hello does not prove its client's id")
        self._hello = frame.encode(Frame(kind, content))
        self._client_id = client_id
        return client_id

    def answer(self, kind: MessageType, body: bytes) -> tuple[bytes, Transport]:
        """Return the content of the answer, and the transport for all later frames."""
        prefix = _first_nonce_prefix(kind, self._hello)
        nonce = prefix + self._random(NONCE_BYTES - len(prefix))
        content = nonce + primitives.box(self._secret, self._client_id, nonce, body)
        transcript = self._hello + frame.encode(Frame(kind, content))
        return content, BoxTransport(own=Direction.SERVER_TO_CLIENT, secret=self._secret, public=self._client_id, transcript=transcript)
