from __future__ import annotations

import pickle

import pytest

from coffer_common.errors import AmbiguousError
from coffer_common.identifiers import Named, find, id_bounds, publisher_label
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import PublicKey, format_id
from tests.server.publishing import identity

LAPTOP, PHONE, CLIENT = (identity(number) for number in (1, 2, 3))
LABEL = publisher_label("laptop", LAPTOP.public())
AMONG = (
    Named.publisher("laptop", "laptop", LAPTOP.public()),
    Named.publisher("phone", None, PHONE.public()),
    Named.client("client", CLIENT.id()),
    # A publisher whose fingerprint nobody knows yet.
    Named(value="stranger", label="publisher key", keys=(identity(4).publisher_key(),)),
)


def printed(key: PublicKey) -> list[str]:
    """What programs print for a publisher's keys."""
    return [key.fingerprint_text(), format_id(key.sign), format_id(key.id), format_id(key.id).lower(), format_id(key.fingerprint())]


@pytest.mark.parametrize(("own", "value"), [(LAPTOP, "laptop"), (PHONE, "phone")])
def test_every_text_that_is_printed_for_a_publisher_finds_it(own: object, value: str) -> None:
    assert own in (LAPTOP, PHONE)
    whole = LAPTOP if own is LAPTOP else PHONE
    texts = [*printed(whole.public()), whole.public_text()]
    for text in [*texts, *(text[:16] for text in texts), *(f" {text}\n" for text in texts), whole.public_text()[:1900]]:
        assert find(text, AMONG) == value
    assert find(whole.public(), AMONG) == value


@pytest.mark.parametrize("text", ["laptop", "lap", LABEL])
def test_names_and_labels_find_a_publisher(text: str) -> None:
    assert find(text, AMONG) == "laptop"


def test_a_client_is_found_by_its_id_and_its_text() -> None:
    for text in (format_id(CLIENT.id()), format_id(CLIENT.id())[:8].lower(), CLIENT.public_text(), CLIENT.public_text()[:100]):
        assert find(text, AMONG) == "client"


def test_a_publisher_whose_signing_key_alone_is_known_is_found_by_it() -> None:
    stranger = identity(4)
    for text in (format_id(stranger.publisher_key()), format_id(stranger.publisher_key())[:8], stranger.public_text()):
        assert find(text, AMONG) == "stranger"


@pytest.mark.parametrize(
    "text",
    ["", "-", "la", "phone", "laptop2", LAPTOP.public().fingerprint_text()[:8], "0" * 64, "0" * 65, "laptop.pub", "coffer1", "coffer1abc"],
)
def test_what_is_none_of_them(text: str) -> None:
    assert find(text, AMONG) is None


def test_a_whole_name_comes_before_a_beginning() -> None:
    among = [Named.publisher(name, name, identity(number).public()) for number, name in enumerate(("laptop", "laptop-2", "abad1dea"))]
    assert find("laptop", among) == "laptop"
    assert find("laptop-", among) == "laptop-2"
    # A name that looks like digits is a name.
    assert find("abad1dea", [*among, Named(value="other", label="", keys=(bytes.fromhex("abad1dea") + bytes(28),))]) == "abad1dea"


def test_what_fits_several_lists_them() -> None:
    among = [Named.client(number, bytes(20) + bytes([number]) * 12) for number in range(1, 12)]
    with pytest.raises(AmbiguousError) as failed:
        find("0" * 40, among)
    assert str(failed.value) == (
        f"'{'0' * 40}' fits more than one: {', '.join(one.label for one in among[:8])} and 3 more: type more of the one that is meant"
    )
    assert str(pickle.loads(pickle.dumps(failed.value))) == str(failed.value)
    with pytest.raises(AmbiguousError, match=r"\\x1b"):
        find("a\x1bb", [Named(value=number, label="x", name="a\x1bb") for number in (1, 2)])


def test_a_text_with_the_keys_of_two_is_neither() -> None:
    """The id of one beside the keys of another: only the whole is the publisher's."""
    body = LAPTOP.public().body[:32] + PHONE.public().body[32:]
    assert find(PublicKey.from_body(body), AMONG) is None


@pytest.mark.parametrize("text", [LAPTOP.secret_text(), LAPTOP.public_text()[:-1], LAPTOP.public_text()[:-1] + "a"])
def test_a_secret_and_a_damaged_text_are_refused_without_a_word_of_them(text: str) -> None:
    with pytest.raises(KeyTextError) as failed:
        find(text, AMONG)
    assert text[20:60] not in str(failed.value)


def test_the_ids_that_begin_like_a_text_are_a_range() -> None:
    id_ = CLIENT.id()
    for text in (format_id(id_), format_id(id_)[:9], CLIENT.public_text(), CLIENT.public_text()[:21], CLIENT.public_text()[:57]):
        bounds = id_bounds(text)
        assert bounds is not None
        low, high = bounds
        assert low <= id_ <= high
    assert id_bounds("A" * 8) == (b"\xaa" * 4 + bytes(28), b"\xaa" * 4 + b"\xff" * 28)
    assert id_bounds("A" * 9) == (b"\xaa" * 4 + b"\xa0" + bytes(27), b"\xaa" * 4 + b"\xaf" + b"\xff" * 27)
    assert id_bounds(format_id(id_)) == (id_, id_)
    assert id_bounds(CLIENT.public_text()) == (id_, id_)
    for text in ("", "laptop", "A" * 7, "A" * 65, "coffer1abc", "coffer1ABCDEFGHI"):
        assert id_bounds(text) is None
