"""What each client gets of its section and its groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffer_protocol.limits import SHARD_BYTES
from tests.companion.definitions import clients, gets, load_text, problems

WEB = clients("web")


def test_a_section_of_a_client_under_another_name(tmp_path: Path) -> None:
    """The line of `coffer-client init` has the host's name, and the section has the application's."""
    (problem,) = problems(tmp_path, f"{clients('vm')}[web]\na=1\n")
    assert problem.endswith(
        "no client is called 'web': list it in [clients] with its key, or take the section out; "
        "[clients] has 'vm' without a section, so if that is the client, use one name for both"
    )
    (problem,) = problems(tmp_path, f"{clients('a', 'b', 'c', 'd')}[web]\na=1\n")
    assert "[clients] has 'a', 'b', 'c' and 1 more without a section" in problem
    (problem,) = problems(tmp_path, f"{clients('vm')}[vm]\na=1\n[web]\na=1\n")
    assert problem.endswith("list it in [clients] with its key, or take the section out")


@pytest.mark.parametrize(
    ("group", "fault"),
    [
        ("a = 1", "shared.g: the group does not list its clients"),
        ("clients = 'web'", "shared.g.clients: clients is a list of names"),
        ("clients = [5]", "shared.g.clients: clients is a list of names"),
        ("clients = ['*', 'web']", "shared.g.clients: '*' is already every client"),
        ("clients = ['web', 'web']", "shared.g.clients: the group lists 'web' twice"),
        ("clients = ['wbe']", "shared.g.clients[1]: no client is called 'wbe' (did you mean 'web'?)"),
        ("clients = ['*']\na = []", "shared.g.a: an array cannot be delivered"),
    ],
)
def test_groups_that_cannot_be(group: str, fault: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{WEB}[shared.g]\n{group}\n")
    assert problem.split(": ", 1)[1].startswith(fault)


def test_a_group_of_nobody(tmp_path: Path) -> None:
    definition = load_text(tmp_path, WEB + "[web]\na=1\n[shared.g]\nclients = []\nb=1\n")
    assert [warning.split(": ", 1)[1] for warning in definition.warnings] == [
        "shared.g.clients: the group 'g' has no clients, so nobody gets its secrets: add clients"
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
    assert agree or "differ in 'k' for 'a', 'b', 'c' and 2 more: make them agree" in found[0]


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


def test_a_shard_over_the_limit_names_its_largest_keys(tmp_path: Path) -> None:
    sizes = {"a": 500_000, "b": 10, "c": 400_000, "d": 300_000}
    text = WEB + "[web]\n" + "".join(f"{key} = '{key * size}'\n" for key, size in sizes.items())
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("secrets.toml:3:2: web: client 'web' would get 1200")
    assert "(its largest keys are a (500018 bytes), c (400018 bytes), d (300018 bytes)): " in problem
    assert "aaa" not in problem


def test_the_limit_to_the_byte(tmp_path: Path) -> None:
    # A list's head, a map's head, "key", the key, "value" and the text's head of five bytes.
    overhead = 1 + 1 + 4 + 2 + 6 + 5
    assert problems(tmp_path, f"{WEB}[web]\na = '{'x' * (SHARD_BYTES - overhead)}'\n") == []
    assert len(problems(tmp_path, f"{WEB}[web]\na = '{'x' * (SHARD_BYTES - overhead + 1)}'\n")) == 1


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
