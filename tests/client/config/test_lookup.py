from __future__ import annotations

from pathlib import Path

import pytest

from coffer_client.config.lookup import FILE, VARIABLE, Configuration
from coffer_client.errors import ConfigurationError


def write(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o644)
    return str(path)


def test_a_variable_comes_before_the_files_and_an_empty_one_says_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", "timeout = 3")
    found = Configuration({"COFFER_TIMEOUT": "5"}, (path,), is_named=False).find("timeout")
    assert found is not None
    assert (found.text, found.origin, found.place, found.label) == ("5", VARIABLE, "COFFER_TIMEOUT", "COFFER_TIMEOUT")
    found = Configuration({"COFFER_TIMEOUT": ""}, (path,), is_named=False).find("timeout")
    assert found is not None
    assert (found.text, found.origin, found.place, found.label) == ("3", FILE, path, f"{path}: timeout")


def test_of_each_key_the_nearest_file_counts(tmp_path: Path) -> None:
    near = write(tmp_path / "near.toml", 'timeout = 1\nmax_stale = "1h"')
    far = write(tmp_path / "far.toml", 'timeout = 2\nserver = "coffer://far"')
    configured = Configuration({}, (near, str(tmp_path / "none.toml"), far), is_named=False)
    found = {name: configured.find(name) for name in ("timeout", "max-stale", "server", "state")}
    assert {name: value and (value.text, value.place) for name, value in found.items()} == {
        "timeout": ("1", near),
        "max-stale": ("1h", near),
        "server": ("coffer://far", far),
        "state": None,
    }
    assert configured.looked_at() == {near: True, str(tmp_path / "none.toml"): False, far: True}


def test_a_relative_path_is_of_the_folder_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "coffer.toml", "timeout = 1")
    monkeypatch.chdir(tmp_path)
    found = Configuration({}, ("./coffer.toml",), is_named=False).find("timeout")
    assert found is not None
    assert found.place == path


def test_files_are_read_once_and_only_where_a_variable_leaves_something_open(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    configured = Configuration({"COFFER_TIMEOUT": "5"}, (write(path, "not TOML"),), is_named=False)
    assert configured.find("timeout") is not None
    with pytest.raises(ConfigurationError, match="is not TOML"):
        configured.find("state")
    write(path, "timeout = 1")
    assert configured.find("state") is None
    path.unlink()
    assert configured.find_in_files("timeout") is not None


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"at {tmp_path}/a.toml: check --config and COFFER_CONFIG"):
        Configuration({}, (str(tmp_path / "a.toml"),), is_named=True).find("timeout")
