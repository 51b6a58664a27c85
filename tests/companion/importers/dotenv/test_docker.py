from __future__ import annotations

from coffer_companion.importers.dotenv.docker import read
from coffer_companion.importers.dotenv.lines import Assignment, Fault


def test_everything_after_the_equals_sign_is_the_value() -> None:
    text = "# c\n\n  A=\"x\" # y\nB= 'z' \r\nC=a=b\nD=\n"
    assert list(read(text)) == [
        Assignment(line=3, name="A", value='"x" # y'),
        Assignment(line=4, name="B", value=" 'z' "),
        Assignment(line=5, name="C", value="a=b"),
        Assignment(line=6, name="D", value=""),
    ]


def test_faults() -> None:
    assert [(item.line, type(item)) for item in read("A\nexport B=1\n=x\n")] == [(1, Fault), (2, Fault), (3, Fault)]
