"""Identities, public keys and their texts (docs/protocol.md, 1).

An `Identity` is a seed: all its key pairs follow from it. A `PublicKey` is the part that its owner gives away. A `BareKey` is the only key
of a client that speaks suite 0. The programs read and write the files; this module makes and parses their contents.

A public key text ends with a proof of the signing key. A reader checks that proof once and keeps only the keys. The proof does not cover
the other three keys: everybody can sign a text that has another client's id. Therefore people compare the *fingerprint*, which covers all
four keys.
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
# Into the digits that `int` reads. The standard library's base64 would first load regular expressions.
_FROM_BASE32: Final = str.maketrans(_BASE32, "0123456789abcdefghijklmnopqrstuv")
_INFO: Final = "coffer/identity/1/"
# This is not part of the protocol: a server stores its data as it likes (docs/storage.md).
_AT_REST_INFO: Final = b"coffer/server/1/at-rest"
_CHECKSUM_BYTES: Final = 4
_XWING_SEED_BYTES: Final = 96
PUBLIC_BODY_BYTES: Final = primitives.X25519_BYTES + primitives.ED25519_BYTES + primitives.MLKEM768_PUBLIC_BYTES + primitives.X25519_BYTES
OWNER_BYTES: Final = primitives.ED25519_SIGNATURE_BYTES
FINGERPRINT_BYTES: Final = 16
_OWNER_LABEL: Final = b"coffer/1 owner"
_FINGERPRINT_LABEL: Final = b"coffer/1 key"
_FINGERPRINT_GROUP_DIGITS: Final = 4
# The code of an invite (docs/protocol.md, 8a).
INVITE_CODE_BYTES: Final = 16
# The digits of a public key text before there were proofs.
_UNPROVEN_DIGITS: Final = -(-(PUBLIC_BODY_BYTES + _CHECKSUM_BYTES) * 8 // 5)
# The bits for the group and for other users. ssh refuses a key with one of them too.
_FORBIDDEN_MODE: Final = 0o077


def format_id(key: bytes) -> str:
    """Return a 32-byte id, or a publisher key, as 64 upper-case hex digits."""
    return key.hex().upper()


def parse_id(text: str) -> bytes:
    """Return the 32 bytes of an id: 64 hex digits of either case, with dashes anywhere.

    Raises:
        KeyTextError: the text is not an id, or the key is not canonical or is of low order.
    """
    key = _parse_hex(text, "an id")
    primitives.check_x25519_public(key)
    return key


def parse_publisher_key(text: str) -> bytes:
    """Return the 32 bytes of a publisher key: 64 hex digits of either case, with dashes anywhere.

    Raises:
        KeyTextError: the text is not a publisher key, or the key is not a point that can be used.
    """
    key = _parse_hex(text, "a publisher key")
    primitives.check_ed25519_public(key)
    return key


def format_fingerprint(fingerprint: bytes) -> str:
    """Return a fingerprint of 16 bytes as people compare it: eight groups of four lower-case hex digits, joined by dashes."""
    digits = fingerprint.hex()
    return "-".join(digits[start : start + _FINGERPRINT_GROUP_DIGITS] for start in range(0, len(digits), _FINGERPRINT_GROUP_DIGITS))


def parse_fingerprint(text: str) -> bytes:
    """Return the 16 bytes of a fingerprint: 32 hex digits of either case, with dashes anywhere.

    Raises:
        KeyTextError: the text is not a fingerprint.
    """
    return _parse_hex(text, "a fingerprint", size_bytes=FINGERPRINT_BYTES)


def _parse_hex(text: str, what: str, *, size_bytes: int = ID_BYTES) -> bytes:
    digits = text.strip().replace("-", "")
    if len(digits) != 2 * size_bytes or not digits.isascii() or not digits.isalnum():
        raise KeyTextError(f"{what} is {2 * size_bytes} hex digits; this has {len(digits)} characters")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise KeyTextError(f"{what} is {2 * size_bytes} hex digits; this has other characters") from None


def _checksum(prefix: str, body: bytes) -> bytes:
    return primitives.sha256(prefix.encode() + body)[:_CHECKSUM_BYTES]


def _base32(data: bytes) -> str:
    """Encode in RFC 4648 base32, upper-case, without padding."""
    digits = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << digits * 5 - len(data) * 8
    return "".join([_BASE32[number >> 5 * place & 31] for place in range(digits - 1, -1, -1)])


def _unbase32(text: str, size_bytes: int) -> bytes:
    """Return what `_base32` was given, and refuse every text but the one that encodes those bytes.

    Raises:
        KeyTextError: the text is another one, or encodes another number of bytes.
    """
    if not set(_BASE32).issuperset(text):
        raise KeyTextError("the key text has characters that base32 does not have: copy it again, whole")
    try:
        data = (int(text.translate(_FROM_BASE32) or "0", 32) >> -size_bytes * 8 % 5).to_bytes(size_bytes, "big")
    except OverflowError:
        data = b""
    if _base32(data) != text:
        raise KeyTextError(f"the key text is cut short or too long ({len(text)} characters): copy it again, whole")
    return data


def parse_invite_code(text: str) -> bytes:
    """Return the 16 bytes of an invite's code: lower-case base32 without padding (docs/protocol.md, 8a).

    Raises:
        KeyTextError: the text is not a code.
    """
    if text != text.lower() or not text.isascii():
        raise KeyTextError("an invite's code is lower-case: copy it again, whole")
    return _unbase32(text.upper(), INVITE_CODE_BYTES)


def format_invite_code(code: bytes) -> str:
    """Return an invite's code of 16 bytes as it is written in an address."""
    return _base32(code).lower()


class BareKey(Record):
    """A NaCl public key alone: its owner speaks suite 0, and its shards are sealed boxes (alg 1)."""

    id: bytes

    def __post_init__(self) -> None:
        primitives.check_x25519_public(self.id)

    def text(self) -> str:
        """Return the id as text."""
        return format_id(self.id)

    def fingerprint_text(self) -> str:
        """Return the text that people compare: the id, because there is no other key."""
        return format_id(self.id)


class PublicKey(Record):
    """The public half of an identity. Its owner speaks suite 1, and its shards are sealed by HPKE (alg 2).

    Attributes:
        id: the X25519 key of sessions, 32 bytes.
        sign: the Ed25519 key that verifies releases, 32 bytes: the *publisher key*.
        seal_mlkem: the ML-KEM-768 encapsulation key of the seal pair, 1,184 bytes.
        seal_x25519: the X25519 key of the seal pair, 32 bytes.

    Raises:
        KeyTextError: a key cannot be used.
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

    @property
    def body(self) -> bytes:
        """The four keys, one after another, 1,280 bytes."""
        return self.id + self.sign + self.seal_mlkem + self.seal_x25519

    def fingerprint(self) -> bytes:
        """Return the fingerprint of all four keys, 16 bytes."""
        return primitives.sha256(_FINGERPRINT_LABEL + self.body)[:FINGERPRINT_BYTES]

    def fingerprint_text(self) -> str:
        """Return the fingerprint as people compare it."""
        return format_fingerprint(self.fingerprint())

    def text(self, owner: bytes) -> str:
        """Return `coffer1…`, the public key text.

        Args:
            owner: the proof of the signing key, 64 bytes (`Identity.owner_proof`).
        """
        data = self.body + owner
        return PUBLIC_PREFIX + _base32(data + _checksum(PUBLIC_PREFIX, data)).lower()

    @classmethod
    def from_body(cls, body: bytes) -> PublicKey:
        """Return the key whose `body` this is.

        Raises:
            KeyTextError: the body has another length, or a key in it cannot be used.
        """
        if len(body) != PUBLIC_BODY_BYTES:
            raise KeyTextError(f"the body of a public key has {PUBLIC_BODY_BYTES} bytes, got {len(body)}")
        return cls(id=body[:32], sign=body[32:64], seal_mlkem=body[64:-32], seal_x25519=body[-32:])

    @classmethod
    def from_owned_untrusted(cls, body: bytes, owner: bytes) -> PublicKey:
        """Return the key whose `body` this is, if `owner` proves its signing key.

        Raises:
            KeyTextError: as `from_body`; or the proof is not valid.
        """
        key = cls.from_body(body)
        try:
            primitives.ed25519_verify(key.sign, _OWNER_LABEL + body, owner)
        except ValueError:
            raise KeyTextError("the public key's proof is not valid: copy the text again from its owner") from None
        return key

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Parse a public key text, and check the proof in it.

        Raises:
            KeyTextError: the text is damaged or is a secret, holds a key that cannot be used, or does not prove its signing key.
        """
        text = text.strip()
        if text.upper().startswith(SECRET_PREFIX[:17]):
            raise KeyTextError("this is a SECRET key, and a public one is expected: keep it private, and give the line from its .pub file")
        if not text.startswith(PUBLIC_PREFIX):
            raise KeyTextError(f"a public key text begins with {PUBLIC_PREFIX}")
        encoded = text[len(PUBLIC_PREFIX) :]
        # Some letters outside ASCII become ASCII when they are made upper-case.
        if encoded != encoded.lower() or not encoded.isascii():
            raise KeyTextError("a public key text is lower-case: copy it again, whole")
        if len(encoded) == _UNPROVEN_DIGITS:
            raise KeyTextError(
                "this public key text is from an earlier version of Coffer and has no proof: print the new text with `coffer-client id` or "
                "`coffer-companion id --text`, which take the same key file"
            )
        data = _unbase32(encoded.upper(), PUBLIC_BODY_BYTES + OWNER_BYTES + _CHECKSUM_BYTES)
        proven, check = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if check != _checksum(PUBLIC_PREFIX, proven):
            raise KeyTextError("the public key text does not match its checksum: copy it again, whole")
        return cls.from_owned_untrusted(proven[:-OWNER_BYTES], proven[-OWNER_BYTES:])


# A client as the operator knows it: the key that its shards are sealed to.
ClientKey: TypeAlias = BareKey | PublicKey


def parse_client_key(text: str) -> ClientKey:
    """Parse a client's key as a definition has it: a public key text, or the id of a client that speaks suite 0.

    Raises:
        KeyTextError: the text is neither, or the key cannot be used.
    """
    if len(text.strip().replace("-", "")) == 2 * ID_BYTES:
        return BareKey(id=parse_id(text))
    if text.strip().lower().startswith((PUBLIC_PREFIX, SECRET_PREFIX[:17].lower())):
        return PublicKey.from_text(text)
    raise KeyTextError(f"a client's key is a public key text ({PUBLIC_PREFIX}…, from `coffer-client id`) or 64 hex digits")


def parse_public_file(text: str) -> PublicKey:
    """Parse the contents of a `.pub` file with a public key text; blank lines and comments are skipped.

    Raises:
        KeyTextError: there is not exactly one public key text.
    """
    return PublicKey.from_text(only_line(text, "public key"))


def parse_client_file(text: str) -> ClientKey:
    """Parse the contents of a `.pub` file: a public key text, or the id of a bare identity; blank lines and comments are skipped.

    Raises:
        KeyTextError: there is not exactly one key.
    """
    return parse_client_key(only_line(text, "public key"))


def only_line(text: str, what: str) -> str:
    """Return the one line of a file's text that is neither blank nor a comment.

    Args:
        text: the contents.
        what: what the line holds, for the error.

    Raises:
        KeyTextError: there is not exactly one.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    if len(lines) != 1:
        raise KeyTextError(f"expected one {what}, on a line of its own; got {len(lines)} lines that are not comments")
    return lines[0]


class Identity(Record):
    """A seed of 32 bytes. Its key pairs are derived when they are asked for."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise KeyTextError("an identity's seed has 32 bytes")

    def __repr__(self) -> str:
        return "Identity()"

    @classmethod
    def generate(cls, random: Random = primitives.random_bytes) -> Identity:
        """Make a new identity."""
        return cls(seed=random(SEED_BYTES))

    def _derive(self, name: str) -> bytes:
        return primitives.hkdf_sha256(ikm=self.seed, salt=b"", info=(_INFO + name).encode(), size_bytes=32)

    def box_secret(self) -> bytes:
        """Return the X25519 secret key of suite 1's sessions."""
        return self._derive("box")

    def plain_secret(self) -> bytes:
        """Return the X25519 secret key of suite 0, and of blobs of alg 1."""
        return self._derive("plain")

    def sign_seed(self) -> bytes:
        """Return the Ed25519 seed that signs releases and receipts."""
        return self._derive("sign")

    def seal_secret(self) -> tuple[bytes, bytes]:
        """Return the secrets that open blobs of alg 2: an ML-KEM-768 seed d ‖ z (64 bytes) and an X25519 secret (32)."""
        expanded = primitives.shake256(self._derive("seal"), _XWING_SEED_BYTES)
        return expanded[: primitives.MLKEM768_SEED_BYTES], expanded[primitives.MLKEM768_SEED_BYTES :]

    def at_rest_key(self) -> bytes:
        """Return the key, 32 bytes, under which a server wraps the keys that seal its store's rows (docs/storage.md)."""
        return primitives.hkdf_sha256(ikm=self.seed, salt=b"", info=_AT_REST_INFO, size_bytes=32)

    def id(self) -> bytes:
        """Return the id in suite 1: the public key of `box_secret`."""
        return primitives.x25519_public(self.box_secret())

    def plain_id(self) -> bytes:
        """Return the id in suite 0: the public key of `plain_secret`."""
        return primitives.x25519_public(self.plain_secret())

    def publisher_key(self) -> bytes:
        """Return the Ed25519 public key that verifies what this identity signs."""
        return primitives.ed25519_public(self.sign_seed())

    def public(self) -> PublicKey:
        """Return the public keys.

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

    def owner_proof(self) -> bytes:
        """Return the proof of the signing key that a public key text ends with, 64 bytes.

        Raises:
            UnavailableError: this machine's libraries have no ML-KEM-768.
        """
        return primitives.ed25519_sign(self.sign_seed(), _OWNER_LABEL + self.public().body)

    def public_text(self) -> str:
        """Return `coffer1…`, the public key text.

        Raises:
            UnavailableError: this machine's libraries have no ML-KEM-768.
        """
        return self.public().text(self.owner_proof())

    def secret_text(self) -> str:
        """Return `COFFER-SECRET-KEY-1…`. Everybody who knows it can act as this identity."""
        return SECRET_PREFIX + _base32(self.seed + _checksum(SECRET_PREFIX, self.seed))

    @classmethod
    def from_text(cls, text: str) -> Identity:
        """Parse a secret text. Errors never repeat any part of it.

        Raises:
            KeyTextError: the text is damaged, or is not a secret text.
        """
        text = text.strip()
        if text.startswith(PUBLIC_PREFIX):
            raise KeyTextError("this is a public key, and a secret one is expected: name the file without .pub")
        if not text.startswith(SECRET_PREFIX):
            raise KeyTextError(f"an identity begins with {SECRET_PREFIX}")
        data = _unbase32(text[len(SECRET_PREFIX) :], SEED_BYTES + _CHECKSUM_BYTES)
        seed, check = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if not primitives.same(check, _checksum(SECRET_PREFIX, seed)):
            raise KeyTextError("the secret key text does not match its checksum: restore the file from a copy")
        return cls(seed=seed)

    def file_text(self) -> str:
        """Return the contents of an identity file: the id and the public key text as comments, and the secret text."""
        return (
            "# A Coffer identity. Everybody who can read this file is its owner.\n"
            f"# id: {format_id(self.id())}\n"
            f"# fingerprint: {self.public().fingerprint_text()}\n"
            f"# public key: {self.public_text()}\n"
            f"{self.secret_text()}\n"
        )

    @classmethod
    def from_file_text(cls, text: str, *, mode: int) -> Identity:
        """Parse the contents of an identity file.

        Args:
            text: the contents.
            mode: the file's permission bits.

        Raises:
            KeyTextError: other users can access the file, or there is not exactly one secret text in it.
        """
        if mode & _FORBIDDEN_MODE:
            raise KeyTextError(
                f"other users can access it (mode {mode & 0o777:04o}): chmod 600 it, and make a new identity if somebody may have read it"
            )
        return cls.from_text(only_line(text, "secret key"))
