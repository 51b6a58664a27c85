from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

import pytest
import tomli
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coffer_client import output
from coffer_client.coffer import Coffer
from coffer_client.errors import EnvironmentNameError, exit_code
from coffer_client.output import Secrets
from coffer_protocol.shard import SecretValue

from .releases import make_accepted
from .strategies import environments, name_of, texts, values

SHELLS = ("sh", "bash", "zsh")
# A shell for each example: few examples, of many values each.
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def expected(secrets: Secrets) -> dict[str, SecretValue]:
    return {name_of(key): value for key, value in secrets.items()}


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
    read = tomli.loads(f"key = {output.text_of(value)}")["key"]
    assert repr(read) == repr(value) or read == value


@given(values)
def test_raw_is_exact(value: SecretValue) -> None:
    plain = value if isinstance(value, bytes) else output.text_of(value).encode()
    assert output.raw(value, terminal=False) == plain


@pytest.mark.parametrize(("value", "shown"), [("a", b"a\n"), ("a\n", b"a\n"), ("", b"\n"), (7, b"7\n"), (b"a", b"a")])
def test_raw_ends_its_line_on_a_terminal(value: SecretValue, shown: bytes) -> None:
    assert output.raw(value, terminal=True) == shown


# ------------------------------------------------------------------------------------------------------------------- names


def test_dots_and_dashes_become_underscores() -> None:
    assert output.environment({"db.url-2": "x", "_A9": True}) == {"db_url_2": "x", "_A9": "true"}


@pytest.mark.parametrize("key", ["9lives", "with space", "é", "a=b", "ａ", "a;id", "٣"])
def test_a_key_that_gives_no_name_is_refused_by_it(key: str) -> None:
    with pytest.raises(EnvironmentNameError) as caught:
        output.environment({"fine": "x", key: "canary"})
    assert repr(key) in str(caught.value)
    assert "fine" not in str(caught.value)


def test_all_that_is_wrong_is_named_at_once_and_no_value_is() -> None:
    secrets = {"a.b": "canary", "a-b": "canary", "a_b": "canary", "1": "canary", "nul.key": "canary\0", "fine": "canary"}
    with pytest.raises(EnvironmentNameError) as caught:
        output.environment(secrets)
    text = str(caught.value)
    assert "'1' is no name" in text
    assert "'a.b' and 'a-b' and 'a_b' would all be a_b" in text
    assert "'nul.key' has a NUL" in text
    assert "canary" not in text
    assert exit_code(caught.value) == 2


@pytest.mark.parametrize("write", [output.shell, output.dotenv])
def test_formats_for_environments_refuse_what_those_cannot_hold(write: object) -> None:
    for secrets in ({"1": "x"}, {"a.b": "x", "a-b": "x"}, {"a": "\0"}):
        with pytest.raises(EnvironmentNameError):
            write(secrets)  # type: ignore[operator]


# ------------------------------------------------------------------------------------------------------------------ shells


def evaluate(shell: str, text: str) -> Mapping[bytes, bytes]:
    """The environment that a program has after `eval` in that shell, of what a command printed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    arguments = [shell, *(["-f"] if shell == "zsh" else []), "-c", 'set -eu; eval "$(cat)"; env -0']
    ran = subprocess.run(
        arguments, input=text.encode(), capture_output=True, check=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    )
    assert ran.stderr == b""
    return dict(line.split(b"=", 1) for line in ran.stdout.split(b"\0") if line)


@pytest.mark.parametrize("shell", SHELLS)
@few
@given(secrets=environments())
def test_text_of_any_kind_survives_eval(shell: str, secrets: Secrets) -> None:
    found = evaluate(shell, output.shell(secrets))
    assert {name: found.get(name.encode()) for name in expected(secrets)} == {
        name: str(value).encode() for name, value in expected(secrets).items()
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_is_run_or_expanded_by_eval(shell: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    secrets = {
        f"k{number}": text
        for number, text in enumerate([f"$(touch {mark})", f"`touch {mark}`", f"'; touch {mark}; '", f"\n touch {mark}\n"])
    }
    found = evaluate(shell, output.shell(secrets))
    assert not mark.exists()
    assert [found[key.encode()].decode() for key in secrets] == list(secrets.values())


def test_no_secret_is_no_output() -> None:
    assert output.shell({}) == output.dotenv({}) == ""


# ------------------------------------------------------------------------------------------------------------------ dotenv


@given(secrets=environments())
@settings(deadline=None)
def test_python_dotenv_reads_what_was_written(secrets: Secrets, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "secrets.env"
    path.write_bytes(output.dotenv(secrets).encode())
    assert dotenv_values(path) == expected(secrets)


# -------------------------------------------------------------------------------------------------------------------- json


@given(st.dictionaries(texts.filter(bool), values, max_size=8))
def test_json_has_each_value_in_its_form(secrets: Secrets) -> None:
    read = json.loads(output.json_object(secrets), parse_constant=pytest.fail)
    assert list(read) == list(secrets)
    for key, value in secrets.items():
        match value:
            case bytes():
                assert b64decode(read[key], validate=True) == value
            case str() | bool() | int():
                assert read[key] == value
            case float() if math.isfinite(value):
                assert read[key] == value
            case _:
                assert read[key] == output.text_of(value)


def test_json_of_what_a_fetch_hands_out() -> None:
    secrets: dict[str, SecretValue] = {
        "text": "é\n",
        "integer": 2**63 - 1,
        "float": 0.1,
        "infinite": math.inf,
        "boolean": True,
        "date": date(2027, 1, 31),
        "bytes": b"\xff",
    }
    assert json.loads(output.json_object(Coffer(make_accepted(secrets)))) == {
        "text": "é\n",
        "integer": 2**63 - 1,
        "float": 0.1,
        "infinite": "inf",
        "boolean": True,
        "date": "2027-01-31",
        "bytes": "/w==",
    }
