"""Suite 1: Noise IK with hybrid forward secrecy (docs/protocol.md, 5).

`HandshakeState` is that of the Noise Protocol Framework (revision 34, section 5), with only what IK needs, and takes the pattern as data.
Without the hybrid tokens it is plain Noise_IK_25519_ChaChaPoly_SHA256, and tests compare it with that pattern's public vectors. The classes
after it put it into Coffer's frames.
"""

from __future__ import annotations

from ..crypto import primitives
from ..errors import KeyTextError, UnopenableError
from ..lean import TYPE_CHECKING
from ..message import MessageType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, TypeAlias

    from ..crypto.primitives import Random
    from ..identity import Identity
    from . import Transport

Pattern = tuple[tuple[str, ...], tuple[str, ...]]
IK: Final[Pattern] = (("e", "es", "s", "ss"), ("e", "ee", "se"))
IK_HFS: Final[Pattern] = (("e", "es", "e1", "s", "ss"), ("e", "ee", "ekem1", "se"))

PROTOCOL_NAME: Final = b"Noise_IKhfs_25519+MLKEM768_ChaChaPoly_SHA256"
PROLOGUE: Final = b"coffer/1"
SUITE: Final = 1
HINT_BYTES: Final = 4

_TAG_BYTES: Final = primitives.AEAD_TAG_BYTES
_KEY_BYTES: Final = 32

# Encapsulates to an ML-KEM-768 key, and returns the ciphertext and the shared secret. It is an argument, so that vectors can fix it.
Encapsulate: TypeAlias = "Callable[[bytes], tuple[bytes, bytes]]"


def hint(server_id: bytes) -> bytes:
    """Return the four bytes that tell a server with several keys for which of them a Hello is."""
    return primitives.sha256(b"coffer/1 hint" + server_id)[:HINT_BYTES]


class CipherState:
    """A key and its counter (Noise, 5.1)."""

    __slots__ = ("_key", "_count")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._count = 0

    def _nonce(self) -> bytes:
        nonce = bytes(4) + self._count.to_bytes(8, "little")
        self._count += 1
        return nonce

    def encrypt(self, associated: bytes, plaintext: bytes) -> bytes:
        """Seal under the next nonce."""
        return primitives.chacha20poly1305_seal(self._key, self._nonce(), plaintext, associated)

    def decrypt(self, associated: bytes, ciphertext: bytes) -> bytes:
        """Open under the next nonce.

        Raises:
            ValueError: the ciphertext is not authentic.
        """
        return primitives.chacha20poly1305_open(self._key, self._nonce(), ciphertext, associated)


class SymmetricState:
    """The chaining key, the hash of the handshake so far, and the cipher after the first key (Noise, 5.2)."""

    __slots__ = ("_chaining_key", "hash", "_cipher")

    def __init__(self, protocol_name: bytes) -> None:
        self.hash = protocol_name.ljust(32, b"\0") if len(protocol_name) <= 32 else primitives.sha256(protocol_name)
        self._chaining_key = self.hash
        self._cipher: CipherState | None = None

    def mix_hash(self, data: bytes) -> None:
        """Bind the handshake to `data`."""
        self.hash = primitives.sha256(self.hash + data)

    def mix_key(self, secret: bytes) -> None:
        """Bind the keys to `secret`, and start a new cipher."""
        self._chaining_key, key = self._hkdf(secret)
        self._cipher = CipherState(key)

    def _hkdf(self, ikm: bytes) -> tuple[bytes, bytes]:
        # Noise's HKDF with two outputs is RFC 5869's, with the chaining key as salt and no info.
        output = primitives.hkdf_sha256(ikm=ikm, salt=self._chaining_key, info=b"", size_bytes=2 * _KEY_BYTES)
        return output[:_KEY_BYTES], output[_KEY_BYTES:]

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Seal a plaintext, bound to the handshake so far."""
        ciphertext = plaintext if self._cipher is None else self._cipher.encrypt(self.hash, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Open a ciphertext that is bound to the handshake so far.

        Raises:
            ValueError: the ciphertext is not authentic.
        """
        plaintext = ciphertext if self._cipher is None else self._cipher.decrypt(self.hash, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the initiator's and the responder's sending keys."""
        first, second = self._hkdf(b"")
        return CipherState(first), CipherState(second)


class HandshakeState:
    """One side of an IK handshake of two messages (Noise, 5.3).

    Args:
        pattern: `IK` or `IK_HFS`.
        initiator: whether this side writes the first message.
        static: this side's X25519 secret key.
        ephemeral: this side's fresh X25519 secret key.
        remote_static: the responder's public key, which an initiator knows before the handshake.
        kem_seed: the initiator's fresh ML-KEM-768 seed, 64 bytes, for the token e1.
        encapsulate: the responder's encapsulation, for the token ekem1.
    """

    def __init__(
        self,
        *,
        protocol_name: bytes,
        prologue: bytes,
        pattern: Pattern,
        initiator: bool,
        static: bytes,
        ephemeral: bytes,
        remote_static: bytes = b"",
        kem_seed: bytes = b"",
        encapsulate: Encapsulate = primitives.mlkem_encapsulate,
    ) -> None:
        self._messages = iter(pattern)
        self._initiator = initiator
        self._static = static
        self._static_public = primitives.x25519_public(static)
        self._ephemeral = ephemeral
        self._kem_seed = kem_seed
        self._encapsulate = encapsulate
        self._remote_ephemeral = b""
        self._remote_kem = b""
        self.symmetric = SymmetricState(protocol_name)
        self.symmetric.mix_hash(prologue)
        self.remote_static = remote_static
        # The pre-message of IK: the responder's static key is known to the initiator.
        self.symmetric.mix_hash(self.remote_static if initiator else self._static_public)

    def _mix_dh(self, token: str) -> None:
        # A token's first letter is the initiator's key, its second the responder's.
        mine, theirs = (token[0], token[1]) if self._initiator else (token[1], token[0])
        secret = self._ephemeral if mine == "e" else self._static
        public = self._remote_ephemeral if theirs == "e" else self.remote_static
        self.symmetric.mix_key(primitives.x25519(secret, public))

    def write_message(self, payload: bytes) -> bytes:
        """Return the next message of the pattern, with `payload`."""
        message = bytearray()
        for token in next(self._messages):
            match token:
                case "e":
                    public = primitives.x25519_public(self._ephemeral)
                    self.symmetric.mix_hash(public)
                    message += public
                case "s":
                    message += self.symmetric.encrypt_and_hash(self._static_public)
                case "e1":
                    message += self.symmetric.encrypt_and_hash(primitives.mlkem_public(self._kem_seed))
                case "ekem1":
                    ciphertext, shared = self._encapsulate(self._remote_kem)
                    message += self.symmetric.encrypt_and_hash(ciphertext)
                    self.symmetric.mix_key(shared)
                case _:
                    self._mix_dh(token)
        return bytes(message + self.symmetric.encrypt_and_hash(payload))

    def read_message_untrusted(self, message: bytes) -> bytes:
        """Return the payload of the peer's next message.

        Raises:
            ValueError: the message is cut short, or is not authentic.
            KeyTextError: the message has a public key that must not be used.
        """
        for token in next(self._messages):
            match token:
                case "e":
                    self._remote_ephemeral, message = _take(message, _KEY_BYTES)
                    primitives.check_x25519_public(self._remote_ephemeral)
                    self.symmetric.mix_hash(self._remote_ephemeral)
                case "s":
                    sealed, message = _take(message, _KEY_BYTES + _TAG_BYTES)
                    self.remote_static = self.symmetric.decrypt_and_hash(sealed)
                    primitives.check_x25519_public(self.remote_static)
                case "e1":
                    sealed, message = _take(message, primitives.MLKEM768_PUBLIC_BYTES + _TAG_BYTES)
                    self._remote_kem = self.symmetric.decrypt_and_hash(sealed)
                    primitives.check_mlkem_public(self._remote_kem)
                case "ekem1":
                    sealed, message = _take(message, primitives.MLKEM768_CIPHERTEXT_BYTES + _TAG_BYTES)
                    ciphertext = self.symmetric.decrypt_and_hash(sealed)
                    self.symmetric.mix_key(primitives.mlkem_decapsulate(self._kem_seed, ciphertext))
                case _:
                    self._mix_dh(token)
        return self.symmetric.decrypt_and_hash(message)


def _take(message: bytes, size_bytes: int) -> tuple[bytes, bytes]:
    if len(message) < size_bytes:
        raise ValueError("cut short")
    return message[:size_bytes], message[size_bytes:]


class NoiseTransport:
    """The two ciphers after the handshake. Every plaintext begins with its message's type."""

    __slots__ = ("_sending", "_receiving")

    def __init__(self, sending: CipherState, receiving: CipherState) -> None:
        self._sending = sending
        self._receiving = receiving

    def seal(self, kind: MessageType, body: bytes) -> bytes:
        """Return the content of the next frame that this side sends."""
        return self._sending.encrypt(b"", bytes([kind]) + body)

    def open(self, kind: MessageType, content: bytes) -> bytes:
        """Return the body of the next frame that the peer sent.

        Raises:
            UnopenableError: the content is not that of the peer's next frame, or its type is not that of the header.
        """
        try:
            return _without_type(kind, self._receiving.decrypt(b"", content))
        except ValueError:
            raise UnopenableError("a frame cannot be opened: it was damaged or forged on its way") from None


def _without_type(kind: MessageType, plaintext: bytes) -> bytes:
    if plaintext[:1] != bytes([kind]):
        raise ValueError("the sealed type is not the type in the header")
    return plaintext[1:]


class NoiseInitiator:
    """The client's side of a handshake with the server whose id is `server_id`."""

    suite = SUITE

    def __init__(self, identity: Identity, server_id: bytes, *, random: Random = primitives.random_bytes) -> None:
        secret = identity.box_secret()
        self._client_id = primitives.x25519_public(secret)
        self._hint = hint(server_id)
        self._state = HandshakeState(
            protocol_name=PROTOCOL_NAME,
            prologue=PROLOGUE,
            pattern=IK_HFS,
            initiator=True,
            static=secret,
            ephemeral=random(_KEY_BYTES),
            remote_static=server_id,
            kem_seed=random(primitives.MLKEM768_SEED_BYTES),
        )

    def client_id(self) -> bytes:
        """Return the id that Hello will prove, 32 bytes."""
        return self._client_id

    def hello(self, kind: MessageType) -> bytes:
        """Return the content of Hello or Enrol, 1,302 bytes."""
        return bytes([SUITE]) + self._hint + self._state.write_message(bytes([kind]))

    def finish(self, kind: MessageType, content: bytes) -> tuple[bytes, Transport]:
        """Open the server's answer, and return its body and the transport for all later frames.

        Raises:
            UnopenableError: the answer does not come from the server that was addressed.
        """
        try:
            body = _without_type(kind, self._state.read_message_untrusted(content))
        except (ValueError, KeyTextError):
            raise UnopenableError("the answer cannot be opened: it is not from the server that was addressed") from None
        sending, receiving = self._state.symmetric.split()
        return body, NoiseTransport(sending, receiving)


class NoiseResponder:
    """The server's side of a handshake. `keys` maps the hint of each of the server's keys to its X25519 secret."""

    suite = SUITE

    def __init__(
        self,
        keys: Mapping[bytes, bytes],
        *,
        random: Random = primitives.random_bytes,
        encapsulate: Encapsulate = primitives.mlkem_encapsulate,
    ) -> None:
        self._keys = keys
        self._random = random
        self._encapsulate = encapsulate

    def read_hello(self, kind: MessageType, content: bytes) -> bytes:
        """Return the proven id of the client, 32 bytes. Suite and hint are checked before any public-key operation.

        Raises:
            UnopenableError: the Hello is damaged, or is for another server.
        """
        secret = self._keys.get(content[1 : 1 + HINT_BYTES])
        if content[:1] != bytes([SUITE]) or secret is None:
            raise UnopenableError("the Hello is for another server, or of an unknown suite")
        self._state = HandshakeState(
            protocol_name=PROTOCOL_NAME,
            prologue=PROLOGUE,
            pattern=IK_HFS,
            initiator=False,
            static=secret,
            ephemeral=self._random(_KEY_BYTES),
            encapsulate=self._encapsulate,
        )
        try:
            body = _without_type(kind, self._state.read_message_untrusted(content[1 + HINT_BYTES :]))
        except (ValueError, KeyTextError):
            raise UnopenableError("the Hello cannot be opened") from None
        if body:
            raise UnopenableError("the Hello has a body")
        return self._state.remote_static

    def answer(self, kind: MessageType, body: bytes) -> tuple[bytes, Transport]:
        """Return the content of the answer, and the transport for all later frames."""
        content = self._state.write_message(bytes([kind]) + body)
        receiving, sending = self._state.symmetric.split()
        return content, NoiseTransport(sending, receiving)
