"""Suite 1: Noise IK with hybrid forward secrecy (docs/protocol.md, 5).

`HandshakeState` is the Noise Protocol Framework's (revision 34, section 5), cut down to what IK needs and driven by the pattern as data;
without its hybrid tokens it is plain Noise_IK_25519_ChaChaPoly_SHA256 and is held to that pattern's public vectors. The classes behind it
give it Coffer's frames.
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

# Encapsulates to an ML-KEM-768 key: ciphertext and shared secret. An argument, so that vectors can fix it.
Encapsulate: TypeAlias = "Callable[[bytes], tuple[bytes, bytes]]"


def hint(server_id: bytes) -> bytes:
    """The four bytes that tell a server with several keys which of them a Hello is for."""
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
            ValueError: it is not authentic.
        """
        return primitives.chacha20poly1305_open(self._key, self._nonce(), ciphertext, associated)


class SymmetricState:
    """The chaining key, the hash of all that was said, and the cipher once there is one (Noise, 5.2)."""

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
        """Seal, bound to all that was said before."""
        ciphertext = plaintext if self._cipher is None else self._cipher.encrypt(self.hash, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Open, bound to all that was said before.

        Raises:
            ValueError: it is not authentic.
        """
        plaintext = ciphertext if self._cipher is None else self._cipher.decrypt(self.hash, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """The initiator's and the responder's sending keys."""
        first, second = self._hkdf(b"")
        return CipherState(first), CipherState(second)


class HandshakeState:
    """One side of an IK handshake of two messages (Noise, 5.3).

    Args:
        pattern: `IK` or `IK_HFS`.
        initiator: whether this side writes the first message.
        static: this side's X25519 secret key.
        ephemeral: this side's fresh X25519 secret key.
        remote_static: the responder's public key, which an initiator knows beforehand.
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
        """The next message of the pattern, with `payload`."""
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
        """The payload of the peer's next message.

        Raises:
            ValueError: the message is cut short, or not authentic.
            KeyTextError: it carries a public key that must not be used.
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
    """The two ciphers after the handshake; every plaintext begins with its message's type."""

    __slots__ = ("_sending", "_receiving")

    def __init__(self, sending: CipherState, receiving: CipherState) -> None:
        self._sending = sending
        self._receiving = receiving

    def seal(self, kind: MessageType, body: bytes) -> bytes:
        """The content of the next frame that this side sends."""
        return self._sending.encrypt(b"", bytes([kind]) + body)

    def open(self, kind: MessageType, content: bytes) -> bytes:
        """The body of the next frame that the peer sent.

        Raises:
            UnopenableError: it is not that frame, or of another type than its header says.
        """
        try:
            return _without_type(kind, self._receiving.decrypt(b"", content))
        except ValueError:
            raise UnopenableError("a frame cannot be opened: it was damaged or forged on its way") from None


def _without_type(kind: MessageType, plaintext: bytes) -> bytes:
    if plaintext[:1] != bytes([kind]):
        raise ValueError("the type inside is not the type outside")
    return plaintext[1:]


class NoiseInitiator:
    """The client's side: makes Hello for the server `server_id`."""

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
        """The id that Hello will prove, 32 bytes."""
        return self._client_id

    def hello(self, kind: MessageType) -> bytes:
        """Return the content of Hello or Enrol, 1,302 bytes."""
        return bytes([SUITE]) + self._hint + self._state.write_message(bytes([kind]))

    def finish(self, kind: MessageType, content: bytes) -> tuple[bytes, Transport]:
        """Open the server's answer: its body, and the transport for what follows.

        Raises:
            UnopenableError: the answer is not from the server that was addressed.
        """
        try:
            body = _without_type(kind, self._state.read_message_untrusted(content))
        except (ValueError, KeyTextError):
            raise UnopenableError("the answer cannot be opened: it is not from the server that was addressed") from None
        sending, receiving = self._state.symmetric.split()
        return body, NoiseTransport(sending, receiving)


class NoiseResponder:
    """The server's side. `keys` maps the hint of each of the server's keys to its X25519 secret."""

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
        """Return the client's id, 32 bytes, proven. Suite and hint are checked before any public-key operation.

        Raises:
            UnopenableError: the Hello is damaged, or for another server.
        """
        secret = self._keys.get(content[1 : 1 + HINT_BYTES])
        if content[:1] != bytes([SUITE]) or secret is None:
            raise UnopenableError("a Hello for another server, or of a suite that is not known")
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
            raise UnopenableError("a Hello that cannot be opened") from None
        if body:
            raise UnopenableError("a Hello with more than it may say")
        return self._state.remote_static

    def answer(self, kind: MessageType, body: bytes) -> tuple[bytes, Transport]:
        """The content of the answer, and the transport for what follows."""
        content = self._state.write_message(bytes([kind]) + body)
        receiving, sending = self._state.symmetric.split()
        return content, NoiseTransport(sending, receiving)
