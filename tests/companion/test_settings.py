from __future__ import annotations

import stat
from pathlib import Path

import pytest

from coffer_common import paths
from coffer_companion import settings
from coffer_companion.settings import PublisherState, SettingsError
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
    assert paths.settings_file() == tmp_path / "elsewhere" / "coffer" / "companion.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert paths.settings_file() == home / ".config" / "coffer" / "companion.toml"


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
        paths.state_file(**one),  # type: ignore[arg-type]
        paths.state_file(**(one | {"server": b"\1" * 32})),  # type: ignore[arg-type]
        paths.state_file(**(one | {"coffer": "other"})),  # type: ignore[arg-type]
        paths.state_file(**(one | {"publisher": b"\1" * 32})),  # type: ignore[arg-type]
    }
    assert len(files) == 4


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    paths.write_atomically(path, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        paths.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_address_that_is_none_says_where_it_stood() -> None:
    with pytest.raises(KeyTextError, match=r"^COFFER_SERVER: "):
        settings.parse_address("http://x", "COFFER_SERVER")
