"""Identities, public keys and their texts (PROTOCOL.md, 1).

An `Identity` is a seed and can do everything; a `PublicKey` is what its owner gives away; a `BareKey` is all that is known of a client
that speaks suite 0. Files are read and written by the programs; what stands in them is made and parsed here.
"""

from __future__ import annotations

from .crypto import primitives
from .errors import KeyTextError
from .lean import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from .crypto.primitives import Random

SEED_BYTES: Final = 32
ID_BYTES: Final = 32

PUBLIC_PREFIX: Final = "coffer1"
SECRET_PREFIX: Final = "COFFER-SECRET-KEY-1"

_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# To the digits that `int` knows. The standard library's base64 loads its regular expressions first.
_FROM_BASE32: Final = str.maketrans(_BASE32, "0123456789abcdefghijklmnopqrstuv")
_INFO: Final = "coffer/identity/1/"
# No part of the protocol: what a server keeps is its own affair (docs/storage.md).
_AT_REST_INFO: Final = b"coffer/server/1/at-rest"
_CHECKSUM_BYTES: Final = 4
_XWING_SEED_BYTES: Final = 96
_PUBLIC_BODY_BYTES: Final = primitives.X25519_BYTES + primitives.ED25519_BYTES + primitives.MLKEM768_PUBLIC_BYTES + primitives.X25519_BYTES
# Owner only: any bit for the group or for others, as ssh demands of its keys.
_FORBIDDEN_MODE: Final = 0o077


def format_id(key: bytes) -> str:
    """A 32-byte id, or a publisher key, as 64 upper-case hex digits."""
    return key.hex().upper()


def parse_id(text: str) -> bytes:
    """The 32 bytes of an id: 64 hex digits of either case, dashes anywhere.

    Raises:
        KeyTextError: it is not one, or the key is not canonical or of low order.
    """
    key = _parse_hex(text, "an id")
    primitives.check_x25519_public(key)
    return key


def parse_publisher_key(text: str) -> bytes:
    """The 32 bytes of a publisher key: 64 hex digits of either case, dashes anywhere.

    Raises:
        KeyTextError: it is not one, or not a point that can be used.
    """
    key = _parse_hex(text, "a publisher key")
    primitives.check_ed25519_public(key)
    return key


def _parse_hex(text: str, what: str) -> bytes:
    digits = text.strip().replace("-", "")
    if len(digits) != 2 * ID_BYTES or not digits.isascii() or not digits.isalnum():
        raise KeyTextError(f"{what} is 64 hex digits; this has {len(digits)} characters")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise KeyTextError(f"{what} is 64 hex digits; this has other characters") from None


def _checksum(prefix: str, body: bytes) -> bytes:
    return primitives.sha256(prefix.encode() + body)[:_CHECKSUM_BYTES]


def _base32(data: bytes) -> str:
    """RFC 4648 base32, upper-case, without padding."""
    digits = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << digits * 5 - len(data) * 8
    return "".join([_BASE32[number >> 5 * place & 31] for place in range(digits - 1, -1, -1)])


def _unbase32(text: str, size_bytes: int) -> bytes:
    """What `_base32` was given, refusing every text but the one that encodes the bytes.

    Raises:
        KeyTextError: it is not that text, or encodes another number of bytes.
    """
    if not set(_BASE32).issuperset(text):
        raise KeyTextError("the key text has characters that base32 does not: copy it anew, whole")
    try:
        data = (int(text.translate(_FROM_BASE32) or "0", 32) >> -size_bytes * 8 % 5).to_bytes(size_bytes, "big")
    except OverflowError:
        data = b""
    if _base32(data) != text:
        raise KeyTextError(f"the key text is cut short or too long ({len(text)} characters): copy it anew, whole")
    return data


class BareKey(Record):
    """A NaCl public key alone: its owner speaks suite 0, and its shards are sealed boxes (alg 1)."""

    id: bytes

    def __post_init__(self) -> None:
        primitives.check_x25519_public(self.id)

    def text(self) -> str:
        """The id as text."""
        return format_id(self.id)


class PublicKey(Record):
    """The public half of an identity. Its owner speaks suite 1, and its shards are sealed by HPKE (alg 2).

    Attributes:
        id: the X25519 key of sessions, 32 bytes.
        sign: the Ed25519 key that verifies releases, 32 bytes: the *publisher key*.
        seal_mlkem: the ML-KEM-768 encapsulation key of the seal pair, 1,184 bytes.
        seal_x25519: the X25519 key of the seal pair, 32 bytes.
    """

    id: bytes
    sign: bytes
    seal_mlkem: bytes
    seal_x25519: bytes

    def __post_init__(self) -> None:
        primitives.check_x25519_public(self.id)
        primitives.check_ed25519_public(self.sign)
        primitives.check_mlkem_public(self.seal_mlkem)
        primitives.check_x25519_public(self.seal_x25519)

    def text(self) -> str:
        """`coffer1…`, the public key text."""
        body = self.id + self.sign + self.seal_mlkem + self.seal_x25519
        return PUBLIC_PREFIX + _base32(body + _checksum(PUBLIC_PREFIX, body)).lower()

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Parse a public key text.

        Raises:
            KeyTextError: the text is damaged, is a secret, or holds a key that cannot be used.
        """
        text = text.strip()
        if text.upper().startswith(SECRET_PREFIX[:17]):
            raise KeyTextError("this is a SECRET key where a public one belongs: keep it private, and give the line from its .pub file")
        if not text.startswith(PUBLIC_PREFIX):
            raise KeyTextError(f"a public key text begins with {PUBLIC_PREFIX}")
        encoded = text[len(PUBLIC_PREFIX) :]
        # Some letters outside ASCII become ASCII where they are made upper-case.
        if encoded != encoded.lower() or not encoded.isascii():
            raise KeyTextError("a public key text is lower-case: copy it anew, whole")
        data = _unbase32(encoded.upper(), _PUBLIC_BODY_BYTES + _CHECKSUM_BYTES)
        body, check = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if check != _checksum(PUBLIC_PREFIX, body):
            raise KeyTextError("the public key text does not match its checksum: copy it anew, whole")
        return cls(id=body[:32], sign=body[32:64], seal_mlkem=body[64:-32], seal_x25519=body[-32:])


# A client as the operator knows it: whoever its shards are sealed to.
ClientKey: TypeAlias = BareKey | PublicKey


def parse_client_key(text: str) -> ClientKey:
    """A client's key as a definition has it: a public key text, or an id for one that speaks suite 0.

    Raises:
        KeyTextError: it is neither, or cannot be used.
    """
    if len(text.strip().replace("-", "")) == 2 * ID_BYTES:
        return BareKey(id=parse_id(text))
    if text.strip().lower().startswith((PUBLIC_PREFIX, SECRET_PREFIX[:17].lower())):
        return PublicKey.from_text(text)
    raise KeyTextError(f"a client's key is a public key text ({PUBLIC_PREFIX}…, from `coffer-client id`) or 64 hex digits")


def parse_public_file(text: str) -> PublicKey:
    """The public key in a `.pub` file, or piped from one: blank lines and comments are skipped.

    Raises:
        KeyTextError: it does not hold exactly one public key text.
    """
    return PublicKey.from_text(_only_line(text, "public key"))


def parse_client_file(text: str) -> ClientKey:
    """The client's key in a `.pub` file: a public key text, or the id of a bare identity; blank lines and comments are skipped.

    Raises:
        KeyTextError: it does not hold exactly one key.
    """
    return parse_client_key(_only_line(text, "public key"))


def _only_line(text: str, what: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    if len(lines) != 1:
        raise KeyTextError(f"there must be one {what}, one line beside comments; here are {len(lines)}")
    return lines[0]


class Identity(Record):
    """A seed of 32 bytes, and the key pairs that follow from it, each derived when it is asked for."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise KeyTextError("an identity's seed has 32 bytes")

    def __repr__(self) -> str:
        return "Identity()"

    @classmethod
    def generate(cls, random: Random = primitives.random_bytes) -> Identity:
        """A new identity."""
        return cls(seed=random(SEED_BYTES))

    def _derive(self, name: str) -> bytes:
        return primitives.hkdf_sha256(ikm=self.seed, salt=b"", info=(_INFO + name).encode(), size_bytes=32)

    def box_secret(self) -> bytes:
        """The X25519 secret key of suite 1's sessions."""
        return self._derive("box")

    def plain_secret(self) -> bytes:
        """The X25519 secret key of suite 0, and of blobs of alg 1."""
        return self._derive("plain")

    def sign_seed(self) -> bytes:
        """The Ed25519 seed that signs releases."""
        return self._derive("sign")

    def seal_secret(self) -> tuple[bytes, bytes]:
        """The secrets that open blobs of alg 2: an ML-KEM-768 seed d ‖ z (64 bytes) and an X25519 secret (32)."""
        expanded = primitives.shake256(self._derive("seal"), _XWING_SEED_BYTES)
        return expanded[: primitives.MLKEM768_SEED_BYTES], expanded[primitives.MLKEM768_SEED_BYTES :]

    def at_rest_key(self) -> bytes:
        """The key, 32 bytes, under which a server wraps what it keeps its store's rows sealed with (docs/storage.md)."""
        return primitives.hkdf_sha256(ikm=self.seed, salt=b"", info=_AT_REST_INFO, size_bytes=32)

    def id(self) -> bytes:
        """The id in suite 1: the public key of `box_secret`."""
        return primitives.x25519_public(self.box_secret())

    def plain_id(self) -> bytes:
        """The id in suite 0: the public key of `plain_secret`."""
        return primitives.x25519_public(self.plain_secret())

    def publisher_key(self) -> bytes:
        """The Ed25519 public key that verifies what this identity signs."""
        return primitives.ed25519_public(self.sign_seed())

    def public(self) -> PublicKey:
        """All that others need, as one value.

        Raises:
            UnavailableError: this machine's libraries have no ML-KEM-768.
        """
        mlkem_seed, x25519_secret = self.seal_secret()
        return PublicKey(
            id=self.id(),
            sign=self.publisher_key(),
            seal_mlkem=primitives.mlkem_public(mlkem_seed),
            seal_x25519=primitives.x25519_public(x25519_secret),
        )

    def secret_text(self) -> str:
        """`COFFER-SECRET-KEY-1…`. Whoever has it is this identity."""
        return SECRET_PREFIX + _base32(self.seed + _checksum(SECRET_PREFIX, self.seed))

    @classmethod
    def from_text(cls, text: str) -> Identity:
        """Parse a secret text. Errors never repeat any of it.

        Raises:
            KeyTextError: the text is damaged, or is not a secret.
        """
        text = text.strip()
        if text.startswith(PUBLIC_PREFIX):
            raise KeyTextError("this is a public key where a secret one is wanted: name the file without .pub")
        if not text.startswith(SECRET_PREFIX):
            raise KeyTextError(f"an identity begins with {SECRET_PREFIX}")
        data = _unbase32(text[len(SECRET_PREFIX) :], SEED_BYTES + _CHECKSUM_BYTES)
        seed, check = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if not primitives.same(check, _checksum(SECRET_PREFIX, seed)):
            raise KeyTextError("the secret key text does not match its checksum: restore it from where it was copied")
        return cls(seed=seed)

    def file_text(self) -> str:
        """What an identity file holds: the id and the public key as comments, and the secret text."""
        return (
            "# A Coffer identity. Whoever can read this file is its owner.\n"
            f"# id: {format_id(self.id())}\n"
            f"# public key: {self.public().text()}\n"
            f"{self.secret_text()}\n"
        )

    @classmethod
    def from_file_text(cls, text: str, *, mode: int) -> Identity:
        """Parse what an identity file holds. `mode` is the file's permission bits.

        Raises:
            KeyTextError: others than its owner can use the file, or it does not hold exactly one secret text.
        """
        if mode & _FORBIDDEN_MODE:
            raise KeyTextError(f"others can read it (mode {mode & 0o777:04o}): chmod 600 it, and make a new key if somebody might have")
        return cls.from_text(_only_line(text, "secret key"))
