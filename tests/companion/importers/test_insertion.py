from __future__ import annotations

import math
from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from coffer_companion.errors import ImportingError
from coffer_companion.importers.insertion import add_secrets
from coffer_companion.importers.values import Importable
from tests.companion.definitions import gets, load_text

from .definitions import ONE_FOLDER, TEXTS, WEB

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
    with pytest.raises(ImportingError, match=r"web already has a, smtp\.host: use --replace"):
        add_secrets(COMMENTED, "web", {"a": "x", "smtp": {"host": "x"}, "z": 1})
    with pytest.raises(ImportingError, match=r"web already has smtp\.host"):
        add_secrets(COMMENTED, "web", {"smtp.host": "x"})


def test_replacing() -> None:
    text = add_secrets(COMMENTED, "web", {"a": "two", "smtp.host": "mail2", "new": True}, replace=True)
    assert tomli.loads(text)["web"] == {"a": "two", "table": {"x": 1}, "smtp": {"host": "mail2"}, "new": True}
    assert "# Changed in May." in text
    assert tomli.loads(add_secrets("[web]\na={from_env='X'}\n", "web", {"a": "x"}, replace=True)) == {"web": {"a": "x"}}


def test_what_is_public_stays_public() -> None:
    with pytest.raises(ImportingError, match="a: web has this in its table public"):
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
        ("", "Web", {"a": 1}, "the client 'Web': expected a name"),
        ("", "shared", {"a": 1}, "the name 'shared' is reserved"),
        ("a = \n", "web", {"a": 1}, "the definition, line 1, column 5: this is not TOML"),
        ("[web.a]\nb = 1\n", "web", {"a": "x"}, "nothing can be added to"),
        ("web = 'canary'\n", "web", {"a": "x"}, "nothing can be added to"),
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
