"""The files of a definition: what is read, from where, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffer_companion.definition import load
from coffer_companion.errors import DefinitionError
from tests.companion.definitions import TODAY, clients, gets, load_text, problems

WEB = clients("web")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"none\.toml: the file does not exist: check its name"):
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
    with pytest.raises(DefinitionError, match=r"latin\.toml:2:7: the file is not text in UTF-8: save it as UTF-8"):
        load(tmp_path / "latin.toml", environ={}, today=TODAY)


def test_a_byte_order_mark_and_windows_newlines(tmp_path: Path) -> None:
    text = "\ufeff" + (WEB + "[web]\na = 1\n").replace("\n", "\r\n")
    assert gets(load_text(tmp_path, text), "web") == {"a": 1}


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
    assert problem == 'secrets.toml:1:1: include: include is a list of file names: write include = ["common.toml"]'


def test_an_include_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("a = \n")
    (tmp_path / "folder").mkdir()
    found = problems(tmp_path, f'include = ["none.toml", "bad.toml", "folder", "nul\\u0000"]\n{WEB}')
    assert [problem.rpartition(": ")[0] for problem in found] == [
        "secrets.toml:1:12: include[1]: 'none.toml' cannot be read (No such file or directory)",
        "secrets.toml:1:37: include[3]: 'folder' is not a file",
        "secrets.toml:1:47: include[4]: 'nul\\x00' cannot be read (not a file name)",
        "bad.toml:1:5: this is not TOML (Invalid value)",
    ]


def test_links_are_followed_before_a_file_counts_as_inside(tmp_path: Path) -> None:
    folder = tmp_path / "coffer"
    folder.mkdir()
    (tmp_path / "outside").write_text("canary")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "inner").symlink_to(folder / "real")
    (folder / "real").write_text("inside")
    text = WEB + '[web]\na = {from_file="link"}\nb = {from_file="../outside"}\nc = {from_file="inner"}\n'
    found = problems(folder, text)
    assert [problem.rpartition(": ")[0] for problem in found] == [
        "secrets.toml:4:1: web.a: 'link' is outside the definition's folder",
        "secrets.toml:5:1: web.b: '../outside' is outside the definition's folder",
    ]
    assert gets(load_text(folder, text, allow_outside=True), "web") == {"a": "canary", "b": "canary", "c": "inside"}


def test_a_definition_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert gets(load_text(tmp_path / "link", WEB + '[web]\na = {from_file="a"}\n'), "web") == {"a": "x"}
