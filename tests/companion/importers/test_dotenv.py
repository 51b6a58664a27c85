from __future__ import annotations

import io
from pathlib import Path

import dotenv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_companion.errors import ImportingError
from coffer_companion.importers.dotenv import read

from .definitions import ONE_FOLDER, TEXTS, imported

DOTENV = """\
# a comment
export A=plain # comment
B = "two\\nlines and \\"quotes\\""
C='single $HOME "x"'

D=
E=a#b
F="multi
line"
'G'=quoted
A=later
"""


def test_dotenv_as_its_own_reader_reads_it(tmp_path: Path) -> None:
    values = read(DOTENV)
    assert values == dotenv.dotenv_values(stream=io.StringIO(DOTENV), interpolate=False)
    assert values["A"] == "later"
    assert imported(tmp_path, values) == values


@ONE_FOLDER
@given(values=st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), TEXTS.filter(lambda text: "${" not in text)))
def test_dotenv_there_and_back(values: dict[str, str], tmp_path: Path) -> None:
    # Quoting as dotenv's own `set_key` does it; its reader takes every kind of line end inside quotes as it is.
    quoted = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in values.items()}
    text = "".join(f"{key}='{value}'\n" for key, value in quoted.items())
    assert read(text) == dict(dotenv.dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("A=1\n\n  what is this\n", "line 3: this is not NAME=VALUE"),
        ("A=1\nB\n", "line 2: B has no value"),
        ("A='open\n", "line 1: this is not NAME=VALUE"),
        ("\n\nA=x${B}canary\n", "line 3: A refers to other variables"),
    ],
)
def test_dotenv_refused(text: str, fault: str) -> None:
    with pytest.raises(ImportingError, match=fault) as caught:
        read(text)
    assert "canary" not in str(caught.value)
