from __future__ import annotations

import io

import dotenv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_companion.importers.dotenv.lines import Assignment, Fault
from coffer_companion.importers.dotenv.python import read

PIECES = ["A", "B", "=", "'", '"', "\\", "$", "${A}", "${B:-x}", "#", " ", "\n", "x", "export ", "{", "}"]


@given(text=st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_it_is_what_python_dotenv_reads(text: str) -> None:
    found = list(read(text))
    if any(isinstance(item, Fault) for item in found):
        return
    values = {item.name: item.value for item in found if isinstance(item, Assignment)}
    assert values == dotenv.dotenv_values(stream=io.StringIO(text), interpolate=True)


@pytest.mark.parametrize(("text", "line"), [("\n\nA=x${B}canary\n", 3), ("A='open\n", 1), ("A=1\nB\n", 2), ("'a b'=1\n", 1)])
def test_faults(text: str, line: int) -> None:
    (fault,) = (item for item in read(text) if isinstance(item, Fault))
    assert fault.line == line
    assert "canary" not in fault.text
