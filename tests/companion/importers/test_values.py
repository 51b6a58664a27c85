from __future__ import annotations

import pytest

from coffer_companion.errors import ImportingError
from coffer_companion.importers.values import Importable, flatten, is_unicode


def test_tables_become_dots() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": "x"}, "e.f": True}) == {"a.b.c": 1, "a.d": "x", "e.f": True}


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"": 1}, "a name is empty"),
        ({"a": {"": 1}}, "a name is empty in a"),
        ({"a.b": 1, "a": {"b": 2}}, r"a\.b is there twice"),
        ({"k" * 256: 1}, "255 bytes"),
        ({"a\n": 1}, "control characters"),
        ({"a\u200bb": 1}, "control or format characters"),
    ],
)
def test_names_that_cannot_be(values: dict[str, Importable], fault: str) -> None:
    with pytest.raises(ImportingError, match=fault):
        flatten(values)


def test_half_a_character_is_no_unicode() -> None:
    assert is_unicode("é\x00")
    assert not is_unicode("a\udcff")
