"""`coffer-client config`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from coffer_client.cli import main as cli
from coffer_client.config.names import KINDS, key_of
from tests.support import identity

NOTHING = {"value": None, "from": "default", "place": ""}


def shown(capfd: pytest.CaptureFixture[str], *words: str) -> Any:
    assert cli.run(["config", "--json", *words]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return json.loads(out)


def test_without_a_configuration_all_is_default(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = shown(capfd)
    assert content["settings"] == {
        "server": NOTHING,
        "identity": NOTHING | {"value": f"{home}/.config/coffer/client.key"},
        "bare": NOTHING | {"value": "0"},
        "state": NOTHING,
        "no_cache": NOTHING | {"value": "0"},
        "max_stale": NOTHING | {"value": "7d"},
        "timeout": NOTHING | {"value": "10"},
    }
    assert [file["path"] for file in content["files"]] == ["./coffer.toml", f"{home}/.config/coffer/client.toml", "/etc/coffer/client.toml"]
    assert not content["files"][1]["found"]


def test_each_value_is_shown_with_its_place(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    local, own = home / "coffer.toml", home / ".config" / "coffer" / "client.toml"
    own.parent.mkdir(parents=True)
    local.write_text('timeout = 3\nidentity = "web.key"')
    own.write_text('timeout = 4\nmax_stale = "1h"\nserver = "coffer://x"')
    for path in (local, own):
        path.chmod(0o644)
    monkeypatch.chdir(home)
    monkeypatch.setenv("COFFER_MAX_STALE", "2h")
    content = shown(capfd, "--state=/s", "--no-cache")
    assert content["settings"] == {
        "server": {"value": "coffer://x", "from": "file", "place": str(own)},
        "identity": {"value": f"{home}/web.key", "from": "file", "place": str(local)},
        "bare": NOTHING | {"value": "0"},
        "state": {"value": "/s", "from": "flag", "place": "--state"},
        "no_cache": {"value": "1", "from": "flag", "place": "--no-cache"},
        "max_stale": {"value": "2h", "from": "variable", "place": "COFFER_MAX_STALE"},
        "timeout": {"value": "3", "from": "file", "place": str(local)},
    }
    assert [file["found"] for file in content["files"][:2]] == [True, True]
    assert cli.run(["config"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == ["server", str(own), "coffer://x"]
    assert lines[2].split() == ["bare", "default", "0"]
    assert f"{own}: read" in lines


def test_a_secret_is_not_shown(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    secret = identity("web").secret_text()
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", secret)
    assert shown(capfd)["settings"]["identity"] == {"value": None, "from": "variable", "place": "COFFER_IDENTITY_TEXT"}
    assert cli.run(["config"]) == 0
    out, _ = capfd.readouterr()
    assert "(a secret, which is not shown)" in out
    assert secret not in out


def test_a_credential_of_systemds_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "coffer-identity").touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(home))
    assert shown(capfd)["settings"]["identity"] == {
        "value": f"{home}/coffer-identity",
        "from": "credential",
        "place": "CREDENTIALS_DIRECTORY",
    }
    assert cli.run(["config"]) == 0
    assert "systemd's, by $CREDENTIALS_DIRECTORY" in capfd.readouterr().out


def test_one_file_is_read_where_it_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "coffer.toml").write_text("timeout = 3")
    (home / "named.toml").write_text("timeout = 4")
    for path in (home / "coffer.toml", home / "named.toml"):
        path.chmod(0o644)
    monkeypatch.chdir(home)
    content = shown(capfd, "--config", "named.toml")
    assert content["settings"]["timeout"]["value"] == "4"
    assert content["files"] == [{"path": f"{home}/named.toml", "found": True}]
    monkeypatch.setenv("COFFER_CONFIG", "/dev/null")
    content = shown(capfd)
    assert content["settings"]["timeout"]["value"] == "10"
    assert content["files"] == []


def test_a_file_that_cannot_be_used_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "coffer.toml").write_text("time_out = 3")
    (home / "coffer.toml").chmod(0o644)
    monkeypatch.chdir(home)
    assert cli.run(["config"]) == 2
    assert f"{home}/coffer.toml, line 1: the key 'time_out' is unknown" in capfd.readouterr().err


def test_every_setting_is_shown(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert list(shown(capfd)["settings"]) == [key_of(name) for name in KINDS]


def test_a_path_need_not_be_text(home: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    monkeypatch.setenv("COFFER_STATE", os.fsdecode(b"/\xff"))
    assert cli.run(["config"]) == 0
    assert b" /\xff\n" in capfdbinary.readouterr().out
    assert cli.run(["config", "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["settings"]["state"]["value"] == os.fsdecode(b"/\xff")
