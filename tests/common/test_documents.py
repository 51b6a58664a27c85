from __future__ import annotations

import math
import tomllib
from typing import Any

import pytest
import tomli

from coffer_common.documents import InexactNumber, parse_json, parse_toml
from coffer_common.errors import TextFileError

PARSERS = [pytest.param(tomllib.loads, id="tomllib"), pytest.param(tomli.loads, id="tomli")]
EXACT = [("0.1", 0.1), ("-0.0", -0.0), ("1.50e3", 1500.0), ("5e-324", 5e-324), ("1.7976931348623157e308", 1.7976931348623157e308)]
INEXACT = ["1e400", "-1e309", "1e-400", "1.0000000000000000001", "9007199254740993.0", "1e" + "9" * 30, "0." + "3" * 5000]


@pytest.mark.parametrize("loads", PARSERS)
@pytest.mark.parametrize(("text", "value"), [*EXACT, ("inf", math.inf), ("-inf", -math.inf), ("1_0.5", 10.5)])
def test_a_float_in_toml_is_exact(text: str, value: float, loads: Any) -> None:
    assert repr(parse_toml(f"a = {text}", "F", loads=loads)["a"]) == repr(value)


@pytest.mark.parametrize("loads", PARSERS)
@pytest.mark.parametrize("text", INEXACT)
def test_a_number_in_toml_that_no_float_can_hold(text: str, loads: Any) -> None:
    assert isinstance(parse_toml(f"a = {text}", "F", loads=loads)["a"], InexactNumber)


@pytest.mark.parametrize(("text", "value"), EXACT)
def test_a_float_in_json_is_exact(text: str, value: float) -> None:
    assert repr(parse_json(text, "F")) == repr(value)


@pytest.mark.parametrize("text", INEXACT)
def test_a_number_in_json_that_no_float_can_hold(text: str) -> None:
    assert isinstance(parse_json(text, "F"), InexactNumber)


@pytest.mark.parametrize("loads", PARSERS)
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a = ", "F, line 1, column 5: this is not TOML (Invalid value): correct the line"),
        ("a = 1\nb\n", "F, line 2, column 2: this is not TOML (Expected '=' after a key in a key/value pair): correct the line"),
        ("[a.b]\n[a.b]\n", "F, line 2, column 5: this is not TOML (Cannot declare a.b twice): correct the line"),
        ('["QUJD/+=="]\n["QUJD/+=="]\n', "F, line 2, column 12: this is not TOML (Cannot declare a table twice): correct the line"),
        ("a = {b = 1, b = 2}", "F, line 1, column 18: this is not TOML (Duplicate inline table key 'b'): correct the line"),
        (
            'a = {"QUJD/+" = 1, "QUJD/+" = 2}',
            "F, line 1, column 32: this is not TOML (Duplicate inline table key that it has): correct the line",
        ),
        ("a = 1\n<<<<<<< HEAD\n", "F, line 2, column 1: this line is the mark of a merge conflict: resolve the conflict"),
        ("a = 1\n=======\n", "F, line 2, column 1: this line is the mark of a merge conflict: resolve the conflict"),
        ("a = 1\n>>>>>>> theirs", "F, line 2, column 1: this line is the mark of a merge conflict: resolve the conflict"),
        (
            "a = 1\n\nb = " + "1" * 4301,
            "F, line 3, column 1: the integer is too long: write it as text, in quotes: an integer has at most 64 bits",
        ),
        (
            "a = 1\nb = " + "[" * 402 + "]" * 402,
            "F, line 2, column 1: the values are nested more than 200 deep: take them out of each other",
        ),
        ("a = 1\nb = " + "{c=" * 50_000, "F, line 2, column 1: the values are nested more than 200 deep: take them out of each other"),
        (".".join("a" * 990) + " = 1", "F, line 1, column 1: the values are nested more than 200 deep: take them out of each other"),
        (
            "\n[" + ".".join("a" * 990) + "]\nb = 1",
            "F, line 2, column 1: the values are nested more than 200 deep: take them out of each other",
        ),
    ],
)
def test_toml_that_is_refused(text: str, error: str, loads: Any) -> None:
    with pytest.raises(TextFileError) as caught:
        parse_toml(text, "F", loads=loads)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"a": 1,\n}', "F, line 2, column 1: this is not JSON (Expecting property name enclosed in double quotes): correct the line"),
        ('{"a": 1,\n "b": NaN}', "F, line 2, column 1: JSON has no number NaN: write it as text, in quotes"),
        (
            '{"a":\n' + "1" * 4301 + "}",
            "F, line 2, column 1: the integer is too long: write it as text, in quotes: an integer has at most 64 bits",
        ),
        ('{"a":\n' + "[" * 100_000, "F, line 2, column 1: the values are nested more than 200 deep: take them out of each other"),
        (
            '{"a":\n' + "[" * 300 + "]" * 300 + "}",
            "F, line 2, column 1: the values are nested more than 200 deep: take them out of each other",
        ),
    ],
)
def test_json_that_is_refused(text: str, error: str) -> None:
    with pytest.raises(TextFileError) as caught:
        parse_json(text, "F")
    assert str(caught.value) == error


def test_a_remedy_of_the_callers() -> None:
    with pytest.raises(TextFileError, match=r"deep: restore the file$"):
        parse_toml("a = " + "[" * 300 + "]" * 300, "F", remedy="restore the file")


def test_as_deep_as_a_key_can_be() -> None:
    inner: Any = parse_toml(".".join("a" * 128) + " = 1", "F")
    for _ in range(128):
        inner = inner["a"]
    assert inner == 1
