from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffer_client.delivery import env_files
from coffer_companion.errors import ImportingError
from coffer_companion.importers.dotenv.reading import DIALECTS, read
from tests.companion.importers.definitions import ONE_FOLDER, imported

VALUES = st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"])))
DOTENV = """\
# a comment
export A=plain # comment
B='two
lines and "quotes"'
C='single $HOME "x"'

D=
E="a#b"
"""


def test_what_all_readers_agree_on(tmp_path: Path) -> None:
    variables = read(DOTENV)
    assert variables.values == {"A": "plain", "B": 'two\nlines and "quotes"', "C": 'single $HOME "x"', "D": "", "E": "a#b"}
    assert imported(tmp_path, dict(variables.values)) == variables.values
    (warning,) = variables.warnings
    assert warning.startswith("`docker run --env-file` takes the quotes, escapes and comments of B, C, E as part of the value")


# Each of them was once another value than the file's own tool reads, without a word.
@pytest.mark.parametrize(
    ("text", "readers"),
    [
        ("A=pa$word1\n", "Docker Compose"),
        ('B=x\nA="q $B"\n', "Docker Compose"),
        (r'A="pa\$word1"' + "\n", "Docker Compose"),
        ("A=`p #1` # c\n", "npm's dotenv"),
        (r"A='C:\\x'" + "\n", "Docker Compose and npm's dotenv"),
        ("A=a#b\n", "npm's dotenv"),
    ],
)
def test_what_readers_read_differently(text: str, readers: str) -> None:
    line = text.count("\n")
    with pytest.raises(ImportingError) as caught:
        read(text)
    assert f"line {line}: A has another value for {readers}" in str(caught.value)


def test_what_every_reader_takes_as_it_is() -> None:
    assert read("A='p${w'\nB=a;b $(id)\nC=a\tb\n").values == {"A": "p${w", "B": "a;b $(id)", "C": "a\tb"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_variable_that_is_set_twice(dialect: str) -> None:
    with pytest.raises(ImportingError, match=r"^line 3: A is set again: take one of the two out$"):
        read("A=canary\nB=1\nA=2\n")
    variables = read("A=canary\nB=1\nA=2\n", dialect)
    assert variables.values == {"A": "2", "B": "1"}
    assert variables.warnings == ("line 3: A is set again, and the last value counts",)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ImportingError) as caught:
        read("what is this\nA=1\n\nB\nA=canary\nC=$D\n")
    assert [part.partition(":")[0] for part in str(caught.value).split("; ")] == ["line 1", "line 4", "line 5", "line 6"]
    assert "canary" not in str(caught.value)
    with pytest.raises(ImportingError, match=r"; and 4980 more lines$"):
        read("x\n" * 5000)


# An unquoted PEM. The line of an Ed25519 key is the whole key.
PEM = """\
KEY=-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAnar9canary9canary9canaryF0=
MC4CAQAwBQYDK2VwBCIEIAcanary
-----END PRIVATE KEY-----
"""


@pytest.mark.parametrize("dialect", [None, *DIALECTS])
def test_no_error_repeats_a_line_of_a_key(dialect: str | None) -> None:
    with pytest.raises(ImportingError, match="line 3: this is not NAME=VALUE") as caught:
        read(PEM, dialect)
    assert "canary" not in str(caught.value)
    with pytest.raises(ImportingError) as caught:
        read("a+canary/b==\n", dialect)
    assert "canary" not in str(caught.value)


@given(values=VALUES)
def test_what_get_writes_comes_back(values: dict[str, str]) -> None:
    values = {name: value.replace("\0", "") for name, value in values.items()}
    assert read(env_files.dotenv(values), "python").values == values
    assert read(env_files.compose(values), "compose").values == values
    docker = {name: value for name, value in values.items() if "\n" not in value and not value.endswith("\r")}
    assert read(env_files.docker(docker), "docker").values == docker


@ONE_FOLDER
@given(values=VALUES)
def test_a_quoted_value_is_read_alike_or_refused(values: dict[str, str], tmp_path: Path) -> None:
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    try:
        found = read(text).values
    except ImportingError:
        return
    assert found == values


def test_a_file_of_many_lines() -> None:
    text = "".join(f"NAME_{number}='{'x' * 100} {number}'\n" for number in range(2000))
    assert len(read(text).values) == 2000
