"""tests/use/test_env_files.py compares this dialect with compose-go itself."""

from __future__ import annotations

import pytest

from coffer_companion.importers.dotenv.compose import read
from coffer_companion.importers.dotenv.lines import Assignment, Fault


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("B=x\nA=q $B${B}$$\n", "q xx$"),
        ('B=x\nA="q $B \\$B"\n', "q x $B"),
        ("B=x\nA='$B \\n \\' \\\\'\n", "$B \\n ' \\\\"),
        ('A="\\t\\"\\\\\\0101\\c"\n', '\t"\\A\\c'),
        ("A=${B:-y}${B-z}${B:+w}\n", "yz"),
        ("B=\nA=${B:-y}${B-z}${B+w}\n", "yw"),
        ("A: x # c\n", "x"),
        ("A=x#y\r\n", "x#y"),
        ("export A='two\nlines' # c\n", "two\nlines"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert list(read(text))[-1] == Assignment(line=text[: text.index("A")].count("\n") + 1, name="A", value=value)


@pytest.mark.parametrize("line", ["A=$B", "A=${B}", "A=${B:?no}", "A=${", "A=${B:-${C}}", "A='open", "A", "A B=1", "a+b=1", "=x"])
def test_faults(line: str) -> None:
    found = list(read(f"X=1\n{line}\nY=2\n"))
    assert [(item.line, isinstance(item, Fault)) for item in found] == [(1, False), (2, True), (3, False)]
