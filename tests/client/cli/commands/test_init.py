"""`coffer-client init`."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from coffer_client.cli import main as cli
from coffer_client.config.credential import Credential
from coffer_common import keyfile
from coffer_protocol.address import ServerAddress
from coffer_protocol.message import KeyNotFound

from ...fake_server import FakeServer, Peer, address_of, answering, giving, giving_in_turn, serving, unused_host

SECRETS = {"port": 5432}
UNKNOWN = answering(lambda hello: KeyNotFound(client=hello.client))
Read = pytest.CaptureFixture[str]


@pytest.fixture
def config(home: Path) -> Path:
    return home / ".config" / "coffer" / "client.toml"


@pytest.fixture
def key(home: Path) -> Path:
    return home / ".config" / "coffer" / "client.key"


def written(config: Path) -> dict[str, object]:
    return tomllib.loads(config.read_text())


def test_the_first_time_the_operator_has_to_add_the_client(config: Path, key: Path, capfd: Read) -> None:
    with FakeServer(UNKNOWN) as server:
        assert cli.run(["init", str(server.address())]) == 0
        assert written(config) == {"server": str(server.address())}
    out, err = capfd.readouterr()
    assert out == f"{Credential(identity=keyfile.read(key)).clients_line()}\n"
    assert "does not know this client yet" in err
    assert str(key) in err
    assert str(config) in err


def test_the_line_for_the_operator_has_the_name_that_was_chosen(key: Path, capfd: Read) -> None:
    with FakeServer(UNKNOWN) as server:
        assert cli.run(["init", "--name", "web", str(server.address())]) == 0
    out, _ = capfd.readouterr()
    assert out == f'web = "{Credential(identity=keyfile.read(key)).public_text()}"\n'


@pytest.mark.parametrize("name", ["Web", "web 1", "x" * 65])
def test_a_name_that_no_definition_could_have_makes_nothing(name: str, config: Path, key: Path, capfd: Read) -> None:
    assert cli.run(["init", "--name", name, str(address_of(unused_host()))]) == 2
    assert f"--name: client '{name}': expected a name of 1 to 64 characters" in capfd.readouterr().err
    assert not config.exists()
    assert not key.exists()


def test_the_second_time_it_works_and_nothing_is_made_anew(config: Path, key: Path, capfd: Read) -> None:
    def knowing(peer: Peer) -> None:
        serving(keyfile.read_as(Credential.from_text, key), SECRETS)(peer)

    with FakeServer(giving_in_turn(UNKNOWN, knowing)) as server:
        assert cli.run(["init", str(server.address())]) == 0
        made = (key.read_bytes(), config.read_bytes())
        capfd.readouterr()
        assert cli.run(["init", str(server.address())]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "it works: release 7 of 'shop' verifies; secrets for this client: 1" in err
    assert (key.read_bytes(), config.read_bytes()) == made


def test_what_it_writes_is_what_get_finds(config: Path, key: Path, capfd: Read) -> None:
    credential = Credential(identity=keyfile.create(key))
    with FakeServer(serving(credential, SECRETS)) as server:
        assert cli.run(["init", str(server.address())]) == 0
        assert cli.run(["get", "port"]) == 0
    assert capfd.readouterr().out == "5432"


def test_a_bare_client_is_bare_afterwards(config: Path, key: Path, capfd: Read) -> None:
    with FakeServer(UNKNOWN) as server:
        assert cli.run(["init", "--bare", str(server.address(bare=True))]) == 0
    assert written(config)["bare"] is True
    out, _ = capfd.readouterr()
    assert out.endswith(f'= "{keyfile.read(key).plain_id().hex().upper()}"\n')


def test_where_no_server_can_be_asked_the_line_is_printed_all_the_same(config: Path, key: Path, capfd: Read) -> None:
    address = address_of(unused_host())
    assert cli.run(["init", str(address)]) == 3
    out, err = capfd.readouterr()
    assert out == f"{Credential(identity=keyfile.read(key)).clients_line()}\n"
    assert "Connection refused" in err
    assert written(config) == {"server": str(address)}


def test_what_does_not_verify_is_told(config: Path, capfd: Read) -> None:
    with FakeServer(giving(b"\x80")) as server:
        assert cli.run(["init", str(server.address())]) == 5
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("change", [lambda text: "x", lambda text: text.replace("/shop", ""), lambda text: text.partition("?")[0]])
def test_an_address_that_no_client_can_use_makes_nothing(home: Path, change: Callable[[str], str]) -> None:
    assert cli.run(["init", change(str(address_of(unused_host())))]) == 2
    assert list(home.iterdir()) == []


def test_another_address_is_not_written_over_without_force(config: Path, capfd: Read) -> None:
    one, other = (address_of(unused_host(), bare=bare) for bare in (False, True))
    assert cli.run(["init", str(one)]) == 3
    capfd.readouterr()
    assert cli.run(["init", str(other)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "--force" in err
    assert written(config) == {"server": str(one)}
    config.write_text(f"{config.read_text()}timeout = 2\n")
    assert cli.run(["init", str(other), "--force"]) == 3
    assert written(config) == {"server": str(other), "timeout": 2}


def test_the_same_address_of_another_day_keeps_the_higher_serial(config: Path) -> None:
    host = unused_host()
    for given, kept in ((4, 4), (6, 6), (5, 6), (0, 6)):
        assert cli.run(["init", str(address_of(host, serial=given))]) == 3
        assert ServerAddress.from_text(str(written(config)["server"])).serial == kept


def test_files_elsewhere_are_named_in_the_file_and_to_the_user(home: Path, key: Path, capfd: Read) -> None:
    os.umask(umask := os.umask(0))
    config, mine = home / "etc" / "client.toml", home / "etc" / "mine.key"
    with FakeServer(UNKNOWN) as server:
        assert cli.run(["init", "--config", str(config), "--identity", str(mine), str(server.address())]) == 0
        assert written(config) == {"server": str(server.address()), "identity": str(mine)}
    assert "name it with --config or COFFER_CONFIG" in capfd.readouterr().err
    assert not key.exists()
    # Others may read the one, and not the other.
    assert [stat.S_IMODE(path.stat().st_mode) for path in (config.parent, config, mine)] == [0o777 & ~umask, 0o644, 0o600]
    with FakeServer(serving(keyfile.read_as(Credential.from_text, mine), SECRETS)) as server:
        words = ["get", "port", "--config", str(config), "--server", str(server.address())]
        assert cli.run(words) == 0
    assert capfd.readouterr().out == "5432"


def test_an_identity_that_is_given_to_the_process_is_kept(
    config: Path, key: Path, monkeypatch: pytest.MonkeyPatch, capfd: Read, whole: Credential
) -> None:
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", whole.identity.secret_text())
    with FakeServer(serving(whole, SECRETS)) as server:
        assert cli.run(["init", str(server.address())]) == 0
    assert "the identity is the one in COFFER_IDENTITY_TEXT" in capfd.readouterr().err
    assert not key.exists()


def test_an_identity_that_cannot_be_used_stops_it(config: Path, key: Path, capfd: Read) -> None:
    keyfile.create(key)
    key.chmod(0o644)
    assert cli.run(["init", str(address_of(unused_host()))]) == 2
    assert f"{key}: other users can access it" in capfd.readouterr().err
    assert not config.exists()


def test_what_comes_before_the_file_is_told(config: Path, monkeypatch: pytest.MonkeyPatch, capfd: Read) -> None:
    monkeypatch.setenv("COFFER_SERVER", str(address_of(unused_host())))
    assert cli.run(["init", str(address_of(unused_host()))]) == 3
    assert "COFFER_SERVER takes precedence, and names another server" in capfd.readouterr().err


def test_no_place_for_it_is_told(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: Read) -> None:
    monkeypatch.setenv("COFFER_CONFIG", "/dev/null")
    assert cli.run(["init", str(address_of(unused_host()))]) == 2
    assert "name another file with --config PATH" in capfd.readouterr().err


def test_a_user_without_a_home_is_told_which_option_names_the_file(tmp_path: Path, homeless: Path, capfd: Read) -> None:
    address = str(address_of(unused_host()))
    assert cli.run(["init", address]) == 2
    no_home = "coffer-client: this user has no home folder: set HOME or XDG_CONFIG_HOME, or name"
    assert capfd.readouterr().err == f"{no_home} the configuration file with --config PATH\n"
    assert cli.run(["init", address, "--config", str(tmp_path / "client.toml")]) == 2
    assert capfd.readouterr().err == f"{no_home} the identity with --identity PATH\n"
    assert cli.run(["keygen"]) == 2
    assert capfd.readouterr().err == f"{no_home} the file to make: coffer-client keygen PATH\n"
    assert cli.run(["id"]) == 2
    assert capfd.readouterr().err == f"{no_home} the identity with --identity PATH, COFFER_IDENTITY or COFFER_IDENTITY_TEXT\n"
    assert cli.run(["config"]) == 0
    assert "identity   default  (not set)" in capfd.readouterr().out
    assert list(homeless.iterdir()) == []


def test_a_home_that_the_shell_does_not_expand_is_expanded(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Read
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with FakeServer(UNKNOWN) as server:
        assert cli.run(["init", str(server.address()), "--config=~/a/client.toml", "--identity=~/b/client.key"]) == 0
        monkeypatch.setenv("COFFER_STATE", "~/c")
        assert cli.run(["get", "port", "--config=~/a/client.toml"]) == 4
    assert (home / "a" / "client.toml").exists()
    assert (home / "b" / "client.key.pub").exists()
    assert list(folder.iterdir()) == []
    capfd.readouterr()


def test_a_public_key_that_is_missing_is_made_again(key: Path, config: Path, capfd: Read) -> None:
    text = keyfile.create(key).public_text()
    key.with_name("client.key.pub").unlink()
    with FakeServer(UNKNOWN) as server:
        assert cli.run(["init", str(server.address())]) == 0
    assert key.with_name("client.key.pub").read_text() == f"{text}\n"
    capfd.readouterr()


def test_a_secret_is_in_none_of_it(config: Path, key: Path, capfd: Read) -> None:
    with FakeServer(UNKNOWN) as server:
        assert cli.run(["init", str(server.address())]) == 0
    out, err = capfd.readouterr()
    assert "COFFER-SECRET-KEY" not in out + err + config.read_text()
