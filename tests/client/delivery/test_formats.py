"""Each format by the program that reads it."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import tomllib
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coffer_client.cli.options import GET
from coffer_client.coffer import Coffer
from coffer_client.delivery import env_files, formats
from coffer_client.delivery import text as output
from coffer_client.delivery.naming import Naming
from coffer_client.delivery.text import Secrets
from coffer_client.errors import EnvironmentNameError, NamingError, NoSuchKeyError
from coffer_protocol.shard import SecretValue

from ..releases import make_accepted
from ..strategies import environments, keys, name_of, texts, values

SHELLS = ("sh", "bash", "zsh")
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
# A process for each example: few examples, of many values each.
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def expected(secrets: Secrets) -> dict[str, SecretValue]:
    return {name_of(key): value for key, value in secrets.items()}


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def read(arguments: list[str], text: str) -> bytes:
    """What a program makes of a text."""
    need(arguments[0])
    ran = subprocess.run(arguments, input=text.encode(), capture_output=True, check=True, env=ENVIRONMENT)
    assert ran.stderr == b""
    return ran.stdout


def variables(environment: bytes) -> Mapping[bytes, bytes]:
    """What `env -0` has printed."""
    return dict(line.split(b"=", 1) for line in environment.split(b"\0") if line)


# --------------------------------------------------------------------------------------------------------------------- all


def test_the_help_has_every_format() -> None:
    (option,) = (option for option in GET.options if option.name == "format")
    assert option.choices == (output.RAW, *formats.FORMATS)
    assert all(f"{name}: " in option.help for name in formats.FORMATS)


TYPES: dict[str, SecretValue] = {
    "text": "as it is",
    "integer": 42,
    "float": 0.1,
    "infinite": -math.inf,
    "none": math.nan,
    "boolean": True,
    "offset": datetime(2027, 1, 31, 8, tzinfo=UTC),
    "local": datetime(2027, 1, 31, 8),
    "day": date(2027, 1, 31),
    "hour": time(8),
    "bytes": b"\xff",
}


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (formats.shell, "export {}='{}'\n"),
        (env_files.dotenv, "{}='{}'\n"),
        (env_files.compose, "{}='{}'\n"),
        (env_files.systemd, "{}='{}'\n"),
        (env_files.gitlab, "{}={}\n"),
        (env_files.docker, "{}={}\n"),
        (formats.null, "{}={}\0"),
    ],
)
def test_each_type_has_its_form_in_an_environment(write: Callable[[Secrets], str], line: str) -> None:
    forms = {
        "text": "as it is",
        "integer": "42",
        "float": "0.1",
        "infinite": "-inf",
        "none": "nan",
        "boolean": "true",
        "offset": "2027-01-31T08:00:00Z",
        "local": "2027-01-31T08:00:00",
        "day": "2027-01-31",
        "hour": "08:00:00",
        "bytes": "/w==",
    }
    assert write(Coffer(make_accepted(TYPES))) == "".join(line.format(name, form) for name, form in forms.items())


@pytest.mark.parametrize("write", formats.FORMATS.values())
def test_every_format_takes_a_choice_and_names(write: Callable[[Secrets, Naming], str]) -> None:
    secrets: dict[str, SecretValue] = {"db.url": "x", "db.port": 1, "web": "canary"}
    choice = Naming(only=("db.*",), prefix="my-", upper=True)
    named: dict[str, SecretValue] = {"MY-DB.URL": "x", "MY-DB.PORT": 1}
    # GitHub's format has a random delimiter.
    chosen, all_ = (re.sub(r"coffer-[0-9a-f]{32}", "", text) for text in (write(secrets, choice), write(named, Naming())))
    assert chosen == all_
    with pytest.raises(NamingError, match="'a' and 'A' would all be A"):
        write({"a": "canary", "A": "canary"}, Naming(upper=True))
    with pytest.raises(NoSuchKeyError):
        write(secrets, Naming(only=("bd.*",)))


@pytest.mark.parametrize("write", [write for name, write in formats.FORMATS.items() if name not in ("json", "toml")])
def test_formats_for_environments_refuse_what_those_cannot_hold(write: Callable[[Secrets], str]) -> None:
    for secrets in ({"1": "x"}, {"a.b": "x", "a-b": "x"}, {"a": "\0"}):
        with pytest.raises(EnvironmentNameError):
            write(secrets)


def test_no_secret_is_no_output() -> None:
    assert {name: write({}, Naming()) for name, write in formats.FORMATS.items()} == dict.fromkeys(formats.FORMATS, "") | {"json": "{}\n"}


# ------------------------------------------------------------------------------------------------------------------ shells


def evaluate(shell: str, text: str) -> Mapping[bytes, bytes]:
    """The environment that a program has after `eval` in that shell, of what a command printed."""
    return variables(read([shell, *(["-f"] if shell == "zsh" else []), "-c", 'set -eu; eval "$(cat)"; env -0'], text))


@pytest.mark.parametrize("shell", SHELLS)
@few
@given(secrets=environments())
def test_text_of_any_kind_survives_eval(shell: str, secrets: Secrets) -> None:
    found = evaluate(shell, formats.shell(secrets))
    assert {name: found.get(name.encode()) for name in expected(secrets)} == {
        name: str(value).encode() for name, value in expected(secrets).items()
    }


def test_a_name_that_a_shell_uses_for_itself_is_refused() -> None:
    with pytest.raises(EnvironmentNameError, match=r"a shell: 'uid' gives 'UID', which a shell uses for itself"):
        formats.shell({"uid": "canary"}, Naming(upper=True))
    with pytest.raises(EnvironmentNameError, match="'path' gives 'path'"):
        formats.shell({"path": "canary"})


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_is_run_or_expanded_by_eval(shell: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    secrets = {
        f"k{number}": text
        for number, text in enumerate([f"$(touch {mark})", f"`touch {mark}`", f"'; touch {mark}; '", f"\n touch {mark}\n"])
    }
    found = evaluate(shell, formats.shell(secrets))
    assert not mark.exists()
    assert [found[key.encode()].decode() for key in secrets] == list(secrets.values())


# -------------------------------------------------------------------------------------------------------------------- json


@given(st.dictionaries(keys, values, max_size=8))
def test_json_has_each_value_in_its_form(secrets: Secrets) -> None:
    found = json.loads(formats.json_object(secrets), parse_constant=pytest.fail)
    assert list(found) == list(secrets)
    for key, value in secrets.items():
        match value:
            case bytes():
                assert b64decode(found[key], validate=True) == value
            case str() | bool() | int():
                assert found[key] == value
            case float() if math.isfinite(value):
                assert found[key] == value
            case _:
                assert found[key] == output.text_of(value)


@few
@given(st.dictionaries(keys, st.one_of(texts, st.booleans(), st.integers(-(2**53), 2**53), st.dates(), st.binary()), max_size=30))
def test_jq_reads_what_was_written(secrets: Secrets) -> None:
    # In base64, for some texts would break jq's own lines.
    found = read(["jq", "-r", 'to_entries[] | "\\(.key | @base64) \\(.value | @base64) \\(.value | type)"'], formats.json_object(secrets))
    pairs = [line.split(b" ") for line in found.splitlines()]
    assert [(b64decode(key).decode(), b64decode(text).decode(), kind.decode()) for key, text, kind in pairs] == [
        (key, output.text_of(value), "boolean" if isinstance(value, bool) else "number" if isinstance(value, int) else "string")
        for key, value in secrets.items()
    ]


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
    assert json.loads(formats.json_object(Coffer(make_accepted(secrets)))) == {
        "text": "é\n",
        "integer": 2**63 - 1,
        "float": 0.1,
        "infinite": "inf",
        "boolean": True,
        "date": "2027-01-31",
        "bytes": "/w==",
    }


# -------------------------------------------------------------------------------------------------------------------- toml


@given(st.dictionaries(keys, values, max_size=8))
def test_a_toml_parser_reads_the_same_keys_and_values(secrets: Secrets) -> None:
    found = tomllib.loads(formats.toml(secrets))
    assert list(found) == list(secrets)
    for key, value in secrets.items():
        if isinstance(value, bytes):
            assert b64decode(found[key], validate=True) == value
        else:
            # The repr tells 1 from 1.0 and true, 0.0 from -0.0, and holds of nan, too; an offset has several.
            assert repr(found[key]) == repr(value) or (isinstance(value, datetime) and found[key] == value)


def test_toml_of_what_a_fetch_hands_out() -> None:
    secrets: dict[str, SecretValue] = {
        "db.url": 'a"b\\\n\x7f\x00é',
        "db": -42,
        "plain_KEY-9": 1e16,
        "date": datetime(2027, 1, 31, 8, tzinfo=UTC),
        "bytes": b"\xff",
        "is it": True,
    }
    assert formats.toml(Coffer(make_accepted(secrets))) == (
        '"db.url" = "a\\"b\\\\\\n\\u007f\\u0000é"\n'
        "db = -42\n"
        "plain_KEY-9 = 1e+16\n"
        "date = 2027-01-31T08:00:00Z\n"
        'bytes = "/w=="\n'
        '"is it" = true\n'
    )


# -------------------------------------------------------------------------------------------------------------------- null


@few
@given(secrets=environments())
def test_xargs_hands_on_what_was_written(secrets: Secrets) -> None:
    # They are env's arguments, and then so is what it runs.
    found = read(["xargs", "-0", "env", "-i"], formats.null(secrets) + "env\0-0\0")
    assert variables(found) == {name.encode(): str(value).encode() for name, value in expected(secrets).items()}


def test_null_is_what_env_prints() -> None:
    secrets = {"a": "1\n2", "b": "", "c": "x=y"}
    printed = subprocess.run(["env", "-0"], env=secrets, capture_output=True, check=True).stdout
    assert formats.null(secrets).encode() == printed
