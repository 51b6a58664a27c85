from __future__ import annotations

import json
from dataclasses import replace

import pytest

from coffer_client import evidence_store
from coffer_client.errors import StateError
from coffer_client.evidence_store import MOST, KeptEvidence, as_json, decode, describe, encode, joined, tell
from coffer_protocol import cbor
from coffer_protocol.address import Host
from coffer_protocol.crypto.primitives import sha256
from coffer_protocol.identity import format_id
from coffer_protocol.limits import SIGNED_BYTES
from coffer_protocol.release import head as heads
from coffer_protocol.release.evidence import BROKEN_CHAIN, FORK, RESTART, Evidence

from .releases import NOW, PUBLISHER, make_head

HOST = Host(name="coffer.example", port=4711)
KNOWN = heads.sign(make_head(serial=7), PUBLISHER)


def piece(number: int, *, kind: str = FORK, known: bytes | None = KNOWN) -> KeptEvidence:
    shown = heads.sign(make_head(serial=7 if kind == FORK else 9, root=bytes([number]) * 32), PUBLISHER)
    return KeptEvidence(evidence=Evidence(kind=kind, known=known, shown=shown), seen_at=NOW, host=HOST)


def numbers(kept: tuple[KeptEvidence, ...]) -> list[int]:
    return [heads.claimed_untrusted(each.evidence.shown).root[0] for each in kept]


def test_what_is_encoded_is_decoded() -> None:
    kept = (piece(1), piece(2, kind=BROKEN_CHAIN), piece(3, kind=RESTART, known=None))
    assert decode(encode(kept), "file") == kept


def test_the_first_and_the_last_eight_are_kept() -> None:
    kept: tuple[KeptEvidence, ...] = ()
    for number in range(1, 21):
        kept = joined(kept, [piece(number)])
    assert numbers(kept) == [1, *range(13, 21)]
    assert len(kept) == MOST == 9
    assert numbers(joined((), map(piece, range(1, 21)))) == [1, *range(13, 21)]


def test_what_is_there_is_not_added_again() -> None:
    kept = joined((), [piece(1), piece(2)])
    assert joined(kept, [piece(1), piece(2), piece(1)]) == kept


def test_it_is_bounded_in_size() -> None:
    names = tuple(f"host{number}.example" for number in range(1100))
    head = replace(make_head(serial=7), hosts=names[:800])
    fits, exceeds = (heads.sign(each, PUBLISHER) for each in (head, replace(head, hosts=names)))
    assert len(fits) <= SIGNED_BYTES < len(exceeds)
    pieces = [KeptEvidence(evidence=Evidence(kind=FORK, known=KNOWN, shown=shown), seen_at=NOW, host=HOST) for shown in (fits, exceeds)]
    assert joined((), pieces) == (pieces[0],)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80",
        encode([piece(1)])[:-1],
        cbor.encode({"version": 2, "evidence": []}),
        cbor.encode({"version": 1, "evidence": [], "more": 1}),
        cbor.encode({"version": 1, "evidence": [{"kind": "fork"}]}),
        encode([piece(1, kind="no kind of ours")]),
        encode([piece(1, known=b"\x80")]),
        cbor.encode({"version": 1, "evidence": [{"kind": FORK, "known": None, "shown": KNOWN, "seen_at": 1, "host": "\x1b[2K"}]}),
    ],
)
def test_what_is_damaged_is_named_with_what_to_type(content: bytes) -> None:
    with pytest.raises(StateError, match=r"^/state/web\.evidence: the evidence that this client has kept is damaged\n") as caught:
        decode(content, "/state/web.evidence")
    assert "coffer-client trust clear" in str(caught.value.hint)


def test_a_warning_tells_of_the_last_and_counts() -> None:
    when = "2023-11-14T22:13:20Z by coffer.example:4711"
    assert tell((piece(1),)).startswith(
        f"release 7 of 'shop', as it was shown at {when}, is not the release 7 that this client had accepted"
    )
    chain = tell((piece(1), piece(2, kind=BROKEN_CHAIN)))
    assert chain.startswith(
        f"release 9 of 'shop', as it was shown at {when}, does not follow release 7, which this client had accepted (evi"
    )
    assert "(evidence kept: 2)" in chain
    restart = tell((piece(1, kind=RESTART),))
    assert restart.startswith(
        f"the history of coffer 'shop' was begun again with release 9, which was shown at {when}; the release before it"
    )
    assert "the release before it was (unknown)" in tell((piece(1, kind=RESTART, known=None),))
    for text in (chain, restart):
        assert "\nhint: `coffer-client trust` shows" in text
        assert "`coffer-client trust clear` removes it" in text


def test_people_and_scripts_see_lines() -> None:
    kept = (piece(1), piece(2, kind=RESTART, known=None))
    publisher = format_id(PUBLISHER.publisher_key())
    known, *shown = (sha256(signed).hex() for signed in (KNOWN, kept[0].evidence.shown, kept[1].evidence.shown))
    assert describe(kept).splitlines() == [
        "evidence fork 2023-11-14T22:13:20Z coffer.example:4711",
        f"known 7 {known} 2023-11-14T22:13:20Z {publisher}",
        f"shown 7 {shown[0]} 2023-11-14T22:13:20Z {publisher}",
        "evidence restart 2023-11-14T22:13:20Z coffer.example:4711",
        f"shown 9 {shown[1]} 2023-11-14T22:13:20Z {publisher}",
    ]
    assert describe(()) == ""


def test_what_is_exported_can_be_verified_by_somebody_else() -> None:
    (exported,) = json.loads(json.dumps(as_json([piece(1)])))
    assert (exported["kind"], exported["host"], exported["seen_at"]) == (FORK, "coffer.example:4711", "2023-11-14T22:13:20Z")
    for which, expected in (("known", KNOWN), ("shown", piece(1).evidence.shown)):
        signed = bytes.fromhex(exported[which]["signed"])
        assert signed == expected
        release = heads.verify_untrusted(signed, publishers=(PUBLISHER.publisher_key(),))
        assert (exported[which]["serial"], exported[which]["signed_sha256"]) == (release.head.serial, release.sha256.hex())
        assert exported[which]["publisher"] == format_id(release.head.publisher)
    assert as_json([piece(1, known=None)])[0]["known"] is None


def test_the_file_is_never_longer_than_is_read() -> None:
    most = len(encode([piece(1)] * MOST)) + MOST * 2 * SIGNED_BYTES
    from coffer_client.trust_store import _EVIDENCE_LIMIT_BYTES

    assert most < _EVIDENCE_LIMIT_BYTES
    assert evidence_store.MOST == MOST
