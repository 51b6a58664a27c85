from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coffer_common.errors import ConfigurationError
from coffer_companion import settings
from coffer_companion.errors import SettingsError
from coffer_companion.settings import KnownPublisher, PublisherState, SignedRelease
from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.release.trust import Seen, Trust
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
    state = PublisherState.update(home / "shop.json", lambda _: STATE)
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
    pending = PublisherState(signed=(SignedRelease(serial=7, sha256=bytes(32)),))
    PublisherState.update(folder / "shop.json", lambda _: pending)
    assert [name if not name.startswith(".coffer-") else "content" for name in calls] == [
        tmp_path.name,
        "coffer",
        "content",
        "renamed shop.json",
        "publisher",
    ]


def seen(serial: int, signed: bytes | None = b"signed") -> Seen:
    return Seen(serial=serial, signed_sha256=bytes([serial]) * 32, issued=1000 + serial, signed=signed)


STATE = PublisherState(
    seen=seen(8),
    signer=b"\x01" * 32,
    publishers=frozenset({bytes(32), b"\x01" * 32}),
    servers=(b"\x02" * 32,),
    hosts=("one.example", "[::1]:7000"),
    latest=2000,
    signed=(SignedRelease(serial=9, sha256=b"\x09" * 32), SignedRelease(serial=7, sha256=b"\x07" * 32, is_spent=True)),
    tree=(KnownPublisher(name="laptop", body=b"body"),),
)


def test_state_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "state" / "shop.json"
    assert PublisherState.load(path) == PublisherState()
    for state in (STATE, PublisherState(seen=seen(7, signed=None)), PublisherState()):
        assert PublisherState.update(path, lambda _, state=state: state) == state  # type: ignore[misc]
        assert PublisherState.load(path) == state
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_is_made_to_what_is_there(tmp_path: Path) -> None:
    """Of two commands at once, neither loses what the other has remembered."""
    path = tmp_path / "shop.json"
    PublisherState.update(path, lambda _: STATE)
    more = SignedRelease(serial=10, sha256=bytes(32))
    PublisherState.update(path, lambda state: replace(state, signed=(*state.signed, more)))
    assert PublisherState.load(path).signed == (*STATE.signed, more)


def trust(serial: int) -> Trust:
    return Trust(coffer="shop", publishers=(bytes(32),), seen=seen(serial), signer=bytes(32), latest=1000 + serial)


def test_a_signed_release_ends_when_it_or_what_follows_it_is_accepted() -> None:
    state = PublisherState(signed=(SignedRelease(serial=9, sha256=b"\x09" * 32),))
    for accepted in ([b"\x09" * 32], [b"\x09" * 32, b"\x0a" * 32]):
        assert state.following(trust(10), accepted, is_named=True).signed == ()


def test_a_signed_release_is_spent_when_another_takes_its_serial_or_a_higher_one() -> None:
    pending = SignedRelease(serial=9, sha256=b"\x09" * 32)
    state = PublisherState(signed=(pending,))
    assert state.following(trust(8), [bytes(32)], is_named=True).signed == (pending,)
    for serial in (9, 12):
        after = state.following(trust(serial), [bytes(32)], is_named=True)
        assert after.signed == (replace(pending, is_spent=True),)
        assert after.pending == ()
        # It is kept: should it turn up, the server has shown different releases to different readers.
        assert after.following(trust(20), [bytes(32)], is_named=True).signed == after.signed


def test_the_next_release_is_above_all_that_was_seen_or_signed() -> None:
    assert PublisherState().highest_serial == 0
    assert PublisherState(seen=seen(8)).highest_serial == 8
    assert STATE.highest_serial == 9


GOOD: dict[str, Any] = {
    "version": 1,
    "seen": None,
    "signer": None,
    "publishers": None,
    "servers": None,
    "hosts": None,
    "latest": 0,
    "signed": [],
    "tree": [],
}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        *(
            json.dumps(GOOD | changed)
            for changed in (
                {"seen": 1},
                {"seen": {"serial": "x", "sha256": "", "issued": 1, "signed": None}},
                {"seen": {"serial": 1, "sha256": "zz", "issued": 1, "signed": None}},
                {"seen": {"serial": 1, "sha256": "00", "issued": 1}},
                {"publishers": [1]},
                {"signed": 7},
                {"signed": [{"serial": 1}]},
                {"tree": [{"name": "x", "body": "zz"}]},
                {"hosts": 7},
            )
        ),
        *(json.dumps({name: value for name, value in GOOD.items() if name != lacking}) for lacking in GOOD if lacking != "version"),
    ],
)
def test_damaged_state_is_not_taken_for_no_state(tmp_path: Path, content: str) -> None:
    path = tmp_path / "shop.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"shop\.json") as caught:
        PublisherState.load(path)
    assert "backup" in str(caught.value.hint)


def test_state_from_before_the_protocol_was_revised_is_refused_with_what_to_type(tmp_path: Path) -> None:
    path = tmp_path / "shop.json"
    path.write_text('{"seen": null, "signer": null, "publishers": null, "pending": null}')
    with pytest.raises(SettingsError, match="before Coffer's protocol was revised") as caught:
        PublisherState.load(path)
    for line in ("coffer-server publisher add DIR COFFER TEXT", "coffer-companion id --text", "coffer-companion upload FILE"):
        assert line in str(caught.value.hint)


def test_state_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(GOOD | {"version": 2}))
    with pytest.raises(SettingsError, match="another version"):
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
