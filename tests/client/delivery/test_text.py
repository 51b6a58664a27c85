from __future__ import annotations

import math
import tomllib
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given

from coffer_client.coffer import Coffer
from coffer_client.delivery import text as output
from coffer_protocol.shard import SecretValue

from ..releases import make_accepted
from ..strategies import values

# ------------------------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        (" é\n", " é\n"),
        (-42, "-42"),
        (True, "true"),
        (False, "false"),
        (1e16, "1e+16"),
        (1.0, "1.0"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        (b"\0\xff", "AP8="),
        (datetime(2027, 1, 31, 8, tzinfo=UTC), "2027-01-31T08:00:00Z"),
        (datetime(2027, 1, 31, 8, 0, 0, 250000, tzinfo=timezone(timedelta(hours=-5))), "2027-01-31T08:00:00.250000-05:00"),
        (datetime(2027, 1, 31, 8), "2027-01-31T08:00:00"),
        (date(2027, 1, 31), "2027-01-31"),
        (time(8), "08:00:00"),
    ],
)
def test_each_kind_of_value_has_one_text(value: SecretValue, text: str) -> None:
    assert output.text_of(value) == text
    # And as a fetch hands it out.
    assert output.text_of(Coffer(make_accepted({"key": value}))["key"]) == text


@given(values.filter(lambda value: not isinstance(value, str | bytes)))
def test_what_toml_can_write_is_written_as_toml(value: SecretValue) -> None:
    read = tomllib.loads(f"key = {output.text_of(value)}")["key"]
    assert repr(read) == repr(value) or read == value


@given(values)
def test_raw_is_exact(value: SecretValue) -> None:
    plain = value if isinstance(value, bytes) else output.text_of(value).encode()
    assert output.raw(value, terminal=False) == plain


@pytest.mark.parametrize(("value", "shown"), [("a", b"a\n"), ("a\n", b"a\n"), ("", b"\n"), (7, b"7\n"), (b"a", b"a")])
def test_raw_ends_its_line_on_a_terminal(value: SecretValue, shown: bytes) -> None:
    assert output.raw(value, terminal=True) == shown
