"""One tree of errors. Each says what happened, where, and what the reader should do next.

What an error says is for the person at this end. What a stranger on the wire is told is `RemoteProtocolError.code`
alone, and most often nothing.
"""

from __future__ import annotations


class CofferError(Exception):
    """The root of every error that Coffer raises on purpose."""


class KeyTextError(CofferError):
    """A key, an id or a server's address, as text or as bytes, is not one that can be used (PROTOCOL.md, 1)."""


class DecodeError(CofferError):
    """Bytes are not the deterministic CBOR, of the allowed types, that protocol 1 demands."""


class ShardError(CofferError):
    """A shard, or a secret in one, breaks a rule of PROTOCOL.md, 6."""


class UnavailableError(CofferError):
    """This machine's libraries lack something that Coffer cannot do without."""


class UnreachableError(CofferError):
    """No server could be connected to, or none answered in time."""


# ---------------------------------------------------------------------------------------------------- sessions


class ProtocolError(CofferError):
    """A session cannot go on."""


class LocalProtocolError(ProtocolError):
    """This side tried to send what may not follow: a mistake in the calling code, never the peer's."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol.

    `code` is what the peer may be told (the code of an Error message), or None where the connection is to be closed
    without a word.
    """

    code: str | None = None


class UnopenableError(RemoteProtocolError):
    """A frame is of a wrong length, or cannot be opened: forged, replayed, reordered, or for another key."""


class TurnError(RemoteProtocolError):
    """A frame that may not follow the one before it (PROTOCOL.md, 3)."""

    code = "turn"


class LimitError(RemoteProtocolError):
    """More bytes or frames than PROTOCOL.md, 9 allows."""

    code = "limit"


class MalformedMessageError(RemoteProtocolError):
    """A frame opened, but its body is not what its type promises."""

    code = "unsupported"


class TruncatedError(RemoteProtocolError):
    """The peer closed the connection before the session's end."""


class ServerError(ProtocolError):
    """The server answered with Error. Programs act on `code` alone (PROTOCOL.md, 3); `sentence` is for people."""

    def __init__(self, code: str, sentence: str) -> None:
        # A pickle makes the error anew from just what it is given here.
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return f"the server refused: {self.code}: {self.sentence}"


class KeyNotFoundError(ProtocolError):
    """The server does not know this client."""


# ---------------------------------------------------------------------------------------------------- releases


class ReleaseError(CofferError):
    """A release, or a shard out of one, is refused (PROTOCOL.md, 7). Each reason has a subclass."""


class NotAReleaseError(ReleaseError):
    """The bytes are not a release of protocol 1."""


class UntrustedPublisherError(ReleaseError):
    """The release names a publisher whom this reader does not trust."""


class BadSignatureError(ReleaseError):
    """The publisher's signature is not good."""


class WrongCofferError(ReleaseError):
    """The release is of another coffer than the one demanded."""


class ExpiredReleaseError(ReleaseError):
    """The release has expired, or this machine's clock is wrong."""


class RollbackError(ReleaseError):
    """The serial is lower than one already seen."""


class SerialJumpError(ReleaseError):
    """The serial is implausibly far above the highest seen."""


class ForkError(ReleaseError):
    """Two different releases carry one serial."""


class ChainError(ReleaseError):
    """The heads that were shown do not lead from the release that a reader knows to the one that it was given."""


class InclusionError(ReleaseError):
    """The shard is not part of the signed release."""


class BlobError(ReleaseError):
    """A blob cannot be opened with this identity, or what it holds is not padded as it must be."""


class NoteError(ReleaseError):
    """A note cannot be opened with this note key, or what it holds is not a note."""


class ListingError(ReleaseError):
    """What the server lists is not the release that was signed."""
