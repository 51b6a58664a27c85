from __future__ import annotations

import os
from pathlib import Path

import pytest

from coffer_client import settings
from coffer_client.credential import Credential
from coffer_client.errors import ConfigurationError
from coffer_protocol.address import Host, ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.release.chain import Trust
from coffer_protocol.release.coffer import Seen
from tests.support import identity

from .releases import PUBLISHER

WEB = identity("web")
ADDRESS = ServerAddress(
    server=identity("server").id(), hosts=(Host(name="coffer.example"),), coffer="shop", publishers=(PUBLISHER.publisher_key(),), serial=4
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
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
    assert settings.trust_of(ADDRESS) == Trust(coffer="shop", publishers=(PUBLISHER.publisher_key(),), seen=Seen(serial=4))


@pytest.mark.parametrize("environment", [{}, {"COFFER_SERVER": ""}])
def test_no_server_says_where_one_comes_from(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"COFFER_SERVER; ask your operator .* `coffer-companion address`"):
        load(environment)


@pytest.mark.parametrize(("cut", "missing"), [("/shop", "no coffer"), ("?", "no publisher")])
def test_an_address_without_coffer_or_publisher_is_not_used(cut: str, missing: str) -> None:
    text = str(ADDRESS).replace("/shop", "") if cut == "/shop" else str(ADDRESS).partition("?")[0]
    with pytest.raises(ConfigurationError, match=rf"names {missing}.*`coffer-companion address`"):
        load({"COFFER_SERVER": text})


@pytest.mark.parametrize(("arguments", "source"), [({"server": "x"}, "--server"), ({}, "COFFER_SERVER")])
def test_an_address_that_is_none_is_named_by_its_source(arguments: dict[str, str], source: str) -> None:
    with pytest.raises(KeyTextError, match=f"^{source}: "):
        load({"COFFER_SERVER": "y"}, **arguments)


def test_no_identity_says_what_makes_one(tmp_path: Path) -> None:
    environment = {"COFFER_SERVER": str(ADDRESS), "XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(ConfigurationError, match=rf"{tmp_path}/coffer/client\.key: `coffer-client keygen`"):
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
    with pytest.raises(ConfigurationError, match="COFFER_BARE is 1"):
        settings.load_credential(WEB, bare=False, environment={"COFFER_BARE": "yes"})


def test_the_environment_may_hold_the_whole_file() -> None:
    bare = Credential(identity=WEB, bare=True)
    assert settings.load_credential(None, bare=False, environment={"COFFER_IDENTITY_TEXT": bare.file_text()}) == bare


def test_an_error_names_the_variable_and_no_secret() -> None:
    text = WEB.secret_text()
    with pytest.raises(KeyTextError, match=r"^COFFER_IDENTITY_TEXT: ") as caught:
        settings.load_credential(None, bare=False, environment={"COFFER_IDENTITY_TEXT": text[:-3]})
    assert text[30:-3] not in str(caught.value)
