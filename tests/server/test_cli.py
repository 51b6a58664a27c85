"""The command line, in this process."""

from __future__ import annotations

import json
import os
import pwd
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coffer_common import keyfile
from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.identity import format_id
from coffer_server.cli import app
from coffer_server.state import StateFolder

from .publishing import ISSUED, Author, identity

KEY = identity(1).public()
TEXT = identity(1).public_text()
Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Runs `coffer-server` with arguments."""

    def invoke(*arguments: str | Path, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def folder(tmp_path: Path, run: Run) -> Path:
    """A new server's state folder."""
    made = tmp_path / "state"
    assert run("init", made).exit_code == 0
    return made


# -------------------------------------------------------------------------------------------------------------- init


def test_init(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "deep" / "a state"
    result = run("init", folder)
    assert result.exit_code == 0
    own = keyfile.read(folder / "identity")
    address = ServerAddress.from_text(result.stdout)
    assert address == ServerAddress(server=own.id(), hosts=(Host(name="127.0.0.1"),))
    assert f"coffer-companion init '{address}'" in result.stderr
    assert f"coffer-server run '{folder}'" in result.stderr
    assert "other machines cannot reach 127.0.0.1" in result.stderr
    modes = {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes.keys() == {"identity", "identity.pub", "server.toml", "coffer.sqlite3"}
    assert (modes["identity"], modes["coffer.sqlite3"]) == ("0o600", "0o600")
    assert (folder / "identity.pub").read_text() == own.public_text() + "\n"


def test_init_with_a_host(tmp_path: Path, run: Run) -> None:
    result = run("init", tmp_path / "s", "--host", "secrets.example.org:443")
    assert result.stdout.strip().endswith("@secrets.example.org:443")
    assert "cannot reach" not in result.stderr
    assert StateFolder(tmp_path / "s").settings().listen == (Host(name="0.0.0.0", port=443), Host(name="::", port=443))


def test_init_again_changes_nothing(folder: Path, run: Run) -> None:
    before = (folder / "identity").read_bytes()
    result = run("init", folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"coffer-server id {folder}" in result.stderr
    assert (folder / "identity").read_bytes() == before


def test_init_in_a_folder_with_something_in_it(tmp_path: Path, run: Run) -> None:
    (tmp_path / "mine").write_text("x")
    result = run("init", tmp_path)
    assert result.exit_code == 1
    assert "is not empty" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_init_where_a_folder_cannot_be(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("x")
    result = run("init", tmp_path / "file" / "state")
    assert result.exit_code == 1
    assert "cannot create" in result.stderr


@pytest.mark.parametrize(("host", "code"), [("a b", 1), ("secrets.example.org:0", 1), ("", 2)])
def test_init_with_a_wrong_host(tmp_path: Path, run: Run, host: str, code: int) -> None:
    assert run("init", tmp_path / "s", "--host", host).exit_code == code
    assert not (tmp_path / "s").exists()


# ---------------------------------------------------------------------------------------------------------------- id


def test_id(folder: Path, run: Run) -> None:
    result = run("id", folder)
    own = keyfile.read(folder / "identity")
    for server_id in (own.id(), own.plain_id()):
        assert format_id(server_id) in result.stdout
        assert str(ServerAddress(server=server_id, hosts=(Host(name="127.0.0.1"),))) in result.stdout
    assert "other machines cannot reach" in result.stderr


def test_id_of_a_server_without_suite_0(folder: Path, run: Run) -> None:
    (folder / "server.toml").write_text('suites = [1]\nadvertise = "secrets.example.org"\n')
    result = run("id", folder)
    assert "suite 0" not in result.stdout
    assert "@secrets.example.org\n" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("host", ["localhost", "127.1.2.3", "[::1]", "0.0.0.0", "[::]"])
def test_addresses_that_others_cannot_reach(folder: Path, run: Run, host: str) -> None:
    (folder / "server.toml").write_text(f'advertise = "{host}"\n')
    assert "other machines cannot reach" in run("id", folder).stderr


# -------------------------------------------------------------------------------------------------------- publishers


def listed(run: Run, folder: Path) -> list[tuple[str, str | None, str]]:
    result = run("publisher", "list", folder, "--json")
    assert result.exit_code == 0
    return [(item["coffer"], item["name"], item["publisher"]) for item in json.loads(result.stdout)]


def test_publishers(folder: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "publisher.key.pub"
    file.write_text(f"# mine\n{identity(2).public_text()}\n")
    assert listed(run, folder) == []
    assert "coffer-server publisher add" in run("publisher", "list", folder).stderr
    assert run("publisher", "add", folder, "web-shop", TEXT, "--name", "laptop").exit_code == 0
    assert run("publisher", "add", folder, "web-shop", file).exit_code == 0
    assert run("publisher", "add", folder, "billing", "-", stdin=identity(3).public_text() + "\n").exit_code == 0
    first = ("web-shop", "laptop", format_id(KEY.sign))
    second = ("web-shop", None, format_id(identity(2).publisher_key()))
    assert listed(run, folder)[0] == ("billing", None, format_id(identity(3).publisher_key()))
    assert set(listed(run, folder)[1:]) == {first, second}
    text = run("publisher", "list", folder).stdout
    assert f"web-shop  laptop  {KEY.fingerprint_text()}" in text
    assert run("publisher", "remove", folder, "web-shop", "laptop").exit_code == 0
    assert run("publisher", "remove", folder, "billing", identity(3).public_text()).exit_code == 0
    assert listed(run, folder) == [second]


def test_adding_twice_says_so(folder: Path, run: Run) -> None:
    run("publisher", "add", folder, "web-shop", TEXT)
    result = run("publisher", "add", folder, "web-shop", TEXT)
    assert result.exit_code == 0
    assert "is already a publisher of web-shop" in result.stderr


def test_every_text_that_is_printed_for_a_publisher_removes_it(folder: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "my key.pub"
    file.write_text(f"# mine\n{TEXT}\n")
    label = f"laptop ({KEY.fingerprint_text()})"
    run("publisher", "add", folder, "web-shop", identity(2).public_text(), "--name", "desk")
    others = listed(run, folder)
    keys = (KEY.fingerprint_text(), format_id(KEY.sign), format_id(KEY.id), TEXT)
    for text in ("laptop", "lap", label, *keys, *(key[:15] for key in keys), format_id(KEY.id).lower(), file):
        run("publisher", "add", folder, "web-shop", TEXT, "--name", "laptop")
        assert run("publisher", "remove", folder, "web-shop", text).stderr == f"{label} may no longer publish web-shop\n"
        assert listed(run, folder) == others
    run("publisher", "add", folder, "web-shop", TEXT, "--name", "laptop")
    assert run("publisher", "remove", folder, "web-shop", "-", stdin=f"{TEXT}\n").exit_code == 0


def test_a_beginning_of_two_publishers_lists_both(folder: Path, run: Run) -> None:
    run("publisher", "add", folder, "web-shop", TEXT, "--name", "laptop-1")
    run("publisher", "add", folder, "web-shop", identity(2).public_text(), "--name", "laptop-2")
    result = run("publisher", "remove", folder, "web-shop", "laptop")
    assert result.exit_code == 1
    second = identity(2).public().fingerprint_text()
    assert "'laptop' fits more than one: " in result.stderr
    for label in (f"laptop-1 ({KEY.fingerprint_text()})", f"laptop-2 ({second})"):
        assert label in result.stderr
    assert len(listed(run, folder)) == 2


def test_adding_a_client_of_the_coffer_says_so(folder: Path, run: Run) -> None:
    author = Author()
    store = StateFolder(folder).store()
    store.add_publisher(coffer="web-shop", key=author.key, name=None, now=ISSUED)
    release = author.first({identity(7).id(): b"blob"})
    store.commit(coffer="web-shop", publisher=author.key.id, signed=release.signed, changes=release.changes, now=ISSUED)
    store.close()
    result = run("publisher", "add", folder, "web-shop", identity(7).public_text())
    assert result.exit_code == 0
    assert "warning: the newest release of web-shop has this key already, as a client or as a publisher" in result.stderr
    assert "warning" not in run("publisher", "add", folder, "web-shop", identity(8).public_text()).stderr


def test_a_key_of_another_coffer(folder: Path, run: Run) -> None:
    run("publisher", "add", folder, "web-shop", TEXT)
    result = run("publisher", "add", folder, "billing", TEXT)
    assert result.exit_code == 1
    assert "coffer-companion keygen PATH" in result.stderr


def test_removing_who_does_not_publish(folder: Path, run: Run) -> None:
    result = run("publisher", "remove", folder, "web-shop", TEXT)
    assert result.exit_code == 1
    assert "coffer-server publisher list" in result.stderr


def test_blocking_clients(folder: Path, run: Run) -> None:
    client, publisher = (format_id(key) for key in (identity(5).plain_id(), KEY.id))
    fingerprint = KEY.fingerprint_text()
    run("publisher", "add", folder, "web-shop", TEXT)
    assert "no client is blocked" in run("client", "list", folder).stderr
    result = run("client", "block", folder, client.lower())
    assert (result.exit_code, result.stderr) == (0, f"{client} is now blocked; this server does not know the id yet\n")
    assert "is already blocked" in run("client", "block", folder, client).stderr
    assert f"{fingerprint} is now blocked; its shard stays in web-shop" in run("client", "block", folder, publisher).stderr
    listed = json.loads(run("client", "list", folder, "--json").stdout)
    assert {item["id"] for item in listed} == {client, publisher}
    assert all(abs(item["blocked"] - time.time()) < 60 for item in listed)
    assert f"{client}  20" in run("client", "list", folder).stdout
    assert run("client", "unblock", folder, client).stderr == f"{client} is no longer blocked\n"
    assert [item["id"] for item in json.loads(run("client", "list", folder, "--json").stdout)] == [publisher]
    kinds = [line.split("  ")[2:] for line in run("log", folder).stdout.splitlines()]
    assert kinds[1:] == [["client-blocked", client], ["client-blocked", fingerprint], ["client-unblocked", client]]
    assert [json.loads(line)["id"] for line in run("log", folder, "--json").stdout.splitlines()[1:]] == [client, publisher, client]


def test_adding_a_publisher_that_is_blocked_says_so(folder: Path, run: Run) -> None:
    publisher = format_id(KEY.id)
    run("client", "block", folder, publisher)
    # The second time it is a publisher already, and is still blocked.
    for said in ("is now a publisher of web-shop", "is already a publisher of web-shop"):
        result = run("publisher", "add", folder, "web-shop", TEXT)
        assert result.exit_code == 0
        assert f"{said}\ncoffer-server: warning: the publisher has been blocked since 20" in result.stderr
        assert f"\nhint: coffer-server client unblock {folder} {KEY.fingerprint_text()}\n" in result.stderr
    run("client", "unblock", folder, publisher)
    assert "blocked" not in run("publisher", "add", folder, "web-shop", TEXT).stderr


def test_what_cannot_be_blocked(folder: Path, run: Run) -> None:
    run("publisher", "add", folder, "web-shop", TEXT, "--name", "laptop")
    # Names are the publishers' own; which client has which name the server does not know.
    for text in ("", "web", "laptop", TEXT[:-1], format_id(bytes(32)), format_id(identity(5).id())[:-1], "nowhere.pub"):
        result = run("client", "block", folder, text)
        assert result.exit_code == 1, text
        assert result.stderr.startswith("coffer-server: ")
    secret = identity(1).secret_text()
    assert secret[20:] not in run("client", "block", folder, secret).output
    result = run("client", "unblock", folder, format_id(KEY.id))
    assert result.exit_code == 1
    assert f"\nhint: list the blocked ids with: coffer-server client list {folder}\n" in result.stderr
    assert json.loads(run("client", "list", folder, "--json").stdout) == []


def test_everything_that_is_printed_for_a_client_blocks_it(folder: Path, run: Run, tmp_path: Path) -> None:
    web, file = identity(6), tmp_path / "web.key.pub"
    file.write_text(f"# web\n{web.public_text()}\n")
    id_ = format_id(web.id())
    for text in (id_, id_.lower(), web.public_text(), file):
        assert run("client", "block", folder, text).exit_code == 0
        # What the server knows may be named by its beginning.
        beginning = web.public_text()[:20] if text == file else id_[:8]
        assert run("client", "unblock", folder, beginning).stderr == f"{id_} is no longer blocked\n"
    bare = format_id(web.plain_id())
    assert run("client", "block", folder, "-", stdin=f"{bare}\n").stderr.startswith(f"{bare} is now blocked")


def test_a_publisher_is_blocked_by_all_that_is_printed_for_it(folder: Path, run: Run) -> None:
    run("publisher", "add", folder, "web-shop", TEXT, "--name", "laptop")
    label = f"laptop ({KEY.fingerprint_text()})"
    for text in (KEY.fingerprint_text(), KEY.fingerprint_text()[:9], format_id(KEY.sign), format_id(KEY.id), TEXT):
        assert run("client", "block", folder, text).stderr.startswith(f"{label} is now blocked")
        assert run("client", "list", folder).stdout.startswith(f"{label}  20")
        assert run("client", "unblock", folder, text).stderr == f"{label} is no longer blocked\n"
    assert label in run("log", folder).stdout


@pytest.mark.parametrize(("name", "code"), [("Web Shop", 1), ("a" * 65, 1), ("", 2)])
def test_names_are_checked(folder: Path, run: Run, name: str, code: int) -> None:
    assert run("publisher", "add", folder, name, TEXT).exit_code == 1
    assert run("publisher", "add", folder, "web-shop", TEXT, "--name", name).exit_code == code


def test_wrong_keys(folder: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "empty.pub"
    file.write_text("")
    for key in (TEXT[:-1], "nowhere.pub", file, format_id(KEY.id), tmp_path):
        result = run("publisher", "add", folder, "web-shop", key)
        assert result.exit_code == 1
        assert result.stderr.startswith("coffer-server: ")
    assert listed(run, folder) == []


def test_a_secret_given_for_a_key_is_not_repeated(folder: Path, run: Run, tmp_path: Path) -> None:
    secret = identity(1).secret_text()
    file = tmp_path / "publisher.key"
    file.write_text(identity(1).file_text())
    for key in (secret, file):
        result = run("publisher", "add", folder, "web-shop", key)
        assert result.exit_code == 1
        assert secret[20:] not in result.output


def test_another_user_is_shown_the_sudo_line(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    owner = pwd.getpwuid(os.getuid()).pw_name
    for arguments in (
        ["publisher", "add", str(folder), "web-shop", "my key.pub", "--name", "laptop"],
        ["publisher", "remove", str(folder), "web-shop", "laptop"],
        ["publisher", "list", str(folder)],
        ["client", "block", str(folder), format_id(KEY.id)],
        ["client", "unblock", str(folder), format_id(KEY.id)],
        ["client", "list", str(folder), "--json"],
        ["run", str(folder), "--listen", "127.0.0.1:0"],
        ["id", str(folder)],
        ["health", str(folder), "--json"],
    ):
        result = run(*arguments)
        quoted = " ".join(f"'{word}'" if " " in word else word for word in arguments)
        assert result.exit_code == 1
        assert f"\nhint: sudo -u {owner} coffer-server {quoted}\n" in result.stderr


# ------------------------------------------------------------------------------------------------------------- health


def test_the_health_of_a_server_that_does_not_run(folder: Path, run: Run) -> None:
    result = run("health", folder)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"coffer-server: no server runs on {folder}" in result.stderr
    result = run("health", folder, "--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (3, "not serving")


# --------------------------------------------------------------------------------------------------------- the folder


@pytest.mark.parametrize("command", [["run"], ["id"], ["publisher", "list"], ["health"]])
def test_a_folder_that_is_not_a_servers(run: Run, tmp_path: Path, command: list[str]) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        result = run(*command, folder)
        assert result.exit_code == 1
        assert f"coffer-server init {folder}" in result.stderr


def test_an_identity_that_others_can_read(folder: Path, run: Run) -> None:
    (folder / "identity").chmod(0o640)
    result = run("run", folder)
    assert result.exit_code == 1
    assert f"\nhint: chmod 600 {folder}/identity\n" in result.stderr


def test_a_public_key_that_is_missing_is_made_again(folder: Path, run: Run) -> None:
    text = (folder / "identity.pub").read_text()
    (folder / "identity.pub").unlink()
    assert run("id", folder).exit_code == 0
    assert (folder / "identity.pub").read_text() == text


def test_a_home_that_the_shell_does_not_expand_is_expanded(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("init", "~/one").exit_code == 0
    assert run("init", tmp_path / "two", "--identity=~/one/identity").exit_code == 0
    assert keyfile.read(tmp_path / "one" / "identity") == keyfile.read(tmp_path / "two" / "identity")
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("change", [lambda text: f"\ufeff{text}", lambda text: text.replace("\n", "\r\n")])
def test_a_byte_order_mark_and_other_line_ends_are_no_flaw(folder: Path, run: Run, change: Callable[[str], str]) -> None:
    settings = (folder / "server.toml").read_text() + 'advertise = "db.example:7"\n'
    key = folder.parent / "publisher.pub"
    for path, text in ((folder / "server.toml", settings), (key, f"# a publisher\n{identity(1).public_text()}\n")):
        path.write_bytes(change(text).encode())
    assert "db.example:7" in run("id", folder).stdout
    assert run("publisher", "add", folder, "shop", key).exit_code == 0
    assert "already a publisher" in run("publisher", "add", folder, "shop", "-", stdin=change(key.read_text().lstrip("\ufeff"))).stderr


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"listen = 'x\xe9'", "server.toml, line 1, column 12: the file is not text in UTF-8: save it as UTF-8"),
        (b"#" * 70_000, "server.toml: the file is larger than 65536 bytes: check its name"),
    ],
)
def test_settings_that_are_no_text_of_ours(folder: Path, run: Run, data: bytes, reason: str) -> None:
    (folder / "server.toml").write_bytes(data)
    result = run("id", folder)
    assert (result.exit_code, result.stderr) == (1, f"coffer-server: {folder}/{reason}\n")


def test_a_folder_that_others_can_access(folder: Path, run: Run) -> None:
    folder.chmod(0o750)
    result = run("run", folder)
    assert result.exit_code == 1
    assert f"\nhint: chmod 700 {folder}\n" in result.stderr


def test_an_identity_that_is_damaged(folder: Path, run: Run) -> None:
    text = (folder / "identity").read_text()
    for damaged in (b"", b"\xff", text[:-3].encode()):
        (folder / "identity").write_bytes(damaged)
        result = run("run", folder)
        assert result.exit_code == 1
        assert text.splitlines()[-1][20:40] not in result.output


def test_settings_that_cannot_be_used(folder: Path, run: Run) -> None:
    (folder / "server.toml").write_text("max_conections = 1\n")
    result = run("run", folder)
    assert result.exit_code == 1
    assert f"{folder}/server.toml: unknown key 'max_conections': did you mean 'max_connections'?" in result.stderr


def test_a_database_that_cannot_be_used(folder: Path, run: Run) -> None:
    (folder / "coffer.sqlite3").write_bytes(b"not a database" * 1000)
    result = run("publisher", "list", folder)
    assert result.exit_code == 1
    assert f"{folder}/coffer.sqlite3: the database is damaged" in result.stderr


def test_usage(run: Run) -> None:
    assert run("init").exit_code == 2
    assert run("publisher", "add").exit_code == 2
    wrong = run("no-such-command")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr == "coffer-server: no such command 'no-such-command'\nhint: `coffer-server --help` lists the commands\n"
    assert run("--help").exit_code == 0
    assert run("publisher", "add", "-h").stdout == run("publisher", "add", "--help").stdout
