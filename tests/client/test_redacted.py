from __future__ import annotations

import copy
import json
import math
import pickle
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import given

from coffer_client.coffer import redact
from coffer_protocol.shard import SecretValue

from .strategies import values

EXAMPLES: list[SecretValue] = [
    "canary",
    -(2**63),
    0.1,
    math.inf,
    b"canary",
    datetime(2027, 1, 31, 8, 30, 1, 250000, tzinfo=UTC),
    datetime(2027, 1, 31, 8, 30),
    date(2027, 1, 31),
    time(8, 30, 1),
]


@pytest.mark.parametrize("value", EXAMPLES, ids=repr)
def test_the_repr_shows_the_kind_alone(value: SecretValue) -> None:
    shown = repr(redact(value))
    assert shown.startswith("<secret ")
    assert not any(character.isdigit() for character in shown)
    assert "canary" not in f"{redact(value)!r} {[redact(value)]} {redact(value)!a} { ({'key': redact(value)}) }"


@given(values)
def test_a_value_is_what_it_was_but_for_its_repr(value: SecretValue) -> None:
    redacted = redact(value)
    assert isinstance(redacted, type(value))
    assert str(redacted) == str(value)
    assert format(redacted) == format(value)
    if value == value:
        assert redacted == value
        assert hash(redacted) == hash(value)
        assert {value: 1}[redacted] == 1


@given(values)
def test_a_pickle_holds_the_plain_value(value: SecretValue) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        plain = pickle.loads(pickle.dumps(redact(value), protocol))
        assert type(plain) is type(value)
        assert repr(plain) == repr(value)


@pytest.mark.parametrize("value", EXAMPLES, ids=repr)
def test_copies_hide_as_well(value: SecretValue) -> None:
    redacted = redact(value)
    assert copy.copy(redacted) is redacted
    assert copy.deepcopy({"key": redacted})["key"] is redacted


def test_json_has_the_values() -> None:
    plain: dict[str, Any] = {"text": "é\n", "integer": 5432, "float": 0.1, "boolean": True}
    assert json.loads(json.dumps({key: redact(value) for key, value in plain.items()})) == plain


def test_formats_work_as_ever() -> None:
    shown = [
        format(redact(5432), ">6"),
        format(redact(0.25), ".1%"),
        format(redact("x"), "-^3"),
        format(redact(date(2027, 1, 31)), "%d.%m."),
    ]
    assert shown == ["  5432", "25.0%", "-x-", "31.01."]
