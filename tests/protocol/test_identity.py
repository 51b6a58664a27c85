from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol import identity as identities
from coffer_protocol.crypto import primitives
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import (
    BareKey,
    Identity,
    PublicKey,
    format_id,
    parse_client_key,
    parse_fingerprint,
    parse_id,
    parse_publisher_key,
)
from tests.support import identity, vectors

VECTORS = vectors("identities")
WEB = identity("web")


@pytest.mark.parametrize("entry", VECTORS["identities"], ids=lambda entry: entry["name"])
def test_everything_follows_from_the_seed(entry: Any) -> None:
    whole = Identity(seed=bytes.fromhex(entry["seed"]))
    public = whole.public()
    mlkem_seed, seal_x25519 = whole.seal_secret()
    assert whole.secret_text() == entry["secret_text"]
    assert whole.owner_proof().hex() == entry["owner"]
    assert whole.public_text() == public.text(whole.owner_proof()) == entry["public_text"]
    assert public.fingerprint_text() == entry["fingerprint"]
    assert parse_fingerprint(entry["fingerprint"]) == public.fingerprint()
    assert format_id(whole.id()) == entry["id"]
    assert whole.box_secret().hex() == entry["box_sk"]
    assert format_id(whole.plain_id()) == entry["plain_id"]
    assert whole.plain_secret().hex() == entry["plain_sk"]
    assert whole.publisher_key().hex() == entry["sign_pk"]
    assert primitives.shake256(bytes.fromhex(entry["seal_seed"]), 96) == mlkem_seed + seal_x25519
    assert primitives.sha256(public.seal_mlkem).hex() == entry["mlkem_ek_sha256"]
    assert public.seal_x25519.hex() == entry["seal_x25519_pk"]
    assert Identity.from_text(entry["secret_text"]) == whole
    assert PublicKey.from_text(entry["public_text"]) == public
    assert parse_client_key(entry["public_text"]) == public
    assert parse_client_key(entry["plain_id"]) == BareKey(id=whole.plain_id())


@pytest.mark.parametrize("entry", VECTORS["refuse"], ids=lambda entry: entry["why"])
def test_secret_texts_are_refused(entry: Any) -> None:
    with pytest.raises(KeyTextError):
        Identity.from_text(entry["text"])


@pytest.mark.parametrize("entry", VECTORS["refuse_ids"], ids=lambda entry: entry["why"])
def test_ids_are_refused(entry: Any) -> None:
    with pytest.raises(KeyTextError):
        parse_id(entry["id"])
    with pytest.raises(KeyTextError):
        parse_client_key(entry["id"])


@pytest.mark.parametrize("entry", VECTORS["refuse_public"], ids=lambda entry: entry["why"])
def test_public_key_texts_are_refused(entry: Any) -> None:
    for parse in (PublicKey.from_text, parse_client_key):
        with pytest.raises(KeyTextError):
            parse(entry["text"])


@pytest.mark.parametrize("entry", VECTORS["accept_public"], ids=lambda entry: entry["why"])
def test_a_text_with_anothers_id_is_good_and_its_fingerprint_tells(entry: Any) -> None:
    key = PublicKey.from_text(entry["text"])
    assert format_id(key.id) == entry["id"] == format_id(WEB.id())
    assert key.fingerprint_text() == entry["fingerprint"] != WEB.public().fingerprint_text()


def test_a_text_without_a_proof_says_how_to_print_the_new_one() -> None:
    (old,) = (entry["text"] for entry in VECTORS["refuse_public"] if entry["why"] == "without the proof")
    with pytest.raises(KeyTextError, match="coffer-companion id --text"):
        PublicKey.from_text(old)


def test_the_fingerprint_of_a_bare_key_is_its_id() -> None:
    assert BareKey(id=WEB.plain_id()).fingerprint_text() == format_id(WEB.plain_id())


def test_keys_without_a_text_both_ways() -> None:
    public = WEB.public()
    assert PublicKey.from_body(public.body) == PublicKey.from_owned_untrusted(public.body, WEB.owner_proof()) == public
    for body, owner in ((public.body[:-1], WEB.owner_proof()), (public.body, bytes(64)), (public.body, WEB.owner_proof()[:-1])):
        with pytest.raises(KeyTextError):
            PublicKey.from_owned_untrusted(body, owner)


@pytest.mark.parametrize("text", ["", "zz" * 16, "ab" * 15, "ab" * 17])
def test_what_is_no_fingerprint(text: str) -> None:
    with pytest.raises(KeyTextError, match="fingerprint"):
        parse_fingerprint(text)


def test_an_invites_code_both_ways() -> None:
    code = bytes(range(16))
    assert identities.parse_invite_code(identities.format_invite_code(code)) == code
    for text in ("", "abcd", identities.format_invite_code(code).upper(), identities.format_invite_code(code) + "a"):
        with pytest.raises(KeyTextError):
            identities.parse_invite_code(text)


def test_an_id_is_read_in_either_case_with_dashes_anywhere() -> None:
    text = format_id(WEB.id())
    assert parse_id(text.lower()) == WEB.id()
    assert parse_id("-".join(text[i : i + 8] for i in range(0, 64, 8))) == WEB.id()
    assert text == text.upper()


@pytest.mark.parametrize("text", ["", "zz" * 32, "0x" + "ab" * 31, "ab " * 21 + "a", "é" * 64])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(KeyTextError):
        parse_id(text)
    with pytest.raises(KeyTextError):
        parse_publisher_key(text)


@given(st.data())
def test_a_public_key_text_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    text = WEB.public_text()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567189AB=").filter(lambda letter: letter != text[place]))
    with pytest.raises(KeyTextError):
        PublicKey.from_text(text[:place] + other + text[place + 1 :])


@given(st.integers(0, 60))
def test_a_damaged_secret_is_refused_without_repeating_it(place: int) -> None:
    text = WEB.secret_text()
    place = min(place + len(identities.SECRET_PREFIX), len(text) - 1)
    damaged = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    with pytest.raises(KeyTextError) as caught:
        Identity.from_text(damaged)
    # No eight letters of it, whichever of them were right.
    assert not any(damaged[start : start + 8] in str(caught.value) for start in range(len(identities.SECRET_PREFIX), len(damaged) - 7))


BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@pytest.mark.parametrize("parse", [Identity.from_text, PublicKey.from_text])
def test_no_other_text_stands_for_the_same_bytes(parse: Callable[[str], object]) -> None:
    """The last letter has bits that no byte has; in the one text that counts they are zero."""
    is_secret = parse == Identity.from_text
    text = WEB.secret_text() if is_secret else WEB.public_text()
    letters = BASE32 if is_secret else BASE32.lower()
    data_bytes = 36 if is_secret else 1348
    spare = 1 << (-data_bytes * 8 % 5)
    last = letters.index(text[-1])
    assert last % spare == 0
    for beside in range(1, spare):
        with pytest.raises(KeyTextError):
            parse(text[:-1] + letters[last + beside])


@pytest.mark.parametrize(("letter", "other"), [("i", "ı"), ("s", "ſ")])
def test_letters_that_only_look_like_base32_are_refused(letter: str, other: str) -> None:
    text = WEB.public_text()
    with pytest.raises(KeyTextError):
        PublicKey.from_text(text[:7] + text[7:].replace(letter, other, 1))


def test_a_secret_where_a_public_key_belongs_says_so() -> None:
    for parse in (PublicKey.from_text, parse_client_key):
        with pytest.raises(KeyTextError, match="SECRET") as caught:
            parse(WEB.secret_text())
        assert WEB.secret_text()[20:] not in str(caught.value)


@pytest.mark.parametrize("field", ["id", "sign", "seal_mlkem", "seal_x25519"])
def test_a_public_key_with_a_part_that_cannot_be_used_is_refused(field: str) -> None:
    parts = {name: getattr(WEB.public(), name) for name in ("id", "sign", "seal_mlkem", "seal_x25519")}
    parts[field] = b"\xff" * len(parts[field])
    with pytest.raises(KeyTextError):
        PublicKey(**parts)


def test_the_seed_is_in_no_repr() -> None:
    assert repr(WEB) == "Identity()"
    assert str(WEB) == "Identity()"


def test_an_identity_file_both_ways() -> None:
    text = WEB.file_text()
    assert Identity.from_file_text(text, mode=0o100600) == WEB
    assert format_id(WEB.id()) in text
    assert identities.parse_public_file(f"# web\n\n{WEB.public_text()}\n") == WEB.public()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_file_that_others_can_use_is_refused(mode: int) -> None:
    with pytest.raises(KeyTextError, match="chmod 600"):
        Identity.from_file_text(WEB.file_text(), mode=mode)


@pytest.mark.parametrize("text", ["", "# nothing\n", WEB.secret_text() + "\n" + WEB.secret_text()])
def test_a_file_holds_exactly_one_secret(text: str) -> None:
    with pytest.raises(KeyTextError, match="one"):
        Identity.from_file_text(text, mode=0o600)


def test_generated_identities_differ() -> None:
    assert Identity.generate() != Identity.generate()
    assert Identity.generate(bytes).seed == bytes(32)
