from __future__ import annotations

import stat
from pathlib import Path

import pytest
import tomli
import typer
from typer.testing import CliRunner

from coffer_companion.cli.imports import import_secrets
from coffer_companion.errors import ImportingError
from tests.companion.conftest import Operator

from .command_lines import Run, good

app = typer.Typer()
app.command()(import_secrets)


def run(*arguments: str | Path, stdin: str | None = None) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    if isinstance(done.exception, ImportingError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    return tmp_path / "secrets.toml"


def client(definition: Path, name: str = "web") -> object:
    return tomli.loads(definition.read_text())[name]


def test_a_dotenv_file_into_a_new_definition(tmp_path: Path, definition: Path) -> None:
    (tmp_path / ".env").write_text('DB_URL="postgres://x y"\n# a comment\nexport PORT=25\n')
    output = run("dotenv", definition, "web", tmp_path / ".env")
    assert client(definition) == {"DB_URL": "postgres://x y", "PORT": "25"}
    assert "postgres" not in output
    assert stat.S_IMODE(definition.stat().st_mode) == 0o600


def test_json_from_standard_input_into_a_definition_whose_comments_stay(definition: Path) -> None:
    definition.write_text('# ours\n[clients]\n[web] # the site\nold = "x" # keep\n')
    run("json", definition, "web", "-", stdin='{"smtp": {"port": 25, "tls": true}}')
    assert client(definition) == {"old": "x", "smtp": {"port": 25, "tls": True}}
    text = definition.read_text()
    assert "# ours" in text
    assert "# the site" in text
    assert "# keep" in text


def test_what_sops_prints(definition: Path) -> None:
    run("sops", definition, "web", "-", stdin='{"token": "abc", "sops": {"version": "3"}}')
    assert client(definition) == {"token": "abc"}


def test_a_folder(tmp_path: Path, definition: Path) -> None:
    folder = tmp_path / "run-secrets"
    folder.mkdir()
    (folder / "token").write_text("abc\n")
    (folder / "key.bin").write_bytes(b"\xff\x00")
    run("folder", definition, "web", folder)
    assert client(definition) == {"token": "abc\n", "key.bin": {"from_file": "run-secrets/key.bin"}}


def test_the_environment_by_prefix(definition: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "abc")
    run("environment", definition, "web", "--only", "SHOP_")
    assert client(definition) == {"SHOP_TOKEN": "abc"}


def test_a_key_that_is_there_already_is_written_over_only_where_it_is_asked(definition: Path) -> None:
    run("json", definition, "web", "-", stdin='{"token": "one"}')
    before = definition.read_text()
    with pytest.raises(ImportingError, match="--replace"):
        run("json", definition, "web", "-", stdin='{"token": "two"}')
    assert definition.read_text() == before
    run("json", definition, "web", "-", "--replace", stdin='{"token": "two"}')
    assert client(definition) == {"token": "two"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["environment", "f", "web", "path"], "no PATH"),
        (["environment", "f", "web"], "--only"),
        (["json", "f", "web"], "PATH"),
        (["json", "f", "web", "-", "--only", "X"], "--only"),
        (["json", "f", "web", "-"], "^-: "),
    ],
)
def test_arguments_that_do_not_fit(arguments: list[str], says: str) -> None:
    with pytest.raises(ImportingError, match=says):
        run(*arguments, stdin="[1]")


def test_import_adds_to_a_definition(operator: Operator, run: Run) -> None:
    file = operator.write("[web]\na = 1", "web")
    (operator.home / "web.env").write_text("TOKEN=canary\n")
    done = good(run("import", "dotenv", file, "web", operator.home / "web.env"))
    assert "1 values for web" in done.err
    assert 'TOKEN = "canary"' in file.read_text()
    assert run("import", "dotenv", file, "web", operator.home / "none.env").code in (1, 2)
    assert run("import", "dotenv", file, "web", operator.home / "web.env").code == 2


def test_a_byte_order_mark_is_skipped_in_both_files(tmp_path: Path, definition: Path) -> None:
    definition.write_bytes("\ufeff[web]\nold = 1\n".encode())
    (tmp_path / ".env").write_bytes("\ufeffPORT=25\r\nHOST=a\r\n".encode())
    run("dotenv", definition, "web", tmp_path / ".env")
    assert client(definition) == {"old": 1, "PORT": "25", "HOST": "a"}
    run("json", definition, "web", "-", stdin='\ufeff{"key": 1}')
    assert client(definition) == {"old": 1, "PORT": "25", "HOST": "a", "key": 1}


def test_lines_keep_their_ends(tmp_path: Path, definition: Path) -> None:
    definition.write_bytes(b"# mine\r\n[web]\r\nold = 1\r\n")
    (tmp_path / ".env").write_text("PORT=25\n")
    run("dotenv", definition, "web", tmp_path / ".env")
    assert definition.read_bytes().startswith(b"# mine\r\n[web]\r\nold = 1\r\n")
    assert client(definition) == {"old": 1, "PORT": "25"}


def test_a_link_to_a_definition_stays_one(tmp_path: Path, definition: Path) -> None:
    (tmp_path / "repository").mkdir()
    definition.symlink_to("repository/secrets.toml")
    (tmp_path / ".env").write_text("PORT=25\n")
    run("dotenv", definition, "web", tmp_path / ".env")
    assert definition.is_symlink()
    assert client(tmp_path / "repository" / "secrets.toml") == {"PORT": "25"}


def test_a_home_that_the_shell_does_not_expand_is_expanded(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / ".env").write_text("PORT=25\n")
    run("dotenv", "~/new/secrets.toml", "web", tmp_path / ".env")
    assert client(home / "new" / "secrets.toml") == {"PORT": "25"}
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(("kind", "name"), [("dotenv", ".env"), ("folder", "folder")])
def test_a_source_that_other_users_can_read_is_told(kind: str, name: str, tmp_path: Path, definition: Path) -> None:
    source = tmp_path / name
    if kind == "folder":
        source.mkdir()
    file = source / "TOKEN" if kind == "folder" else source
    file.write_text("TOKEN=canary")
    file.chmod(0o640)
    output = run(kind, definition, "web", source)
    assert f"warning: {file} holds secrets, and other users can read it (mode 0640): chmod 600 it" in output
    assert "canary" not in output
    file.chmod(0o600)
    definition.unlink()
    assert "warning" not in run(kind, definition, "web", source)
