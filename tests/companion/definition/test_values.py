"""Every type of TOML value is delivered exactly, or refused by name."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coffer_protocol import shard
from coffer_protocol.limits import SHARD_BYTES
from tests.companion.definitions import clients, gets, load_text, problems

WEB = clients("web")
# The fixture's folder may be used again: each example writes its file again.
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

MINUTES = st.integers(-23 * 60 - 59, 23 * 60 + 59)
OFFSETS = MINUTES.map(lambda minutes: UTC if minutes == 0 else timezone(timedelta(minutes=minutes)))
SCALARS = (
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.integers(shard.INT_MIN, shard.INT_MAX)
    | st.floats()
    | st.booleans()
    # Which of two equal hours a clock shows when summer ends is nothing that TOML can say.
    | (st.datetimes() | st.datetimes(timezones=OFFSETS) | st.times()).map(lambda value: value.replace(fold=0))
    | st.dates()
)
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), min_size=1, max_size=8).filter(
    lambda key: not key.startswith("from_") and key != "public"
)
TABLES = st.dictionaries(KEYS, st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8), max_size=5)


def flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for key, value in table.items():
        found += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return found


def exact(value: Any) -> tuple[type, str]:
    """What tells values apart: 1 from 1.0 and true, a NaN from nothing, offsets from each other."""
    if isinstance(value, float) and math.isnan(value):
        return float, "nan"
    return type(value), repr(value)


def written(value: Any) -> str:
    """TOML by other hands than those that read it here."""
    match value:
        case str():
            return tomlkit.string(value).as_string()
        case datetime() | date() | time():
            return value.isoformat()
        case dict():
            return "{" + ", ".join(f"{tomlkit.string(key).as_string()} = {written(item)}" for key, item in value.items()) + "}"
        case bool():
            return str(value).lower()
        case _:
            return repr(value)


@ONE_FOLDER
@given(table=TABLES)
def test_what_a_client_gets(table: dict[str, Any], tmp_path: Path) -> None:
    lines = (f"{tomlkit.string(key).as_string()} = {written(value)}" for key, value in table.items())
    text = clients("web") + "[web]\n" + "\n".join(lines)
    expected = flat(table)
    keys = [key for key, _ in expected]
    if len(set(keys)) < len(keys):
        assert any("stands twice" in problem for problem in problems(tmp_path, text))
        return
    client = load_text(tmp_path, text).clients["web"]
    assert [(secret.key, exact(secret.value)) for secret in client.secrets] == [(key, exact(value)) for key, value in expected]
    # What is delivered survives the wire too.
    assert list(map(repr, shard.decode(shard.encode(client.secrets)))) == list(map(repr, client.secrets))


@pytest.mark.parametrize(
    ("toml", "value"),
    [
        ('"a\\u0000\\t\\U0001F511\\""', 'a\x00\t🔑"'),
        ("'C:\\path'", "C:\\path"),
        ('""', ""),
        ('"""\n  a\n\\\n   b"""', "  a\nb"),
        ("'''\n''a'''", "''a"),
        ("0xdead_BEEF", 0xDEADBEEF),
        ("0o755", 0o755),
        ("0b1101", 13),
        ("+1_000", 1000),
        ("-0", 0),
        ("-9223372036854775808", shard.INT_MIN),
        ("9223372036854775807", shard.INT_MAX),
        ("6.626e-34", 6.626e-34),
        ("-0.0", -0.0),
        ("1e308", 1e308),
        ("+1_0.50e-1_0", 1.05e-9),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("nan", math.nan),
        ("true", True),
        ("1979-05-27T07:32:00Z", datetime(1979, 5, 27, 7, 32, tzinfo=UTC)),
        ("1979-05-27 00:32:00.999999-07:00", datetime(1979, 5, 27, 0, 32, 0, 999999, tzinfo=timezone(timedelta(hours=-7)))),
        ("1979-05-27T00:32:00.50000000", datetime(1979, 5, 27, 0, 32, 0, 500000)),
        ("0001-01-01", date(1, 1, 1)),
        ("23:59:59.999999", time(23, 59, 59, 999999)),
    ],
)
def test_delivered(toml: str, value: Any, tmp_path: Path) -> None:
    definition = load_text(tmp_path, f"{clients('web')}[web]\nkey = {toml}\nagain = {{ from_value = {toml} }}\n")
    assert {key: exact(found) for key, found in gets(definition, "web").items()} == {"key": exact(value), "again": exact(value)}


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("[]", "an array cannot be delivered"),
        ("[[1], [{ a = 'canary' }]]", "an array cannot be delivered"),
        ("9223372036854775808", "an integer has at most 64 bits"),
        ("-9223372036854775809", "an integer has at most 64 bits"),
        ("0xffff_ffff_ffff_ffff", "an integer has at most 64 bits"),
    ],
)
def test_refused(toml: str, reason: str, tmp_path: Path) -> None:
    place = "secrets.toml:4:1: web.key: "
    for value in (toml, f"{{ from_value = {toml} }}"):
        (problem,) = problems(tmp_path, f"{clients('web')}[web]\nkey = {value}\n")
        assert problem.startswith(place + reason)
    (problem,) = problems(tmp_path, f"{clients('web')}[web]\ntable.key = {toml}\n")
    assert problem.startswith("secrets.toml:4:7: web.table.key: " + reason)


def test_tables_of_arrays_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{clients('web')}[web]\n[[web.host]]\nname = 'a'\n[[web.host]]\nname = 'b'\n")
    assert problem == "secrets.toml:4:7: web.host: an array cannot be delivered: use a key for each item, or one text"


@pytest.mark.parametrize("toml", ["{ from_value = { a = 1 } }", "{ from_value = {} }"])
def test_a_table_is_no_value(toml: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{clients('web')}[web]\nkey = {toml}\n")
    assert "a table cannot be a value here" in problem


def test_an_integer_that_python_will_not_read(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{clients('web')}[web]\nkey = {'9' * 5000}\n")
    assert problem == "secrets.toml:4:1: the integer is too long: write it as text, in quotes: an integer has at most 64 bits"


@pytest.mark.parametrize(
    "number", ["1e400", "-1e309", "1e-400", "1.0000000000000000001", "0.10000000000000000555", "9007199254740993.0", "1e" + "9" * 30]
)
def test_a_number_that_a_float_cannot_hold(number: str, tmp_path: Path) -> None:
    (problem, again) = problems(tmp_path, f"{clients('web')}[web]\nkey = {number}\nagain = {{ from_value = {number} }}\n")
    assert problem.startswith("secrets.toml:4:1: web.key: a number with a point has at most 64 bits")
    assert again.startswith("secrets.toml:5:1: web.again: ")
    assert number not in problem + again


def test_toml_1_1(tmp_path: Path) -> None:
    text = f'{clients("web")}[web]\nkey = {{ from_value = "\\e\\x41",\n  expires = 2999-01-01, # the last comma\n}}\nat = 07:32\n'
    secrets = {secret.key: secret.value for secret in load_text(tmp_path, text).clients["web"].secrets}
    assert secrets == {"key": "\x1bA", "at": time(7, 32)}


@pytest.mark.parametrize("value", ["1979-05-27T00:32:00.1234567Z", "1979-05-27 00:32:00.1234567", "07:32:00.00000001"])
def test_a_time_that_is_too_fine(value: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{clients('web')}[web]\nkey = {value}\n")
    assert "a time has at most six digits after the second's point" in problem


@pytest.mark.parametrize("opening", ["[", "{a="])
def test_nesting_without_end(opening: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{clients('web')}[web]\nkey = {opening * 50_000}\n")
    assert problem.startswith("secrets.toml")
    assert "canary" not in problem


def test_files_that_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(SHARD_BYTES + 1))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    lines = ["a = {from_file='large'}", "b = {from_file='loop'}", "c = {from_file='pipe'}", "d = {from_file=''}", "e = {from_file=5}"]
    lines += ["f = {from_file='large', type='json'}", "g = {from_file='large', expires='soon'}"]
    found = problems(tmp_path, WEB + "[web]\n" + "\n".join(lines))
    assert [problem.split(": ", 1)[1].rpartition(": ")[0] for problem in found] == [
        "web.a: 'large': the file has more than 1048576 bytes",
        "web.b: 'loop' cannot be read (Too many levels of symbolic links)",
        "web.c: 'pipe' is not a file",
        "web.d: from_file takes a text that is not empty",
        "web.e: from_file takes a text that is not empty",
        "web.f: this is not a type",
        "web.g: expires takes a date without quotes",
    ]


def test_a_datetime_is_no_day(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB + "[web]\na = {from_value=1, expires=2027-01-31T00:00:00}\n")
    assert "expires takes a date" in problem


def test_contents_are_not_trimmed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf line\r\n\n")
    (tmp_path / "empty").write_bytes(b"")
    definition = load_text(tmp_path, WEB + "[web]\na = {from_file='a'}\nb = {from_file='empty'}\n")
    assert gets(definition, "web") == {"a": "\ufeff line\r\n\n", "b": ""}


def test_a_variable_that_is_not_utf_8(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB + "[web]\na = {from_env='X'}\n", environ={"X": "canary\udcff"})
    assert "characters that UTF-8 cannot encode" in problem
    assert "canary" not in problem


def test_two_sources_at_once(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB + "[web]\na = {from_value='canary', from_env='X'}\n", environ={"X": "x"})
    assert problem == "secrets.toml:4:1: web.a: a table with from_value can also have expires, but not 'from_env': take it out"
