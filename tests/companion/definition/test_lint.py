"""What `check` finds odd in a definition that is right."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from coffer_companion.definition import Definition
from coffer_companion.definition.lint import file_mode, git_tracked, lint, refuse_readable
from coffer_companion.errors import ReadableDefinitionError
from tests.companion.definitions import clients, load_text

TWO = clients("web", "worker")


def private(path: Path) -> int:
    return 0o600


def untracked(paths: Iterable[Path]) -> frozenset[Path]:
    return frozenset()


def found(definition: Definition, folder: Path) -> list[str]:
    warnings = lint(definition, mode=private, tracked=untracked)
    return [warning.replace(f"{folder}/", "") for warning in warnings]


@pytest.mark.parametrize(
    "value",
    [
        "changeme",
        "CHANGE-ME",
        "change_it!",
        "TODO",
        "todo: ask Kim",
        "FIXME",
        "xxx",
        "XXXXXX",
        "example",
        "password",
        "<password>",
        "<…>",
        "your-api-key",
        " secret ",
        "...",
        "***",
        "replace me",
        "placeholder.",
    ],
)
def test_placeholders(value: str, tmp_path: Path) -> None:
    definition = load_text(tmp_path, f"{TWO}[web]\nkey = '{value}'\n")
    assert found(definition, tmp_path) == ["secrets.toml:5:1: web.key: the value looks like a placeholder: write the real one"]


@pytest.mark.parametrize("value", ["xx", "passwords-are-here", "<a><b>", "example.org", "todos", "correct horse", "", "a<b>"])
def test_no_placeholders(value: str, tmp_path: Path) -> None:
    assert found(load_text(tmp_path, f"{TWO}[web]\nkey = '{value}'\n"), tmp_path) == []


def test_a_placeholder_in_a_group_is_told_once_and_a_public_one_never(tmp_path: Path) -> None:
    text = f"{TWO}[shared.g]\nclients=['*']\nkey='changeme'\npublic.note='changeme'\n"
    assert found(load_text(tmp_path, text), tmp_path) == [
        "secrets.toml:6:1: web.key: the value looks like a placeholder: write the real one"
    ]


def test_one_secret_in_two_places(tmp_path: Path) -> None:
    definition = load_text(tmp_path, f"{TWO}[web]\na='c4nary-secret'\n[worker]\nb='c4nary-secret'\nc='other-s3cret'\n")
    assert found(definition, tmp_path) == [
        "secrets.toml:5:1: web.a, worker.b are the same secret: give each its own, or put it into a shared group"
    ]


def test_one_file_in_two_places(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff" * 40)
    (warning,) = found(load_text(tmp_path, f"{TWO}[web]\na={{from_file='key'}}\n[worker]\na={{from_file='key'}}\n"), tmp_path)
    assert "web.a, worker.a are the same secret" in warning


def test_one_secret_for_many(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(9)]
    sections = "".join(f"[{name}]\nkey='c4nary-secret'\n" for name in names)
    (warning,) = found(load_text(tmp_path, clients(*names) + sections), tmp_path)
    assert "c0.key, c1.key, c2.key, c3.key, c4.key and 4 more are the same secret" in warning


@pytest.mark.parametrize(
    "value",
    [
        "'short1'",
        "'production'",
        "'localhost'",
        "'db.internal:5432'",
        "'10.0.0.12'",
        "'https://example.org/a'",
        "'/var/lib/shop'",
        "'12345678901'",
        "12345678901",
        "true",
        "2026-01-15",
    ],
)
def test_what_is_common_is_no_shared_secret(value: str, tmp_path: Path) -> None:
    assert found(load_text(tmp_path, f"{TWO}[web]\na={value}\n[worker]\na={value}\n"), tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "[shared.g]\nclients=['*']\na='c4nary-secret'\n",
        "[shared.g]\nclients=['*']\na={from_template='{b}-c4nary'}\nb='nobody'\n[web]\nb='somebody'\n[worker]\nb='somebody'\n",
        "[web]\na='c4nary-secret'\nb='c4nary-secret'\n",
        "[web.public]\na='c4nary-shown'\n[worker.public]\na='c4nary-shown'\n",
    ],
    ids=["a group's", "a group's template", "one client's", "public"],
)
def test_what_is_shared_on_purpose(text: str, tmp_path: Path) -> None:
    assert found(load_text(tmp_path, TWO + text), tmp_path) == []


REFUSED = "`coffer-client run` and `--format shell` refuse that: rename it, or leave it out there with --except"


@pytest.mark.parametrize(
    ("own", "warning"),
    [
        ("9lives='canary'", "secrets.toml:5:1: web: '9lives' gives '9lives', which is not a name for a variable"),
        ("public.9lives=true", "secrets.toml:5:8: web: '9lives' gives '9lives', which is not a name for a variable"),
        (
            "'tls/web.key'={from_file='key'}",
            "secrets.toml:5:1: web: 'tls/web.key' gives 'tls/web_key', which is not a name for a variable",
        ),
        ("a='x'\nb='canary\0'", "secrets.toml:6:1: web: 'b' has a NUL in its value"),
        ("a='x'\n'smtp.host'='y'\nsmtp-host='z'", "secrets.toml:6:1: web: 'smtp.host' and 'smtp-host' would all be smtp_host"),
    ],
)
def test_what_no_environment_takes(own: str, warning: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"canary")
    text = own.replace("'canary\0'", '"canary\\u0000"')
    (found_warning,) = found(load_text(tmp_path, f"{TWO}[web]\n{text}\n"), tmp_path)
    assert found_warning == f"{warning}; {REFUSED}"
    assert "canary" not in found_warning


@pytest.mark.parametrize(
    ("own", "warning"),
    [
        (
            "UID='canary'",
            "secrets.toml:5:1: web: 'UID' gives 'UID', which a shell uses for itself; `--format shell` refuses that: rename it",
        ),
        (
            "public.path='canary'",
            "secrets.toml:5:8: web: 'path' gives 'path', which a shell uses for itself; `--format shell` refuses that: rename it",
        ),
        (
            "'LD.PRELOAD'='canary'",
            "secrets.toml:5:1: web: 'LD.PRELOAD' gives 'LD_PRELOAD', which changes how programs run: rename it, unless that is intended",
        ),
    ],
)
def test_names_that_are_taken(own: str, warning: str, tmp_path: Path) -> None:
    assert found(load_text(tmp_path, f"{clients('web', 'two')}[web]\n{own}\n"), tmp_path) == [warning]


def test_what_no_environment_takes_from_a_group_is_told_once(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(9)]
    group = "[shared.g]\nclients=['*']\n1st='x'\n'db.url'='y'\n"
    definition = load_text(tmp_path, f"{clients(*names)}{group}[c3]\ndb-url='z'\n[c4]\n2nd='x'\n")
    line = len(names) + 4
    assert found(definition, tmp_path) == [
        f"secrets.toml:{line}:1: c0, c1, c2, c3, c4 and 4 more: '1st' gives '1st', which is not a name for a variable; {REFUSED}",
        f"secrets.toml:{line + 3}:1: c3: 'db-url' and 'db.url' would all be db_url; {REFUSED}",
        f"secrets.toml:{line + 5}:1: c4: '2nd' gives '2nd', which is not a name for a variable; {REFUSED}",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[web]\n'db.url-2'='x'\n_a=1\nB={from_file='key'}\nb='y'\n",
        "[web]\n'db.url'='x'\n[worker]\ndb-url='y'\n",
    ],
    ids=["names", "two clients"],
)
def test_what_an_environment_takes(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\0\xff")
    assert found(load_text(tmp_path, TWO + text), tmp_path) == []


@pytest.mark.parametrize(
    ("mode", "readable"), [(0o600, False), (0o400, False), (0o700, False), (0o640, True), (0o644, True), (0o604, True)]
)
def test_readable_files(mode: int, readable: bool, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    definition = load_text(tmp_path, f"{TWO}[web]\na={{from_file='key'}}\n")
    (tmp_path / "key").chmod(mode)
    warnings = lint(definition, tracked=untracked)
    expected = (f"{tmp_path / 'key'} holds secrets, and other users can read it (mode {mode:04o}): chmod 600 it",)
    assert warnings == (expected if readable else ())


def test_the_mode_of_a_file_that_is_gone(tmp_path: Path) -> None:
    assert file_mode(tmp_path / "gone") == 0


def test_a_definition_without_secrets_may_be_public(tmp_path: Path) -> None:
    definition = load_text(tmp_path, f"{TWO}[web]\na={{from_env='X'}}\n[web.public]\nb=1\n", environ={"X": "x"})
    assert lint(definition, mode=lambda _: 0o644, tracked=frozenset) == ()


def test_what_git_tracks_is_told(tmp_path: Path) -> None:
    definition = load_text(tmp_path, f"{TWO}[web]\na='x'\n")
    (warning,) = lint(definition, mode=private, tracked=frozenset)
    assert warning.startswith(f"{tmp_path / 'secrets.toml'} holds secrets in the clear, and git tracks it: ")


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_git_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    names = [tmp_path / name for name in ("in.toml", "out.toml", "*.toml")]
    for path in names:
        path.write_text("")
    subprocess.run(["git", "-C", str(tmp_path), "add", "in.toml"], check=True)
    assert git_tracked(names) == {tmp_path / "in.toml"}
    monkeypatch.chdir(tmp_path)
    assert git_tracked([Path("in.toml")]) == {Path("in.toml")}


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_tracked([tmp_path / "a"]) == frozenset()


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o644])
def test_a_definition_that_other_users_can_read_is_refused(bits: int, tmp_path: Path) -> None:
    folder = tmp_path / "my folder"
    folder.mkdir()
    definition = load_text(folder, f"{TWO}[web]\nkey = 'canary'\n")
    with pytest.raises(ReadableDefinitionError, match=f"other users can read it .mode 0{bits:o}.: nothing was changed") as refused:
        refuse_readable(definition, mode=lambda path: bits)
    assert refused.value.hint is not None
    assert refused.value.hint.splitlines()[0] == f"chmod 600 '{folder}/secrets.toml'"
    assert "canary" not in f"{refused.value}{refused.value.hint}"


@pytest.mark.parametrize(("text", "bits"), [("[web]\nkey = 'x'\n", 0o600), ("[web.public]\nkey = 'x'\n", 0o644)])
def test_other_definitions_are_not_refused(text: str, bits: int, tmp_path: Path) -> None:
    refuse_readable(load_text(tmp_path, f"{TWO}{text}"), mode=lambda path: bits)
