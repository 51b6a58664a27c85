from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from coffer_common.errors import ConfigurationError
from coffer_companion import settings
from coffer_companion.errors import SettingsError
from coffer_companion.settings import PublisherState
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.release.trust import Seen
from tests.support import identity

ADDRESS = ServerAddress.from_text(f"coffer://{identity('server').id().hex()}@host.example")


def test_the_server_is_remembered(home: Path) -> None:
    assert settings.remembered_server() is None
    path = settings.remember_server(ADDRESS)
    assert path == home / ".config" / "coffer" / "companion.toml"
    assert settings.remembered_server() == str(ADDRESS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"server = 1", b"server = 'x'\nother = 1", b"", b"server =", b"\xff"])
def test_a_damaged_settings_file_says_how_to_mend_it(home: Path, content: bytes) -> None:
    path = settings.remember_server(ADDRESS)
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"companion\.toml.*coffer-companion init"):
        settings.remembered_server()


def test_xdg_variables_are_followed_and_relative_ones_ignored(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert settings.settings_file() == tmp_path / "elsewhere" / "coffer" / "companion.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert settings.settings_file() == home / ".config" / "coffer" / "companion.toml"


def test_without_a_home_each_file_names_its_way_out(homeless: Path) -> None:
    assert settings.settings_file() is None
    assert settings.remembered_server() is None
    no_home = r"^this user has no home folder: set HOME or XDG_"
    with pytest.raises(ConfigurationError, match=rf"{no_home}CONFIG_HOME, or name the publisher's identity with --identity PATH$"):
        settings.publisher_key()
    with pytest.raises(ConfigurationError, match=rf"{no_home}CONFIG_HOME, or name the server with --server ADDRESS or COFFER_SERVER$"):
        settings.remember_server(ADDRESS)
    with pytest.raises(ConfigurationError, match=rf"{no_home}STATE_HOME, or publish as a user that has one"):
        settings.state_file(server=bytes(32), coffer="shop", publisher=bytes(32))
    assert list(homeless.iterdir()) == []


@pytest.mark.parametrize("change", [lambda text: f"\ufeff{text}", lambda text: text.replace("\n", "\r\n")])
def test_a_byte_order_mark_and_other_line_ends_are_no_flaw(home: Path, change: Callable[[str], str]) -> None:
    path = settings.remember_server(ADDRESS)
    path.write_bytes(change(path.read_text()).encode())
    assert settings.remembered_server() == str(ADDRESS)
    state = PublisherState(seen=Seen(serial=7, signed_sha256=bytes(32)), signer=bytes(32))
    state.save(home / "shop.json")
    (home / "shop.json").write_bytes(change((home / "shop.json").read_text()).encode())
    assert PublisherState.load(home / "shop.json") == state


def test_what_is_pending_survives_a_power_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is on the disk before it has its name, and each folder after it was changed."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        calls.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))

    def note_replace(old: str, new: str) -> None:
        replace(old, new)
        calls.append(f"renamed {os.path.basename(new)}")

    monkeypatch.setattr("os.fsync", note_fsync)
    monkeypatch.setattr("os.replace", note_replace)
    folder = tmp_path / "coffer" / "publisher"
    PublisherState(pending=Seen(serial=7, signed_sha256=bytes(32))).save(folder / "shop.json")
    assert [name if not name.startswith(".coffer-") else "content" for name in calls] == [
        tmp_path.name,
        "coffer",
        "content",
        "renamed shop.json",
        "publisher",
    ]


def test_state_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "state" / "shop.json"
    assert PublisherState.load(path) == PublisherState()
    for serial, publishers in ((7, None), (8, frozenset({bytes(32), b"\x01" * 32}))):
        state = PublisherState(seen=Seen(serial=serial, signed_sha256=bytes(range(32))), signer=b"\x01" * 32, publishers=publishers)
        state.save(path)
        assert PublisherState.load(path) == state
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_state_never_goes_back(tmp_path: Path) -> None:
    """Of two commands at once, the one that knows more is remembered."""
    path = tmp_path / "shop.json"
    newer, older = (PublisherState(seen=Seen(serial=serial, signed_sha256=bytes(32)), signer=bytes(32)) for serial in (8, 7))
    newer.save(path)
    older.save(path)
    assert PublisherState.load(path) == newer


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"seen": {"serial": "x", "signed_sha256": ""}, "signer": "", "publishers": null, "pending": null}',
        '{"seen": {"serial": 1, "signed_sha256": "zz"}, "signer": "", "publishers": null, "pending": null}',
        '{"seen": {"serial": 1, "signed_sha256": "00"}, "signer": "00", "publishers": [1], "pending": null}',
        '{"seen": {"serial": 1, "signed_sha256": "00"}, "signer": "00", "publishers": null, "pending": 7}',
        '{"seen": {"serial": 1, "signed_sha256": "00"}, "signer": "00", "publishers": null}',
        '{"seen": 1, "signer": "00", "publishers": null, "pending": null}',
    ],
)
def test_damaged_state_is_not_taken_for_no_state(tmp_path: Path, content: str) -> None:
    path = tmp_path / "shop.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"shop\.json.*backup"):
        PublisherState.load(path)


def test_state_is_kept_apart_by_server_coffer_and_publisher() -> None:
    one = {"server": bytes(32), "coffer": "shop", "publisher": bytes(32)}
    files = {
        settings.state_file(**one),  # type: ignore[arg-type]
        settings.state_file(**(one | {"server": b"\1" * 32})),  # type: ignore[arg-type]
        settings.state_file(**(one | {"coffer": "other"})),  # type: ignore[arg-type]
        settings.state_file(**(one | {"publisher": b"\1" * 32})),  # type: ignore[arg-type]
    }
    assert len(files) == 4


def test_an_address_that_is_none_says_where_it_stood() -> None:
    with pytest.raises(KeyTextError, match=r"^COFFER_SERVER: "):
        settings.parse_address("http://x", "COFFER_SERVER")
