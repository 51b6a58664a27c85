"""The rules of the definition language beyond the examples of docs/definition.md, and what its errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.companion.definitions import bare, clients, gets, load_text, problems

WEB = clients("web")


def test_all_problems_of_all_files_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("[web]\nc = []\nd = {from_env='NONE'}\n")
    text = 'include = ["more.toml"]\n' + WEB + "x = 5\n[web]\na = []\nb = 99999999999999999999\n[wbe]\n"
    places = [problem.split(": ")[0] for problem in problems(tmp_path, text)]
    assert places == ["secrets.toml:4:1", "secrets.toml:6:1", "secrets.toml:7:1", "secrets.toml:8:2", "more.toml:2:1", "more.toml:3:1"]


# ----------------------------------------------------------------------------------------- the original's form


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[web]\nid = 5\n", "secrets.toml:2:1: web.id: this is not a client's key: write "),
        ("[web]\nid = '12'\n", "secrets.toml:2:1: web.id: a client's key is "),
        (f"[a.web]\nid = '{bare(1)}'\n[a]\nx = 1\n", "secrets.toml:4:1: a.x: no client is listed for 'a'"),
        (f"[a]\nid = '{bare(1)}'\n[b]\nid = '{bare(1)}'\n", "secrets.toml:4:1: b.id: this key of client 'b' is also that of client 'a'"),
        (f"['a.b']\nid = '{bare(1)}'\n[a.b]\nid = '{bare(2)}'\n", "secrets.toml:4:1: a.b.id: a.b is set twice"),
    ],
)
def test_the_original_form_refused(text: str, fault: str, tmp_path: Path) -> None:
    assert problems(tmp_path, text)[0].startswith(fault)


def test_the_original_form_knows_the_rest_of_the_language(tmp_path: Path) -> None:
    text = f"[coffer]\nname='shop'\n[web]\nid = '{bare(1)}'\n[web.public]\na=1\n[shared.g]\nclients=['web']\nb=2\n[env.x.web]\nc=3\n"
    definition = load_text(tmp_path, text, overlay="x")
    assert gets(definition, "web") == {"a": 1, "c": 3, "b": 2}
    assert definition.name == "shop"


def test_an_id_is_a_secret_like_any_other_where_clients_are_listed(tmp_path: Path) -> None:
    assert gets(load_text(tmp_path, WEB + "[web]\nid = 'x'\n"), "web") == {"id": "x"}


# ---------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("name = 5", "coffer.name: name is a text"),
        ("name = 'My Shop'", "coffer.name: the coffer's name 'My Shop': expected a name"),
        ("server = 'localhost'", "coffer.server: expected a server's address of the form coffer://"),
        ("plain_server = ''", "coffer.plain_server: expected a server's address of the form coffer://"),
        ("expires = 400", "coffer.expires: expires is a text"),
        ("expires = '0d'", "coffer.expires: expires: expected a time such as 12h"),
        ("owner = 'me'", "coffer.owner: [coffer] has no 'owner'; it has name, server, plain_server, expires: take it out"),
    ],
)
def test_settings_that_cannot_be(line: str, fault: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"[coffer]\n{line}\n{WEB}")
    assert problem.startswith(f"secrets.toml:2:1: {fault}")


def test_settings(tmp_path: Path) -> None:
    server = f"coffer://{bare(9)}@localhost"
    definition = load_text(tmp_path, f"[coffer]\nname='shop'\nserver='{server}'\nplain_server='{server}'\nexpires='never'\n{WEB}")
    assert (definition.name, definition.server, definition.plain_server, definition.expires) == ("shop", server, server, "never")
    bare_one = load_text(tmp_path, WEB)
    assert (bare_one.name, bare_one.server, bare_one.plain_server, bare_one.expires) == (None, None, None, None)


# ---------------------------------------------------------------------------------------------- where from, and what is never shown


def test_files_with_secrets_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "shown").write_text("x")
    (tmp_path / "more.toml").write_text("[web]\na = 'x'\n")
    text = "include=['more.toml']\n" + WEB + "[web]\nb={from_file='f'}\n[web.public]\nc='x'\nd={from_file='shown'}\n"
    assert load_text(tmp_path, text).secret_files == (tmp_path / "f", tmp_path / "more.toml")
    assert load_text(tmp_path, WEB + "[env.x.web]\na=1\n").secret_files == (tmp_path / "secrets.toml",)


def test_no_value_in_what_a_person_may_print(tmp_path: Path) -> None:
    definition = load_text(tmp_path, WEB + "[web]\na='canary'\nb={from_template='{a}'}\n")
    assert "canary" not in repr(definition)


@pytest.mark.parametrize(
    ("text", "is_clear"),
    [
        ("[web]\na = 1", True),
        ("[web]\na = { from_value = 1, expires = 2027-01-01 }", True),
        ("[web.nested]\na = 1", True),
        ("[shared.db]\nclients = ['web']\na = 1", True),
        ("[web]\na = { from_env = 'A' }", False),
        ("[web]\na = { from_template = 'x{b}' }\nb = { from_env = 'A' }", False),
        ("[web.public]\na = 1", False),
        ("[web]", False),
        ("[shared.db]\nclients = ['web']\npublic.a = 1", False),
        ("[web]\na = { from_env = 'A' }\n[env.x.web]\na = 1", True),
        ("[web]\na = { from_env = 'A' }\n[env.x.web]\na = { from_env = 'B' }", False),
    ],
)
def test_a_file_with_secrets_in_the_clear(text: str, is_clear: bool, tmp_path: Path) -> None:
    definition = load_text(tmp_path, f"{WEB}{text}", environ={"A": "x"})
    assert definition.clear_files == ((tmp_path / "secrets.toml",) if is_clear else ())


def test_an_included_file_with_secrets_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("[web]\na = 1\n")
    (tmp_path / "key").write_text("x")
    definition = load_text(tmp_path, f"include = ['more.toml']\n{WEB}[web]\nb = {{ from_file = 'key' }}")
    assert definition.clear_files == (tmp_path / "more.toml",)


def test_a_value_that_an_overlay_replaces_is_still_in_the_clear(tmp_path: Path) -> None:
    text = f"{WEB}[web]\na = 1\n[env.x.web]\na = {{ from_env = 'A' }}"
    assert load_text(tmp_path, text, overlay="x", environ={"A": "y"}).clear_files == (tmp_path / "secrets.toml",)
