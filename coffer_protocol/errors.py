"""The tree of errors.

    CofferError
    ├── KeyTextError
    ├── DecodeError
    ├── ShardError
    ├── UnavailableError
    │   └── SelfTestError
    ├── UnreachableError
    ├── ClockError
    ├── EnrolmentError
    ├── ProtocolError
    │   ├── LocalProtocolError
    │   ├── RemoteProtocolError
    │   │   ├── UnopenableError
    │   │   ├── TurnError
    │   │   ├── LimitError
    │   │   ├── MalformedMessageError
    │   │   └── TruncatedError
    │   ├── ServerError
    │   └── KeyNotFoundError
    └── ReleaseError
        ├── NotAReleaseError
        ├── UntrustedPublisherError
        ├── BadSignatureError
        ├── WrongCofferError
        ├── ExpiredReleaseError
        ├── RollbackError
        ├── SerialJumpError
        ├── ForkError
        ├── ChainError
        ├── IssuedEarlierError
        ├── IssuedAheadError
        ├── InclusionError
        ├── BlobError
        ├── NoteError
        ├── ReceiptError
        └── ListingError

An error's text is for the person at this end: what happened, in which file or message, and what to do. The peer gets at most
`RemoteProtocolError.code`, and most often nothing.
"""

from __future__ import annotations

from .lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from .release.evidence import Evidence


class CofferError(Exception):
    """The root of every error that Coffer raises on purpose.

    Args:
        message: what happened and, if that is short, what to do.
        hint: what to do, if that takes a sentence of its own. A program prints it on a line of its own, which begins with `hint: `; a
            traceback shows it as a note.
    """

    hint: str | None = None

    def __init__(self, *message: object, hint: str | None = None) -> None:
        super().__init__(*message)
        if hint is not None:
            self.hint = hint
            self.add_note(f"hint: {hint}")


class KeyTextError(CofferError):
    """A key, an id or a server's address cannot be used, whether it is text or bytes (docs/protocol.md, 1)."""


class DecodeError(CofferError):
    """Bytes are not what protocol 1 demands: deterministic CBOR of the allowed types."""


class ShardError(CofferError):
    """A shard, or a secret in one, breaks a rule of docs/protocol.md, 6."""


class UnavailableError(CofferError):
    """This machine's libraries lack something that Coffer needs."""


class SelfTestError(UnavailableError):
    """This machine's libraries have ML-KEM-768, but compute a wrong result."""


class UnreachableError(CofferError):
    """No server could be reached, or none answered in time."""


class ClockError(CofferError):
    """This machine's clock cannot be right, and no release that was seen tells the time."""


class EnrolmentError(CofferError):
    """A request to be let in does not prove what it claims (docs/protocol.md, 8a)."""


# ---------------------------------------------------------------------------------------------------- sessions


class ProtocolError(CofferError):
    """The session cannot continue."""


class LocalProtocolError(ProtocolError):
    """This side tried to send a message that may not follow: a mistake in the calling code, never the peer's."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol.

    Attributes:
        code: the code of the Error that the peer gets; None if the connection is closed without an answer.
    """

    code: str | None = None


class UnopenableError(RemoteProtocolError):
    """A frame has the wrong length or an unknown type, or cannot be opened: it was forged, replayed or reordered, or is for another key."""


class TurnError(RemoteProtocolError):
    """A frame came that may not follow the one before it (docs/protocol.md, 3)."""

    code = "turn"


class LimitError(RemoteProtocolError):
    """The peer sent more bytes or frames than docs/protocol.md, 9 allows."""

    code = "limit"


class MalformedMessageError(RemoteProtocolError):
    """A frame was opened, but its body is not what its type promises."""

    code = "unsupported"


class TruncatedError(RemoteProtocolError):
    """The peer closed the connection before the session's end."""


class ServerError(ProtocolError):
    """The server answered with Error. Programs act on `code` alone (docs/protocol.md, 3); `sentence` is for people.

    Args:
        code, sentence: the code and the sentence of the server's Error.
        hint: as for every `CofferError`.
    """

    def __init__(self, code: str, sentence: str, *, hint: str | None = None) -> None:
        # A pickle calls this again with the arguments that are passed on here.
        super().__init__(code, sentence, hint=hint)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return f"the server refused: {self.code}: {self.sentence}"


class KeyNotFoundError(ProtocolError):
    """The server does not know this client."""


# ---------------------------------------------------------------------------------------------------- releases


class ReleaseError(CofferError):
    """A release, or a shard of one, is refused (docs/protocol.md, 7). Each reason has a subclass.

    Attributes:
        evidence: evidence that the server gives different releases to different readers; None if there is no such evidence.
    """

    evidence: Evidence | None = None

    def with_evidence(self, evidence: Evidence | None) -> Self:
        """Return the error itself, with evidence."""
        self.evidence = evidence
        return self


class NotAReleaseError(ReleaseError):
    """The bytes are not a release of protocol 1."""


class UntrustedPublisherError(ReleaseError):
    """The release names a publisher that this reader does not trust."""


class BadSignatureError(ReleaseError):
    """The publisher's signature is not valid."""


class WrongCofferError(ReleaseError):
    """The release belongs to another coffer than the one that was asked for."""


class ExpiredReleaseError(ReleaseError):
    """The release has expired, or this machine's clock is wrong."""


class RollbackError(ReleaseError):
    """The serial is lower than one already seen."""


class SerialJumpError(ReleaseError):
    """The serial is implausibly far above the highest one seen."""


class ForkError(ReleaseError):
    """Two different releases have the same serial."""


class ChainError(ReleaseError):
    """A release does not follow the one that the reader has seen, and the heads that the server showed do not lead to it."""


class IssuedEarlierError(ReleaseError):
    """The release was issued before the one that the reader has seen, and is not a restart."""


class IssuedAheadError(ReleaseError):
    """The release was issued more than a day ahead of the reader's time."""


class InclusionError(ReleaseError):
    """The shard is not part of the signed release."""


class BlobError(ReleaseError):
    """A blob cannot be opened with this identity, or its content is not padded correctly."""


class NoteError(ReleaseError):
    """A note cannot be opened with this note key, or its content is not a note."""


class ReceiptError(ReleaseError):
    """A receipt is not signed by the client that it names."""


class ListingError(ReleaseError):
    """The list that the server gave is not that of the signed release."""
