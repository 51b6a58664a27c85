"""Importing: what the formats' own readers read is what a client gets, and what cannot be imported is refused by name."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import dotenv
import pytest
import tomli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coffer_companion.importers.sources import (
    FromFile,
    Importable,
    ImportingError,
    add_secrets,
    flatten,
    read_dotenv,
    read_environ,
    read_folder,
    read_json,
    read_sops,
)
from coffer_protocol.limits import SHARD_BYTES
from tests.companion.definitions import clients, gets, load_text

WEB = clients("web")
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="."), min_size=1, max_size=8).filter(
    lambda name: name not in ("public", "from_file", "from_env", "from_template", "from_value", "sops")
)
JSON_VALUES = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON_OBJECTS = st.dictionaries(NAMES, st.recursive(JSON_VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=3)), max_size=4)


def imported(folder: Path, values: dict[str, Importable] | dict[str, str] | dict[str, Any]) -> dict[str, object]:
    """What a client gets of values that were added to a definition."""
    return gets(load_text(folder, add_secrets(WEB, "web", values)), "web")


# -------------------------------------------------------------------------------------------------------- .env


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
    values = read_dotenv(DOTENV)
    assert values == dotenv.dotenv_values(stream=io.StringIO(DOTENV), interpolate=False)
    assert values["A"] == "later"
    assert imported(tmp_path, values) == values


@ONE_FOLDER
@given(values=st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), TEXTS.filter(lambda text: "${" not in text)))
def test_dotenv_there_and_back(values: dict[str, str], tmp_path: Path) -> None:
    # Quoting as dotenv's own `set_key` does it; its reader takes every kind of line end inside quotes as it is.
    quoted = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in values.items()}
    text = "".join(f"{key}='{value}'\n" for key, value in quoted.items())
    assert read_dotenv(text) == dict(dotenv.dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False))


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
        read_dotenv(text)
    assert "canary" not in str(caught.value)


# -------------------------------------------------------------------------------------------------------- JSON


@ONE_FOLDER
@given(values=JSON_OBJECTS)
def test_json_there_and_back(values: dict[str, Any], tmp_path: Path) -> None:
    read = read_json(json.dumps(values))
    assert read == json.loads(json.dumps(values))
    flat = flatten(read)
    got = imported(tmp_path, read)
    assert {key: repr(value) for key, value in got.items()} == {key: repr(value) for key, value in flat.items()}


def test_objects_become_tables() -> None:
    text = add_secrets(WEB, "web", read_json('{"smtp": {"host": "mail", "tls": {"on": true}}, "port": 25, "ratio": 1e16}'))
    assert tomli.loads(text)["web"] == {"smtp": {"host": "mail", "tls": {"on": True}}, "port": 25, "ratio": 1e16}
    assert "[web.smtp]" in text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": {"b": ["canary"]}}', r"^a\.b: an array cannot be delivered"),
        ('{"a": {"b": null}}', r"^a\.b: null is no value"),
        ('{"a": 9223372036854775808}', "^a: an integer has at most 64 bits"),
        ('{"a": 1e999}', "^a: the number is too large"),
        ('{"a": NaN}', "JSON has no number NaN"),
        ('{"a": "\\ud800canary"}', "^a: the text has half of a character"),
        ('{"a": "canary", "a": 2}', "^a stands twice"),
        ('["canary"]', "the JSON is not an object"),
        ('{"a": canary}', "line 1, column 7: this is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "a number that is too long"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_json_refused(text: str, fault: str) -> None:
    with pytest.raises(ImportingError, match=fault) as caught:
        read_json(text)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"": 1}, "a name is empty"),
        ({"a": {"": 1}}, "a name is empty in a"),
        ({"a.b": 1, "a": {"b": 2}}, r"a\.b stands twice"),
        ({"k" * 256: 1}, "255 bytes"),
        ({"a\n": 1}, "control characters"),
    ],
)
def test_names_that_cannot_be(values: dict[str, Importable], fault: str) -> None:
    with pytest.raises(ImportingError, match=fault):
        flatten(values)


# -------------------------------------------------------------------------------------------------------- SOPS


def test_sops_without_its_own_members(tmp_path: Path) -> None:
    values = read_sops('{"db": {"password": "p4ss"}, "sops": {"kms": null, "age": [{"recipient": "age1"}], "version": "3.9.0"}}')
    assert imported(tmp_path, values) == {"db.password": "p4ss"}


def test_sops_that_is_still_encrypted() -> None:
    with pytest.raises(ImportingError, match=r"a\.b is still encrypted"):
        read_sops('{"a": {"b": "ENC[AES256_GCM,data:xyz,type:str]"}, "sops": {"version": "3.9.0"}}')


# ------------------------------------------------------------------------------------ directories, the environment


def test_a_directory(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "db_password").write_bytes(b"p4ss\n")
    (folder / "tls.key").write_bytes(b"-----BEGIN KEY-----\r\nMIIB\n-----END KEY-----\n")
    (folder / "keystore").write_bytes(b"\x30\xff\x00")
    (folder / "empty").write_bytes(b"")
    (folder / "..data").symlink_to(folder)
    (folder / ".hidden").write_text("canary")
    values = read_folder(folder, definition=tmp_path / "secrets.toml")
    assert values["keystore"] == FromFile(path="run/keystore")
    expected = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
    got = imported(tmp_path, dict(values))
    assert {key: value.encode() if isinstance(value, str) else value for key, value in got.items()} == expected


def test_directories_that_cannot_be(tmp_path: Path) -> None:
    definition = tmp_path / "secrets.toml"
    with pytest.raises(ImportingError, match=r"none cannot be read \(No such file"):
        read_folder(tmp_path / "none", definition=definition)
    (tmp_path / "inner").mkdir()
    with pytest.raises(ImportingError, match="inner is not a file"):
        read_folder(tmp_path, definition=definition)
    (tmp_path / "inner" / "large").write_bytes(bytes(SHARD_BYTES + 1))
    with pytest.raises(ImportingError, match="large has more than 1048576 bytes"):
        read_folder(tmp_path / "inner", definition=definition)


def test_the_environment(tmp_path: Path) -> None:
    values = read_environ({"SHOP_B": "2", "SHOP_A": "1", "HOME": "/root"}, only="SHOP_")
    assert values == {"SHOP_A": "1", "SHOP_B": "2"}
    assert imported(tmp_path, values) == values
    with pytest.raises(ImportingError, match="no environment variable begins with 'CART_'"):
        read_environ({"SHOP_A": "1"}, only="CART_")
    with pytest.raises(ImportingError, match="the environment variable A is not UTF-8"):
        read_environ({"A": "canary\udcff"}, only="A")


# ----------------------------------------------------------------------------------------------------- writing


COMMENTED = """\
# The shop.
[clients] # all of them
web = "coffer1…" # on host a

[web] # the site
# Changed in May.
a = 'one'   # literal
table = { x = 1 } # inline

[web.smtp]
host = "mail"
# end of smtp

[worker]
a = "other" # stays
"""


def test_comments_and_all_else_stay() -> None:
    text = add_secrets(COMMENTED, "web", {"b": "new", "smtp": {"port": 25}, "table": {"y": 2}})
    data = tomli.loads(text)
    assert data["web"] == {"a": "one", "table": {"x": 1, "y": 2}, "smtp": {"host": "mail", "port": 25}, "b": "new"}
    assert data["worker"] == {"a": "other"}
    kept = [line for line in COMMENTED.splitlines() if line and not line.startswith("table")]
    assert [line for line in text.splitlines() if line in kept] == kept


def test_a_new_definition(tmp_path: Path) -> None:
    text = add_secrets("", "web", {"a": 1})
    assert text.startswith('[clients]\n# web = "…"')
    assert tomli.loads(text) == {"clients": {}, "web": {"a": 1}}


def test_a_new_section() -> None:
    assert tomli.loads(add_secrets("[worker]\na = 1\n", "web", {"b": {"c": 1}})) == {"worker": {"a": 1}, "web": {"b": {"c": 1}}}


def test_what_exists_is_not_overwritten() -> None:
    with pytest.raises(ImportingError, match=r"web has a, smtp\.host already\. Say --replace"):
        add_secrets(COMMENTED, "web", {"a": "x", "smtp": {"host": "x"}, "z": 1})
    with pytest.raises(ImportingError, match=r"web has smtp\.host already"):
        add_secrets(COMMENTED, "web", {"smtp.host": "x"})


def test_replacing() -> None:
    text = add_secrets(COMMENTED, "web", {"a": "two", "smtp.host": "mail2", "new": True}, replace=True)
    assert tomli.loads(text)["web"] == {"a": "two", "table": {"x": 1}, "smtp": {"host": "mail2"}, "new": True}
    assert "# Changed in May." in text
    assert tomli.loads(add_secrets("[web]\na={from_env='X'}\n", "web", {"a": "x"}, replace=True)) == {"web": {"a": "x"}}


def test_what_is_public_stays_public() -> None:
    with pytest.raises(ImportingError, match="a: web has it in its table public"):
        add_secrets("[web.public]\na = 1\n", "web", {"a": "x"}, replace=True)


@pytest.mark.parametrize("name", ["public", "from_file", "from_env", "from_template", "from_value"])
def test_names_with_a_meaning(name: str) -> None:
    with pytest.raises(ImportingError, match=f"{name}: this has a meaning of its own"):
        add_secrets(WEB, "web", {name: {"a": 1}})


def test_names_that_would_be_read_as_something_else_stand_in_quotes(tmp_path: Path) -> None:
    text = add_secrets(
        WEB + "[web]\nplain = 1\nfile = {from_env='X'}\n",
        "web",
        {"smtp": {"from_file": "a", "host": "b"}, "plain": {"x": 1}, "file": {"y": 2}, "from_address": "c"},
    )
    assert gets(load_text(tmp_path, text, environ={"X": "x"}), "web") == {
        "plain": 1,
        "file": "x",
        "smtp.from_file": "a",
        "plain.x": 1,
        "file.y": 2,
        "from_address": "c",
        "smtp.host": "b",
    }


@pytest.mark.parametrize(
    ("text", "client", "values", "fault"),
    [
        ("", "Web", {"a": 1}, "the client 'Web': a name is"),
        ("", "shared", {"a": 1}, "the name 'shared' is reserved"),
        ("a = \n", "web", {"a": 1}, "line 1, column 5: the definition is not TOML"),
        ("[web.a]\nb = 1\n", "web", {"a": "x"}, "cannot be added to"),
        ("web = 'canary'\n", "web", {"a": "x"}, "cannot be added to"),
    ],
)
def test_what_cannot_be_added_to(text: str, client: str, values: dict[str, Importable], fault: str) -> None:
    with pytest.raises(ImportingError, match=fault) as caught:
        add_secrets(text, client, values)
    assert "canary" not in str(caught.value)


@ONE_FOLDER
@given(value=TEXTS | st.text(st.sampled_from("\n\r\t \\\"'a#"), max_size=12))
def test_every_text_is_written_so_that_it_is_read(value: str) -> None:
    assert tomli.loads(add_secrets("", "web", {"a": value}))["web"] == {"a": value}


def test_text_of_several_lines_is_written_as_several_lines() -> None:
    pem = "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n"
    assert pem in add_secrets("", "web", {"key": pem})


@pytest.mark.parametrize("value", [math.inf, 0.1, -0.0, 1e300, 5e-324, 2**63 - 1, -(2**63), True, False])
def test_numbers_are_written_exactly(value: float) -> None:
    (found,) = tomli.loads(add_secrets("", "web", {"a": value}))["web"].values()
    assert (type(found), repr(found)) == (type(value), repr(value))
