from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_protocol import shard
from coffer_protocol.errors import ShardError
from coffer_protocol.shard import Secret, SecretValue
from tests.support import vectors

VECTORS = vectors("shards")


def value_of(entry: dict[str, Any]) -> SecretValue:
    ((kind, text),) = entry.items()
    match kind:
        case "text" | "bool":
            return text  # type: ignore[no-any-return]
        case "int":
            return int(text)
        case "float":
            return float.fromhex(text)
        case "bytes":
            return bytes.fromhex(text)
        case "offset-date-time" | "local-date-time":
            return datetime.fromisoformat(text)
        case "local-date":
            return date.fromisoformat(text)
    return time.fromisoformat(text)


def same(left: SecretValue, right: SecretValue) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return type(left) is type(right) and left == right


@pytest.mark.parametrize("entry", VECTORS["secrets"], ids=lambda entry: entry["key"])
def test_each_secret_both_ways(entry: Any) -> None:
    secret = Secret(key=entry["key"], value=value_of(entry["value"]))
    assert shard.encode([secret]).hex() == entry["cbor"]
    (decoded,) = shard.decode(bytes.fromhex(entry["cbor"]))
    assert decoded.key == secret.key
    assert same(decoded.value, secret.value)


def test_the_whole_in_its_order() -> None:
    whole = bytes.fromhex(VECTORS["whole"])
    decoded = shard.decode(whole)
    assert [secret.key for secret in decoded] == [entry["key"] for entry in VECTORS["secrets"]]
    assert shard.encode(decoded) == whole


@pytest.mark.parametrize("entry", VECTORS["refuse"], ids=lambda entry: entry["why"])
def test_refuses(entry: Any) -> None:
    with pytest.raises(ShardError):
        shard.decode(bytes.fromhex(entry["cbor"]))


offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
secret_values: st.SearchStrategy[SecretValue] = st.one_of(
    st.text(),
    st.integers(shard.INT_MIN, shard.INT_MAX),
    st.floats(),
    st.booleans(),
    st.binary(),
    st.datetimes(timezones=offsets | st.just(UTC)),
    st.datetimes(),
    st.dates(),
    st.times(),
)
keys = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60)


@given(st.dictionaries(keys, secret_values))
def test_any_shard_comes_back(values: dict[str, SecretValue]) -> None:
    secrets = tuple(Secret(key=key, value=value) for key, value in values.items())
    encoded = shard.encode(secrets)
    decoded = shard.decode(encoded)
    assert [secret.key for secret in decoded] == list(values)
    assert all(same(secret.value, values[secret.key]) for secret in decoded)
    assert shard.encode(decoded) == encoded


@pytest.mark.parametrize("key", ["", "a\nb", "a\x7f", "a\x85", "k" * 256, "ä" * 128, "\ud800"])
def test_keys_that_are_refused(key: str) -> None:
    with pytest.raises(ShardError):
        Secret(key=key, value="x")


@pytest.mark.parametrize(
    "value",
    [2**63, -(2**63) - 1, "\ud800", None, [1], {"a": 1}, time(1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=1)))],
)
def test_values_that_are_refused(value: Any) -> None:
    with pytest.raises(ShardError, match="pin"):
        Secret(key="pin", value=value)


@pytest.mark.parametrize(
    "text",
    ["2026-02-30", "2026-1-01", "20260101", "2026-W01-1", " 2026-01-01", "2026-01-01\n", "٢٠٢٦-01-01"],
)
def test_dates_in_another_form_are_refused(text: str) -> None:
    from coffer_protocol import cbor
    from coffer_protocol.cbor import Tagged

    with pytest.raises(ShardError):
        shard.decode(cbor.encode([{"key": "d", "value": Tagged(cbor.TAG_LOCAL_DATE, text)}]))


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00.100Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00.000000Z",
    ],
)
def test_instants_in_another_form_are_refused(text: str) -> None:
    from coffer_protocol import cbor
    from coffer_protocol.cbor import Tagged

    with pytest.raises(ShardError):
        shard.decode(cbor.encode([{"key": "d", "value": Tagged(cbor.TAG_OFFSET_DATETIME, text)}]))


def test_a_shard_over_a_mebibyte_is_refused() -> None:
    with pytest.raises(ShardError, match="1048576"):
        shard.encode([Secret(key="big", value="x" * (1 << 20))])
    with pytest.raises(ShardError, match="1048576"):
        shard.decode(bytes((1 << 20) + 1))


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(ShardError, match="two secrets"):
        shard.encode([Secret(key="a", value=1), Secret(key="a", value=2)])


@given(secret_values)
def test_no_value_is_in_a_repr(value: SecretValue) -> None:
    secret = Secret(key="k", value=value)
    assert repr(secret) == str(secret) == f"{secret}" == f"Secret(key='k', value=<{type(value).__name__}>)"
