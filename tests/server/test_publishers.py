from __future__ import annotations

from dataclasses import replace

import pytest

from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import format_id
from coffer_server.publishers import find
from coffer_server.store.base import Publisher

from .publishing import identity

LAPTOP, PHONE = (
    Publisher(coffer="shop", key=identity(number).public(), name=name, may_block=False, added=1)
    for number, name in ((1, "laptop"), (2, None))
)


@pytest.mark.parametrize("publisher", [LAPTOP, PHONE])
def test_every_text_that_is_printed_for_a_publisher_finds_it(publisher: Publisher) -> None:
    key = publisher.key
    texts = [key.fingerprint_text(), format_id(key.sign), format_id(key.id), format_id(key.id).lower(), key.fingerprint_text()[:9]]
    for text in [*texts, *([publisher.name] if publisher.name else [])]:
        assert find(text, [LAPTOP, PHONE]) is publisher


@pytest.mark.parametrize("who", ["", "phone", LAPTOP.key.fingerprint_text()[:7], "0" * 64, "laptop.pub"])
def test_what_means_no_publisher(who: str) -> None:
    assert find(who, [LAPTOP, PHONE]) is None


def test_a_beginning_of_two_keys_is_refused() -> None:
    with pytest.raises(KeyTextError, match="more than one"):
        find(LAPTOP.key.fingerprint_text()[:12], [LAPTOP, replace(LAPTOP, name="other")])
