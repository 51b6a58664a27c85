from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coffer_client.config import settings
from coffer_client.config.credential import Credential
from coffer_client.errors import ConfigurationError
from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.release.trust import Trust
from tests.support import identity

from ..releases import PUBLISHER

WEB = identity("web")
ADDRESS = ServerAddress(
    server=identity("server").id(), hosts=(Host(name="coffer.example"),), coffer="shop", publishers=(PUBLISHER.publisher_key(),), serial=4
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.chmod(0o600)
    path.write_text(text)
    return path


def load(environment: dict[str, str], **arguments: str) -> settings.Settings:
    return settings.load(server=arguments.get("server"), identity=arguments.get("identity"), bare=False, environment=environment)


def test_arguments_come_before_the_environment(tmp_path: Path) -> None:
    other = write(tmp_path / "other.key", identity("worker").file_text())
    path = write(tmp_path / "client.key", WEB.file_text())
    environment = {"COFFER_SERVER": "coffer://nonsense", "COFFER_IDENTITY": str(other)}
    found = load(environment, server=str(ADDRESS), identity=str(path))
    assert found.address == ADDRESS
    assert found.credential == Credential(identity=WEB)


def test_a_path_comes_before_a_text_and_both_before_the_default(tmp_path: Path) -> None:
    path = write(tmp_path / "named.key", WEB.file_text())
    write(tmp_path / "config" / "coffer" / "client.key", identity("publisher").file_text())
    environment = {
        "COFFER_SERVER": str(ADDRESS),
        "COFFER_IDENTITY": str(path),
        "COFFER_IDENTITY_TEXT": identity("worker").secret_text(),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    found = []
    for taken in ("", "COFFER_IDENTITY", "COFFER_IDENTITY_TEXT"):
        environment.pop(taken, None)
        found.append(load(environment).credential.identity)
    assert found == [WEB, identity("worker"), identity("publisher")]


def test_empty_variables_are_as_none(tmp_path: Path) -> None:
    write(tmp_path / "coffer" / "client.key", WEB.file_text())
    environment = {"COFFER_SERVER": str(ADDRESS), "COFFER_IDENTITY": "", "COFFER_IDENTITY_TEXT": "", "COFFER_BARE": ""}
    assert load(environment | {"XDG_CONFIG_HOME": str(tmp_path)}).credential == Credential(identity=WEB)


def test_what_the_address_demands() -> None:
    assert settings.trust_of(ADDRESS) == Trust(coffer="shop", publishers=(PUBLISHER.publisher_key(),), lowest=4)


@pytest.mark.parametrize("environment", [{}, {"COFFER_SERVER": ""}])
def test_no_server_says_where_one_comes_from(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"COFFER_SERVER\nhint: ask your operator .* `coffer-companion address`"):
        load(environment)


@pytest.mark.parametrize(("cut", "missing"), [("/shop", "no coffer"), ("?", "no publisher")])
def test_an_address_without_coffer_or_publisher_is_not_used(cut: str, missing: str) -> None:
    text = str(ADDRESS).replace("/shop", "") if cut == "/shop" else str(ADDRESS).partition("?")[0]
    with pytest.raises(ConfigurationError, match=rf"names {missing}.*`coffer-companion address`"):
        load({"COFFER_SERVER": text})


@pytest.mark.parametrize(("arguments", "source"), [({"server": "x"}, "the server's address"), ({}, "COFFER_SERVER")])
def test_an_address_that_is_none_is_named_by_its_source(arguments: dict[str, str], source: str) -> None:
    with pytest.raises(KeyTextError, match=f"^{source}: "):
        load({"COFFER_SERVER": "y"}, **arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"max_stale": "7d"}, "max_stale: expected a timedelta, such as timedelta(days=7), got a str"),
        ({"max_stale": 3600}, "max_stale: expected a timedelta, such as timedelta(days=7), got an int"),
        ({"timeout_s": "3"}, "timeout_s: expected a number of seconds, got a str"),
        ({"timeout_s": timedelta(seconds=3)}, "timeout_s: expected a number of seconds, got a timedelta"),
        ({"timeout_s": True}, "timeout_s: expected a number of seconds, got a bool"),
        ({"server": b"coffer://"}, "server: expected an address as text or a ServerAddress, got a bytes"),
        ({"identity": b"COFFER-"}, "identity: expected the path of a file or an Identity, got a bytes"),
    ],
)
def test_an_argument_of_another_type_is_refused_before_anything_is_asked(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(sentence)}$"):
        settings.load(**dict[str, Any](server=ADDRESS, identity=WEB, bare=False, environment={}) | arguments)


def test_no_identity_says_what_makes_one(tmp_path: Path) -> None:
    environment = {"COFFER_SERVER": str(ADDRESS), "XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(ConfigurationError, match=rf"{tmp_path}/coffer/client\.key: make one with `coffer-client keygen`"):
        load(environment)


def test_a_relative_xdg_folder_is_ignored() -> None:
    assert settings.default_identity_path({"XDG_CONFIG_HOME": "here"}) == os.path.expanduser("~/.config/coffer/client.key")


@pytest.mark.parametrize(("value", "bare"), [("", False), ("0", False), ("1", True)])
def test_the_environment_says_that_a_key_is_bare(value: str, bare: bool) -> None:
    environment = {"COFFER_BARE": value, "COFFER_IDENTITY_TEXT": WEB.secret_text()}
    assert settings.load_credential(None, bare=False, environment=environment).bare == bare
    assert settings.load_credential(WEB, bare=False, environment=environment).bare == bare
    assert settings.load_credential(None, bare=True, environment=environment).bare


def test_bare_is_one_or_nothing() -> None:
    with pytest.raises(ConfigurationError, match="COFFER_BARE is 'yes': set it to 1"):
        settings.load_credential(WEB, bare=False, environment={"COFFER_BARE": "yes"})


def test_the_environment_may_hold_the_whole_file() -> None:
    bare = Credential(identity=WEB, bare=True)
    assert settings.load_credential(None, bare=False, environment={"COFFER_IDENTITY_TEXT": bare.file_text()}) == bare


def test_an_error_names_the_variable_and_no_secret() -> None:
    text = WEB.secret_text()
    with pytest.raises(KeyTextError, match=r"^COFFER_IDENTITY_TEXT: ") as caught:
        settings.load_credential(None, bare=False, environment={"COFFER_IDENTITY_TEXT": text[:-3]})
    assert text[30:-3] not in str(caught.value)


# ------------------------------------------------------------------------------------------------------------ what is configured


def configure(folder: Path, text: str) -> dict[str, str]:
    """An environment whose one configuration file holds `text`."""
    return {"COFFER_CONFIG": str(write(folder / "client.toml", text))}


def test_the_files_that_are_looked_for() -> None:
    assert settings.configuration_of({"XDG_CONFIG_HOME": "/c"}).paths == (
        "./coffer.toml",
        "/c/coffer/client.toml",
        "/etc/coffer/client.toml",
    )
    assert settings.configuration_of({"COFFER_CONFIG": "/named.toml"}).paths == ("/named.toml",)
    assert settings.configuration_of({"COFFER_CONFIG": "/named.toml"}, "/typed.toml").paths == ("/typed.toml",)
    assert settings.configuration_of({"COFFER_CONFIG": "/dev/null"}).paths == ()


def test_every_setting_from_a_file(tmp_path: Path) -> None:
    write(tmp_path / "web.key", WEB.file_text())
    lines = [f'server = "{ADDRESS}"', 'identity = "web.key"', "bare = true", 'state = "state"', "no_cache = true", 'max_stale = "12h"']
    assert load(configure(tmp_path, "\n".join([*lines, "timeout = 2.5"]))) == settings.Settings(
        address=ADDRESS,
        trust=settings.trust_of(ADDRESS),
        credential=Credential(identity=WEB, bare=True),
        state=str(tmp_path / "state"),
        cache=False,
        timeout_s=2.5,
        max_stale=timedelta(hours=12),
    )


def test_every_setting_from_a_variable_which_comes_before_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "web.key", WEB.file_text())
    environment = configure(
        tmp_path, 'server = "x"\nidentity = "x"\nbare = true\nstate = "x"\nno_cache = true\nmax_stale = "1h"\ntimeout = 1'
    ) | {
        "COFFER_SERVER": str(ADDRESS),
        "COFFER_IDENTITY": str(path),
        "COFFER_BARE": "0",
        "COFFER_STATE": "/s",
        "COFFER_NO_CACHE": "0",
        "COFFER_MAX_STALE": "0",
        "COFFER_TIMEOUT": "2.5",
    }
    assert load(environment) == settings.Settings(
        address=ADDRESS,
        trust=settings.trust_of(ADDRESS),
        credential=Credential(identity=WEB),
        state="/s",
        cache=True,
        timeout_s=2.5,
        max_stale=timedelta(),
    )


def test_arguments_come_before_all(tmp_path: Path) -> None:
    environment = configure(tmp_path, "timeout = 1") | {"COFFER_STATE": "/s", "COFFER_NO_CACHE": "1", "COFFER_MAX_STALE": "1h"}
    given = settings.load(
        server=ADDRESS, identity=WEB, bare=False, environment=environment, state="/t", cache=True, timeout_s=3, max_stale=timedelta(1)
    )
    assert (given.state, given.cache, given.timeout_s, given.max_stale) == ("/t", True, 3, timedelta(1))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SERVER", "x", ": expected a server's address of the form"),
        ("BARE", "yes", " is 'yes': set it to 1 for yes"),
        ("NO_CACHE", "true", " is 'true': set it to 1 for yes"),
        ("MAX_STALE", "soon", ": expected a time such as 30s, 90m, 12h, 7d or 52w, or 0; got 'soon'"),
        ("TIMEOUT", "soon", ": expected a time above 0, as seconds such as 2.5 or as 30s or 5m; got 'soon'"),
        ("TIMEOUT", "0", ": expected a time above 0"),
        ("TIMEOUT", "nan", ": expected a time above 0"),
    ],
)
def test_what_is_wrong_in_a_variable_is_told_with_its_name(name: str, value: str, reason: str) -> None:
    environment = {"COFFER_SERVER": str(ADDRESS), "COFFER_IDENTITY_TEXT": WEB.secret_text(), f"COFFER_{name}": value}
    with pytest.raises((ConfigurationError, KeyTextError), match=f"^COFFER_{name}{reason}"):
        load(environment)


@pytest.mark.parametrize(("line", "reason"), [('server = "x"', "server: expected"), ('max_stale = "soon"', "max_stale: expected a time")])
def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path: Path, line: str, reason: str) -> None:
    environment = configure(tmp_path, line) | {"COFFER_IDENTITY_TEXT": WEB.secret_text()}
    if "server" not in line:
        environment["COFFER_SERVER"] = str(ADDRESS)
    with pytest.raises((ConfigurationError, KeyTextError), match=f"^{tmp_path}/client.toml: {reason}"):
        load(environment)


def test_the_identity_is_looked_for_from_this_process_to_the_machine(tmp_path: Path) -> None:
    """A variable, systemd's credential, the file, the default place: each, where those before it are taken away."""
    names = ("web", "worker", "server", "publisher", "publisher2")
    paths = [
        tmp_path / "named.key",
        None,
        tmp_path / "credentials" / "coffer-identity",
        tmp_path / "file.key",
        tmp_path / "coffer" / "client.key",
    ]
    for name, path in zip(names, paths, strict=True):
        if path is not None:
            write(path, identity(name).file_text())
    file = 'identity = "file.key"'
    environment = {
        "COFFER_IDENTITY": str(paths[0]),
        "COFFER_IDENTITY_TEXT": identity("worker").secret_text(),
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
        "XDG_CONFIG_HOME": str(tmp_path),
    } | configure(tmp_path, file)
    found = []
    for taken in ("", "COFFER_IDENTITY", "COFFER_IDENTITY_TEXT", "CREDENTIALS_DIRECTORY", "COFFER_CONFIG"):
        environment.pop(taken, None)
        (tmp_path / "client.toml").write_text(file if "COFFER_CONFIG" in environment else "")
        found.append(settings.load_credential(None, bare=False, environment=environment).identity)
    assert found == [identity(name) for name in names]


def test_credentials_of_other_names_are_none_of_ours(tmp_path: Path) -> None:
    write(tmp_path / "credentials" / "another", "x")
    write(tmp_path / "coffer" / "client.key", WEB.file_text())
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"), "XDG_CONFIG_HOME": str(tmp_path)}
    assert settings.load_credential(None, bare=False, environment=environment).identity == WEB


def test_a_credential_that_cannot_be_used_is_not_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "credentials" / "coffer-identity", "nothing")
    write(tmp_path / "coffer" / "client.key", WEB.file_text())
    environment = {"CREDENTIALS_DIRECTORY": str(path.parent), "XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(KeyTextError, match=f"^{path}: "):
        settings.load_credential(None, bare=False, environment=environment)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files as systemd does")
def test_a_credential_of_a_service_with_its_own_user_is_found_under_any_name(tmp_path: Path) -> None:
    for name in ("coffer-identity", "another"):
        path = write(tmp_path / "credentials" / name, WEB.file_text())
        path.chmod(0o440)
        environment = {"CREDENTIALS_DIRECTORY": str(path.parent)}
        if name == "another":
            environment["COFFER_IDENTITY"] = str(path)
        assert settings.load_credential(None, bare=False, environment=environment).identity == WEB
        with pytest.raises(KeyTextError, match="mode 0440"):
            settings.load_credential(path, bare=False, environment={})


def test_a_relative_path_where_the_working_directory_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigurationError, match=r"^client\.toml: the working directory was deleted"):
        settings.configuration_of({"COFFER_CONFIG": "client.toml"})
    with pytest.raises(ConfigurationError, match=r"^client\.key: the working directory was deleted"):
        settings.load_credential("client.key", bare=False, environment={})
