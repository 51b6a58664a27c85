"""The evidence that a client keeps: pairs of signed heads that belong to two histories of its coffer (docs/protocol.md, 7).

A server that shows different releases to different readers, or a person who begins the history again, leaves such a pair. It is kept as it
came until somebody has looked at it and has typed `coffer-client trust clear`; the client tells of it at each use until then. This module
says what is kept, and how it looks in the file, to people and to programs; `trust_store` has the file.
"""

from __future__ import annotations

from coffer_common import times
from coffer_protocol import cbor
from coffer_protocol.address import Host
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.errors import DecodeError, KeyTextError, NotAReleaseError
from coffer_protocol.identity import format_id
from coffer_protocol.lean import TYPE_CHECKING, Record
from coffer_protocol.limits import SIGNED_BYTES
from coffer_protocol.release.evidence import BROKEN_CHAIN, FORK, RESTART, Evidence
from coffer_protocol.release.head import claimed_untrusted

from .errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

_VERSION: Final = 1
# What is kept of a coffer: the first that was seen, and so many of those that came last.
_LAST: Final = 8
MOST: Final = 1 + _LAST
_KINDS: Final = frozenset({FORK, BROKEN_CHAIN, RESTART})


class KeptEvidence(Record):
    """One piece of evidence.

    Attributes:
        evidence: the two heads.
        seen_at: when this client was shown the second one for the first time, in seconds since 1970, by its own clock.
        host: the host that showed it.
    """

    evidence: Evidence
    seen_at: int
    host: Host


def encode(kept: Iterable[KeptEvidence]) -> bytes:
    """Return the content of the file."""
    return cbor.encode(
        {
            "version": _VERSION,
            "evidence": [
                {
                    "kind": each.evidence.kind,
                    "known": each.evidence.known,
                    "shown": each.evidence.shown,
                    "seen_at": each.seen_at,
                    "host": str(each.host),
                }
                for each in kept
            ],
        }
    )


def decode(data: bytes, path: str) -> tuple[KeptEvidence, ...]:
    """Return the evidence in the bytes that `encode` made, from the file `path`.

    Raises:
        StateError: `encode` did not make this.
    """
    try:
        match cbor.decode(data):
            case {"version": version, "evidence": list() as entries, **others} if version == _VERSION and not others:
                return tuple(map(_decode_one, entries))
        raise DecodeError("not evidence of this version")
    except (DecodeError, KeyTextError, NotAReleaseError):
        raise StateError(
            f"{path}: the evidence that this client has kept is damaged",
            hint="keep a copy of the file for your operator, and then remove it: coffer-client trust clear",
        ) from None


def _decode_one(entry: cbor.Value) -> KeptEvidence:
    match entry:
        case {
            "kind": str() as kind,
            "known": (bytes() | None) as known,
            "shown": bytes() as shown,
            "seen_at": int() as seen_at,
            "host": str() as host,
            **others,
        } if kind in _KINDS and not others:
            for signed in (known, shown):
                if signed is not None:
                    claimed_untrusted(signed)
            return KeptEvidence(evidence=Evidence(kind=kind, known=known, shown=shown), seen_at=seen_at, host=Host.from_text(host))
    raise DecodeError("not a piece of evidence")


def joined(kept: tuple[KeptEvidence, ...], new: Iterable[KeptEvidence]) -> tuple[KeptEvidence, ...]:
    """Return the evidence with new pieces at its end: the first one and the last eight. What is there already is not added again.

    Heads that are longer than any server accepts are not kept: no honest publisher has made them.
    """
    for piece in new:
        heads = (piece.evidence.shown, piece.evidence.known or b"")
        if max(map(len, heads)) <= SIGNED_BYTES and piece.evidence not in [each.evidence for each in kept]:
            kept = (*kept, piece)
    return kept if len(kept) <= MOST else (kept[0], *kept[-_LAST:])


# ---------------------------------------------------------------------------------------------------- for people and programs


def tell(kept: tuple[KeptEvidence, ...]) -> str:
    """Return the warning for people about evidence that nobody has looked at. It describes the last piece and counts all (at least one)."""
    last = kept[-1]
    head = claimed_untrusted(last.evidence.shown)
    what, when = f"release {head.serial} of {head.coffer!r}", f"{times.show(last.seen_at)} by {last.host}"
    before = _serial(last.evidence.known)
    match last.evidence.kind:
        case kind if kind == FORK:
            text = f"{what}, as it was shown at {when}, is not the release {before} that this client had accepted: the history has a fork"
        case kind if kind == RESTART:
            text = (
                f"the history of coffer {head.coffer!r} was begun again with release {head.serial}, which was shown at {when}; the release "
                f"before it was {before}: ask your operator whether that was meant"
            )
        case _:
            text = f"{what}, as it was shown at {when}, does not follow release {before}, which this client had accepted"
    more = f" (evidence kept: {len(kept)})" if len(kept) > 1 else ""
    return (
        f"{text}{more}\nhint: `coffer-client trust` shows the evidence, and `coffer-client trust --json` exports it for your operator; "
        "`coffer-client trust clear` removes it when somebody has looked"
    )


def _serial(signed: bytes | None) -> str:
    return "(unknown)" if signed is None else str(claimed_untrusted(signed).serial)


def describe(kept: Iterable[KeptEvidence]) -> str:
    """Return evidence as lines for people and scripts: a word and its values. Each piece has up to three lines."""
    lines = []
    for each in kept:
        lines.append(f"evidence {each.evidence.kind} {times.show(each.seen_at)} {each.host}")
        for word, signed in (("known", each.evidence.known), ("shown", each.evidence.shown)):
            if signed is not None:
                head = claimed_untrusted(signed)
                lines.append(f"{word} {head.serial} {sha256(signed).hex()} {times.show(head.issued)} {format_id(head.publisher)}")
    return "".join(f"{line}\n" for line in lines)


def as_json(kept: Iterable[KeptEvidence]) -> list[dict[str, object]]:
    """Return evidence for a JSON document: each signed head whole, in hex, so that others can verify it."""
    return [
        {
            "kind": each.evidence.kind,
            "seen_at": times.show(each.seen_at),
            "host": str(each.host),
            "known": None if each.evidence.known is None else _head_as_json(each.evidence.known),
            "shown": _head_as_json(each.evidence.shown),
        }
        for each in kept
    ]


def _head_as_json(signed: bytes) -> dict[str, object]:
    head = claimed_untrusted(signed)
    return {
        "coffer": head.coffer,
        "serial": head.serial,
        "issued": times.show(head.issued),
        "publisher": format_id(head.publisher),
        "signed_sha256": sha256(signed).hex(),
        "signed": signed.hex(),
    }
