"""Sections, flat keys, and overlays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.companion.definitions import bare, clients, gets, load_text, problems

WEB = clients("web")


def test_a_client_listed_in_two_files(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text(f'[clients]\nweb = "{bare(7)}"\n')
    (problem,) = problems(tmp_path, 'include = ["more.toml"]\n' + WEB)
    assert problem.startswith("more.toml:2:1: clients.web: web is set twice, here and at ")
    assert "secrets.toml:3:1" in problem


@pytest.mark.parametrize("table", ["web", "web.public", "shared.all"])
def test_a_section_is_no_value(table: str, tmp_path: Path) -> None:
    found = problems(tmp_path, f"{WEB}[{table}]\nfrom_file = 'x'\n" + ("clients = ['*']\n" if table == "shared.all" else ""))
    assert found == [
        f"secrets.toml:4:1: {table}.from_file: this is a whole section, not one value: write KEY = {{ from_file = … }} inside it"
    ]


def test_a_key_of_a_section_may_begin_with_from(tmp_path: Path) -> None:
    assert gets(load_text(tmp_path, WEB + "[web]\nfrom_address = 'a@b'\n"), "web") == {"from_address": "a@b"}


@pytest.mark.parametrize("name", ["clients", "coffer", "env", "include", "operators", "public", "shared"])
def test_reserved_names(name: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"[clients]\n{name} = '{bare(1)}'\nweb = '{bare(2)}'\n")
    assert problem == f"secrets.toml:2:1: clients.{name}: the name {name!r} is reserved: call the client something else"


@pytest.mark.parametrize("name", ["operators", "public"])
def test_reserved_tables(name: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{WEB}[{name}]\na = 1\n")
    assert problem.startswith(f"secrets.toml:3:2: {name}: the name {name!r} is reserved")


def test_names_that_cannot_be(tmp_path: Path) -> None:
    found = problems(tmp_path, f"[clients]\nweb = '{bare(2)}'\nWeb = '{bare(1)}'\n[shared.'a b']\nclients=['*']\n")
    assert [problem.split(": ")[1] for problem in found] == ["clients.Web", 'shared."a b"']


def test_values_at_the_top(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "name = 'canary'\n" + WEB)
    assert problem == ("secrets.toml:1:1: name: the top of a definition has only tables and include: move this into a client's table")


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ('"a\\u0007b"', 'web."a\\U00000007b": a key has control characters: take them out'),
        ('"a\\u202eb"', "web.\"a\\U0000202Eb\": the key 'a\\u202eb' has control or format characters: write it without them"),
        ('"a\\u200bb"', "web.\"a\\U0000200Bb\": the key 'a\\u200bb' has control or format characters: write it without them"),
        ('smtp.""', 'web.smtp."": a key is empty: give it a name'),
        ("k" * 256, f"web.{'k' * 256}: the key has 256 bytes, and a key has at most 255: shorten it"),
        (".".join("k" * 190), None),
    ],
)
def test_keys_of_values_that_cannot_be(key: str, fault: str | None, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{WEB}[web]\n{key} = 'canary'\n")
    assert "canary" not in problem
    assert problem.endswith(fault or "a key has at most 255: shorten it")


def test_public_is_a_table(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB + "[web]\npublic = 'canary'\n")
    assert problem.startswith("secrets.toml:4:1: web.public: the name 'public' is reserved for the table")


def test_shared_holds_tables(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{WEB}[shared]\nclients = ['web']\n")
    assert problem == "secrets.toml:4:1: shared.clients: a shared group is a table: write [shared.clients]"


def test_an_overlay_reaches_every_file(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("[env.staging.web]\nb = 'staged'\n")
    text = f"include=['more.toml']\n{clients('web', 'idle')}[web]\na=1\nb=2\n"
    text += "[env.staging.idle]\nc=3\n[env.staging.shared.new]\nclients=['web']\nd=4\n"
    definition = load_text(tmp_path, text, overlay="staging")
    assert gets(definition, "web") == {"a": 1, "b": "staged", "d": 4}
    assert gets(definition, "idle") == {"c": 3}
    assert definition.clients["web"].origins["b"].how == "env staging overlay"
    assert gets(load_text(tmp_path, text), "web") == {"a": 1, "b": 2}


def test_an_overlay_changes_the_settings_and_the_members(tmp_path: Path) -> None:
    text = f"[coffer]\nname='shop'\nexpires='90d'\n{clients('a', 'b')}[shared.g]\nclients=['a']\nk=1\n"
    text += "[env.x.coffer]\nname='shop-x'\n[env.x.shared.g]\nclients=['b']\n"
    definition = load_text(tmp_path, text, overlay="x")
    assert (definition.name, definition.expires) == ("shop-x", "90d")
    assert [warning.split(": ")[1] for warning in definition.warnings] == ["clients.a"]
    assert gets(definition, "b") == {"k": 1}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[web]\npassword='canary'\n[env.x.web.public]\npassword='canary'\n", "password is public here and secret at "),
        ("[env.x.env.y]\na=1\n", "an overlay cannot have 'env'"),
        ("[env.x]\ninclude=['a']\n", "an overlay cannot have 'include'"),
        ("[env.x]\na=1\n", "the top of a definition has only tables and include"),
        ("[env.x.wbe]\na=1\n", "no client is called 'wbe' (did you mean 'web'?)"),
        ("[env]\nx=1\n", "an environment holds tables: write [env.x.NAME]"),
        ("[env.x.web]\na=[]\n", "an array cannot be delivered"),
    ],
)
def test_overlays_that_cannot_be(text: str, fault: str, tmp_path: Path) -> None:
    text = WEB + "[web]\nz=1\n" * ("[web]" not in text) + text
    (problem,) = problems(tmp_path, text, overlay="x")
    assert fault in problem
    assert "canary" not in problem


def test_an_overlay_where_there_are_none(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB, overlay="staging")
    assert problem.startswith("secrets.toml:1:1: env: no environment is called 'staging'; there are no environments: ")


def test_overlays_are_left_alone_without_env(tmp_path: Path) -> None:
    assert problems(tmp_path, WEB + "[env.x.nobody]\na=[]\n") == []
