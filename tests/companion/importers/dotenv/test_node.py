"""tests/use/test_env_files.py compares this dialect with npm's dotenv itself."""

from __future__ import annotations

import pytest

from coffer_companion.importers.dotenv.lines import Assignment, Fault
from coffer_companion.importers.dotenv.node import read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=a b # c\n", "a b"),
        ("A='a # b' # c\n", "a # b"),
        ('A="a\\nb\\tc"\n', "a\nb\\tc"),
        ("A=`p #1` # c\n", "p #1"),
        ("A: x\n", "x"),
        ("export A=$B\n", "$B"),
        ("A=\n", ""),
        ("A='two\r\nlines'\r\n", "two\nlines"),
        ("A='it\\'s'\n", "it\\'s"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert list(read(text)) == [Assignment(line=1, name="A", value=value)]


def test_what_it_would_skip_is_a_fault() -> None:
    found = list(read("# c\nwhat is this\nA=1\n\nB C=2\n"))
    assert [item.line for item in found if isinstance(item, Fault)] == [2, 5]
