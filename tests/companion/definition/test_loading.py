"""The rules of the definition language beyond the examples of docs/definition.md, and what its errors say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coffer_companion.definition import DefinitionError, load
from coffer_protocol.identity import BareKey, PublicKey
from coffer_protocol.limits import SHARD_BYTES
from tests.companion.definitions import TODAY, bare, clients, gets, load_text, problems
from tests.support import identity

WEB = clients("web")


# ------------------------------------------------------------------------------------------------------- files


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"none\.toml: the file cannot be read \(No such file or directory\)\. Check its name"):
        load(tmp_path / "none.toml", environ={}, today=TODAY)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[clients]\nweb = \n", "secrets.toml:2:7: this is not TOML"),
        ("[clients]\n[clients]\n", "secrets.toml:2:9: this is not TOML"),
        ("a = 'canary\n", "secrets.toml:2:1: this is not TOML"),
        ("[web]\na = 'canary'\na = 'canary'\n", "secrets.toml:3:13: this is not TOML"),
    ],
)
def test_what_is_not_toml(text: str, place: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(place)
    assert "canary" not in problem


def test_what_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes("[web]\na = 'xé'\n".encode("latin-1"))
    with pytest.raises(DefinitionError, match=r"latin\.toml:2:7: the file is not UTF-8 text"):
        load(tmp_path / "latin.toml", environ={}, today=TODAY)


def test_a_byte_order_mark_and_windows_newlines(tmp_path: Path) -> None:
    text = "\ufeff" + (WEB + "[web]\na = 1\n").replace("\n", "\r\n")
    assert gets(load_text(tmp_path, text), "web") == {"a": 1}


def test_all_problems_of_all_files_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("[web]\nc = []\nd = {from_env='NONE'}\n")
    text = 'include = ["more.toml"]\n' + WEB + "x = 5\n[web]\na = []\nb = 99999999999999999999\n[wbe]\n"
    places = [problem.split(": ")[0] for problem in problems(tmp_path, text)]
    assert places == ["secrets.toml:4:1", "secrets.toml:6:1", "secrets.toml:7:1", "secrets.toml:8:2", "more.toml:2:1", "more.toml:3:1"]


def test_an_include_is_relative_to_its_own_file_and_read_once(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "a.toml").write_text('include = ["../common.toml", "b.toml"]\n')
    (tmp_path / "team" / "b.toml").write_text('[web]\nb = {from_file = "b.txt"}\n')
    (tmp_path / "team" / "b.txt").write_text("B")
    (tmp_path / "common.toml").write_text("[web]\nc = 1\n")
    definition = load_text(tmp_path, 'include = ["team/a.toml", "common.toml"]\n' + WEB)
    assert gets(definition, "web") == {"c": 1, "b": "B"}
    assert definition.clients["web"].origins["b"].path == str(tmp_path / "team" / "b.toml")


@pytest.mark.parametrize("include", ["5", '"common.toml"', "[5]", "{}"])
def test_an_include_is_a_list_of_names(include: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"include = {include}\n{WEB}")
    assert problem == 'secrets.toml:1:1: include: include is a list of file names. Write include = ["common.toml"].'


def test_an_include_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("a = \n")
    (tmp_path / "folder").mkdir()
    found = problems(tmp_path, f'include = ["none.toml", "bad.toml", "folder", "nul\\u0000"]\n{WEB}')
    assert [problem.split(". ")[0] for problem in found] == [
        "secrets.toml:1:12: include[1]: 'none.toml' cannot be read (No such file or directory)",
        "secrets.toml:1:37: include[3]: 'folder' is not a file",
        "secrets.toml:1:47: include[4]: 'nul\\x00' cannot be read (not a file name)",
        "bad.toml:1:5: this is not TOML: Invalid value",
    ]


def test_a_client_listed_in_two_files(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text(f'[clients]\nweb = "{bare(7)}"\n')
    (problem,) = problems(tmp_path, 'include = ["more.toml"]\n' + WEB)
    assert problem.startswith("more.toml:2:1: clients.web: web stands twice, here and at ")
    assert "secrets.toml:3:1" in problem


# -------------------------------------------------------------------------------------------- files of contents


def test_links_are_followed_before_a_file_counts_as_inside(tmp_path: Path) -> None:
    folder = tmp_path / "coffer"
    folder.mkdir()
    (tmp_path / "outside").write_text("canary")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "inner").symlink_to(folder / "real")
    (folder / "real").write_text("inside")
    text = WEB + '[web]\na = {from_file="link"}\nb = {from_file="../outside"}\nc = {from_file="inner"}\n'
    found = problems(folder, text)
    assert [problem.split(". ")[0] for problem in found] == [
        "secrets.toml:4:1: web.a: 'link' is outside the definition's folder",
        "secrets.toml:5:1: web.b: '../outside' is outside the definition's folder",
    ]
    assert gets(load_text(folder, text, allow_outside=True), "web") == {"a": "canary", "b": "canary", "c": "inside"}


def test_a_definition_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert gets(load_text(tmp_path / "link", WEB + '[web]\na = {from_file="a"}\n'), "web") == {"a": "x"}


def test_files_that_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(SHARD_BYTES + 1))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    lines = ["a = {from_file='large'}", "b = {from_file='loop'}", "c = {from_file='pipe'}", "d = {from_file=''}", "e = {from_file=5}"]
    lines += ["f = {from_file='large', type='json'}", "g = {from_file='large', expires='soon'}"]
    found = problems(tmp_path, WEB + "[web]\n" + "\n".join(lines))
    assert [problem.split(": ", 1)[1].split(". ")[0] for problem in found] == [
        "web.a: 'large': the file has more than 1048576 bytes",
        "web.b: 'loop' cannot be read (Too many levels of symbolic links)",
        "web.c: 'pipe' is not a file",
        "web.d: from_file takes a text that is not empty",
        "web.e: from_file takes a text that is not empty",
        "web.f: type is 'text' or 'bytes'",
        "web.g: expires takes a date, such as 2027-01-31, without quotes",
    ]


def test_a_datetime_is_no_day(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB + "[web]\na = {from_value=1, expires=2027-01-31T00:00:00}\n")
    assert "expires takes a date" in problem


def test_contents_are_not_trimmed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf line\r\n\n")
    (tmp_path / "empty").write_bytes(b"")
    definition = load_text(tmp_path, WEB + "[web]\na = {from_file='a'}\nb = {from_file='empty'}\n")
    assert gets(definition, "web") == {"a": "\ufeff line\r\n\n", "b": ""}


def test_a_variable_that_is_not_utf_8(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB + "[web]\na = {from_env='X'}\n", environ={"X": "canary\udcff"})
    assert "characters that UTF-8 cannot write" in problem
    assert "canary" not in problem


def test_two_sources_at_once(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB + "[web]\na = {from_value='canary', from_env='X'}\n", environ={"X": "x"})
    assert problem == "secrets.toml:4:1: web.a: beside from_value only expires can stand, not 'from_env'. Take it out."


@pytest.mark.parametrize("table", ["web", "web.public", "shared.all"])
def test_a_section_is_no_value(table: str, tmp_path: Path) -> None:
    found = problems(tmp_path, f"{WEB}[{table}]\nfrom_file = 'x'\n" + ("clients = ['*']\n" if table == "shared.all" else ""))
    assert found == [
        f"secrets.toml:4:1: {table}.from_file: this is a whole section, not one value. Write KEY = {{ from_file = … }} inside it."
    ]


def test_a_key_of_a_section_may_begin_with_from(tmp_path: Path) -> None:
    assert gets(load_text(tmp_path, WEB + "[web]\nfrom_address = 'a@b'\n"), "web") == {"from_address": "a@b"}


# -------------------------------------------------------------------------------------------------------- keys


def test_forms_of_keys(tmp_path: Path) -> None:
    web = identity("web")
    (tmp_path / "full.pub").write_text(f"# full\n\n{web.public().text()}\n")
    (tmp_path / "bare.pub").write_text(f"# bare\n{bare(3)}\n")
    text = f"[clients]\na = [{{from_file='full.pub'}}, '{bare(1)}']\nb = {{from_file='bare.pub'}}\n[a]\nx=1\n[b]\nx=1\n"
    definition = load_text(tmp_path, text)
    full, one = definition.clients["a"].keys
    assert full == web.public()
    assert isinstance(full, PublicKey)
    assert one == BareKey(id=bytes.fromhex(bare(1)))
    assert definition.clients["b"].keys == (BareKey(id=bytes.fromhex(bare(3))),)


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    secret = identity("web").secret_text()
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "two.pub").write_text(f"{bare(1)}\n{bare(2)}\n")
    (tmp_path / "binary.pub").write_bytes(b"\xff")
    lines = ["a = 5", "b = []", f"c = '{secret}'", "d = {from_file='secret'}", "e = {from_file='two.pub'}", "f = {from_file='binary.pub'}"]
    lines += ["g = {from_file='none.pub'}", "h = {from_file='two.pub', type='text'}", "i = {from_env='X'}", f"j = '{bytes(32).hex()}'"]
    lines += [f"k = ['{bare(1)}', '{bare(1).lower()}']", "l = [['x']]"]
    found = problems(tmp_path, "[clients]\n" + "\n".join(lines))
    assert all(secret[20:] not in problem for problem in found)
    assert [problem.split(": ")[1] for problem in found] == [
        *(f"clients.{name}" for name in "abcdefghij"),
        "clients.k[2]",
        "clients.l[1]",
    ]
    assert "is there twice for client 'k'" in found[10]
    assert found[2].startswith("secrets.toml:4:1: clients.c: this is a SECRET key")
    assert "'secret': this is a SECRET key" in found[3]


@pytest.mark.parametrize("name", ["clients", "coffer", "env", "include", "operators", "public", "shared"])
def test_reserved_names(name: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"[clients]\n{name} = '{bare(1)}'\nweb = '{bare(2)}'\n")
    assert problem == f"secrets.toml:2:1: clients.{name}: the name {name!r} is reserved. Call the client something else."


@pytest.mark.parametrize("name", ["operators", "public"])
def test_reserved_tables(name: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{WEB}[{name}]\na = 1\n")
    assert problem.startswith(f"secrets.toml:3:2: {name}: the name {name!r} is reserved")


def test_names_that_cannot_be(tmp_path: Path) -> None:
    found = problems(tmp_path, f"[clients]\nweb = '{bare(2)}'\nWeb = '{bare(1)}'\n[shared.'a b']\nclients=['*']\n")
    assert [problem.split(": ")[1] for problem in found] == ["clients.Web", 'shared."a b"']


def test_values_at_the_top(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "name = 'canary'\n" + WEB)
    assert problem == ("secrets.toml:1:1: name: only tables and include stand at the top of a definition. Move it into a client's table.")


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ('"a\\u0007b"', 'web."a\\U00000007b": a key has control characters. Take them out.'),
        ('smtp.""', 'web.smtp."": a key is empty. Give it a name.'),
        ("k" * 256, f"web.{'k' * 256}: the key has 256 bytes; at most 255 can be delivered. Shorten it."),
        (".".join("k" * 200), None),
    ],
)
def test_keys_of_values_that_cannot_be(key: str, fault: str | None, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{WEB}[web]\n{key} = 'canary'\n")
    assert "canary" not in problem
    assert problem.endswith(fault or "at most 255 can be delivered. Shorten it.")


def test_public_is_a_table(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WEB + "[web]\npublic = 'canary'\n")
    assert problem.startswith("secrets.toml:4:1: web.public: the name 'public' is reserved for the table")


# ------------------------------------------------------------------------------------------------------ groups


def test_a_section_of_a_client_under_another_name(tmp_path: Path) -> None:
    """The line of `coffer-client init` has the host's name, and the section has the application's."""
    (problem,) = problems(tmp_path, f"{clients('vm')}[web]\na=1\n")
    assert problem.endswith(
        "no client is called 'web'. List it in [clients] with its key, or take the section out. "
        "[clients] has 'vm' without a section: if that is the client, use one name for both."
    )
    (problem,) = problems(tmp_path, f"{clients('a', 'b', 'c', 'd')}[web]\na=1\n")
    assert "[clients] has 'a', 'b', 'c' and 1 more without a section" in problem
    (problem,) = problems(tmp_path, f"{clients('vm')}[vm]\na=1\n[web]\na=1\n")
    assert problem.endswith("List it in [clients] with its key, or take the section out.")


@pytest.mark.parametrize(
    ("group", "fault"),
    [
        ("a = 1", "shared.g: the group does not say whose it is"),
        ("clients = 'web'", "shared.g.clients: clients is a list of names"),
        ("clients = [5]", "shared.g.clients: clients is a list of names"),
        ("clients = ['*', 'web']", "shared.g.clients: '*' is every client already"),
        ("clients = ['web', 'web']", "shared.g.clients: the group lists 'web' twice"),
        ("clients = ['wbe']", "shared.g.clients[1]: no client is called 'wbe'. Did you mean 'web'?"),
        ("clients = ['*']\na = []", "shared.g.a: an array cannot be delivered"),
    ],
)
def test_groups_that_cannot_be(group: str, fault: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{WEB}[shared.g]\n{group}\n")
    assert problem.split(": ", 1)[1].startswith(fault)


def test_shared_holds_tables(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{WEB}[shared]\nclients = ['web']\n")
    assert problem == "secrets.toml:4:1: shared.clients: a shared group is a table. Write [shared.clients]."


def test_a_group_of_nobody(tmp_path: Path) -> None:
    definition = load_text(tmp_path, WEB + "[web]\na=1\n[shared.g]\nclients = []\nb=1\n")
    assert [warning.split(": ", 1)[1] for warning in definition.warnings] == [
        "shared.g.clients: nobody is in the group 'g', so nobody gets its secrets. Add clients."
    ]


@pytest.mark.parametrize(
    ("one", "two", "agree"),
    [
        ("1", "1", True),
        ("1", "1.0", False),
        ("1", "true", False),
        ("nan", "nan", True),
        ("0.0", "-0.0", False),
        ("1979-05-27T07:32:00Z", "1979-05-27T08:32:00+01:00", False),
        ("'a'", "{from_value='a'}", True),
        ("{from_template='a'}", "{from_template='a'}", True),
        ("{from_template='a'}", "{from_template='b'}", False),
        ("{from_template='a'}", "'a'", False),
    ],
)
def test_groups_that_agree_and_differ(one: str, two: str, agree: bool, tmp_path: Path) -> None:
    text = f"{clients('a', 'b', 'c', 'd', 'e')}[shared.one]\nclients=['*']\nk = {one}\n[shared.two]\nclients=['*']\nk = {two}\n"
    found = problems(tmp_path, text)
    assert bool(found) is not agree
    assert agree or "differ in 'k' for 'a', 'b', 'c' and 2 more. Make them agree" in found[0]


def test_one_value_that_is_public_in_one_group_alone(tmp_path: Path) -> None:
    text = f"{WEB}[shared.one]\nclients=['*']\nk=1\n[shared.two]\nclients=['*']\npublic.k=1\n"
    (problem,) = problems(tmp_path, text)
    assert "differ in 'k'" in problem


def test_a_clients_own_value_settles_what_groups_dispute(tmp_path: Path) -> None:
    text = f"{WEB}[shared.one]\nclients=['*']\nk=1\n[shared.two]\nclients=['*']\nk=2\n[web]\nk=3\n"
    assert gets(load_text(tmp_path, text), "web") == {"k": 3}


def test_a_clients_own_value_says_whether_it_is_public(tmp_path: Path) -> None:
    text = f"{clients('a', 'b')}[shared.g]\nclients=['*']\npublic.k=1\ns=2\n[a]\nk='own'\npublic.s='shown'\n"
    definition = load_text(tmp_path, text)
    assert definition.clients["a"].public == {"s"}
    assert definition.clients["b"].public == {"k"}


# ---------------------------------------------------------------------------------------------------- overlays


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
        ("[env.x]\na=1\n", "only tables and include stand at the top"),
        ("[env.x.wbe]\na=1\n", "no client is called 'wbe'. Did you mean 'web'?"),
        ("[env]\nx=1\n", "an environment holds tables. Write [env.x.NAME]."),
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
    assert problem.startswith("secrets.toml:1:1: env: no environment is called 'staging'; there are none.")


def test_overlays_are_left_alone_without_env(tmp_path: Path) -> None:
    assert problems(tmp_path, WEB + "[env.x.nobody]\na=[]\n") == []


# ----------------------------------------------------------------------------------------- the original's form


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[web]\nid = 5\n", "secrets.toml:2:1: web.id: a client's key is "),
        ("[web]\nid = '12'\n", "secrets.toml:2:1: web.id: a client's key is "),
        (f"[a.web]\nid = '{bare(1)}'\n[a]\nx = 1\n", "secrets.toml:4:1: a.x: no client is listed for 'a'"),
        (f"[a]\nid = '{bare(1)}'\n[b]\nid = '{bare(1)}'\n", "secrets.toml:4:1: b.id: this key of client 'b' is also that of client 'a'"),
        (f"['a.b']\nid = '{bare(1)}'\n[a.b]\nid = '{bare(2)}'\n", "secrets.toml:4:1: a.b.id: a.b stands twice"),
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


# ------------------------------------------------------------------------------------------------------- sizes


def test_a_shard_over_the_limit_names_its_largest_keys(tmp_path: Path) -> None:
    sizes = {"a": 500_000, "b": 10, "c": 400_000, "d": 300_000}
    text = WEB + "[web]\n" + "".join(f"{key} = '{key * size}'\n" for key, size in sizes.items())
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("secrets.toml:3:2: web: client 'web' would get 1200")
    assert "Its largest keys are a (500018 bytes), c (400018 bytes), d (300018 bytes): " in problem
    assert "aaa" not in problem


def test_the_limit_to_the_byte(tmp_path: Path) -> None:
    # A list's head, a map's head, "key", the key, "value" and the text's head of five bytes.
    overhead = 1 + 1 + 4 + 2 + 6 + 5
    assert problems(tmp_path, f"{WEB}[web]\na = '{'x' * (SHARD_BYTES - overhead)}'\n") == []
    assert len(problems(tmp_path, f"{WEB}[web]\na = '{'x' * (SHARD_BYTES - overhead + 1)}'\n")) == 1


# ---------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("name = 5", "coffer.name: name is a text"),
        ("name = 'My Shop'", "coffer.name: the coffer's name 'My Shop': a name is"),
        ("server = 'localhost'", "coffer.server: a server's address has the form coffer://"),
        ("plain_server = ''", "coffer.plain_server: a server's address has the form coffer://"),
        ("expires = 400", "coffer.expires: expires is a text"),
        ("expires = '0d'", "coffer.expires: a lifetime of 0d is over at once"),
        ("owner = 'me'", "coffer.owner: [coffer] has no 'owner'; it has name, server, plain_server, expires."),
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


def test_origins(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    text = WEB + (
        "[shared.g]\nclients=['*']\ng=1\ng2={from_file='f'}\nown=1\n"
        "[web]\nown=2\nfile={from_file='f'}\nvariable={from_env='X'}\nmade={from_template='{own}'}\nvalue={from_value=1}\n"
    )
    origins = load_text(tmp_path, text, environ={"X": "x"}).clients["web"].origins
    assert {key: (origin.line, origin.column, origin.how) for key, origin in origins.items()} == {
        "g": (5, 1, "shared group 'g'"),
        "g2": (6, 1, "shared group 'g', from_file f"),
        "own": (9, 1, "own value (over shared group 'g')"),
        "file": (10, 1, "from_file f"),
        "variable": (11, 1, "from_env X"),
        "made": (12, 1, "template"),
        "value": (13, 1, "own value"),
    }


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
