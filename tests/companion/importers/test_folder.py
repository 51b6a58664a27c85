from __future__ import annotations

from pathlib import Path

import pytest

from coffer_companion.errors import ImportingError
from coffer_companion.importers.folder import read
from coffer_companion.importers.values import FromFile
from coffer_protocol.limits import SHARD_BYTES

from .definitions import imported


def test_a_directory(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "db_password").write_bytes(b"p4ss\n")
    (folder / "tls.key").write_bytes(b"-----BEGIN KEY-----\r\nMIIB\n-----END KEY-----\n")
    (folder / "keystore").write_bytes(b"\x30\xff\x00")
    (folder / "empty").write_bytes(b"")
    (folder / "..data").symlink_to(folder)
    (folder / ".hidden").write_text("canary")
    values = read(folder, definition=tmp_path / "secrets.toml")
    assert values["keystore"] == FromFile(path="run/keystore")
    expected = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
    got = imported(tmp_path, dict(values))
    assert {key: value.encode() if isinstance(value, str) else value for key, value in got.items()} == expected


def test_a_mounted_secret_of_kubernetes(tmp_path: Path) -> None:
    mounted = tmp_path / "k8s"
    first = mounted / "..2026_01"
    first.mkdir(parents=True)
    (first / "ks.p12").write_bytes(b"\xff\x00")
    (mounted / "..data").symlink_to(first.name)
    (mounted / "ks.p12").symlink_to("..data/ks.p12")
    # Its rotation deletes the folder of the old date.
    assert read(mounted, definition=tmp_path / "secrets.toml") == {"ks.p12": FromFile(path="k8s/ks.p12")}


def test_directories_that_cannot_be(tmp_path: Path) -> None:
    definition = tmp_path / "secrets.toml"
    with pytest.raises(ImportingError, match=r"none cannot be read \(No such file"):
        read(tmp_path / "none", definition=definition)
    (tmp_path / "inner").mkdir()
    with pytest.raises(ImportingError, match="inner is not a file"):
        read(tmp_path, definition=definition)
    (tmp_path / "inner" / "large").write_bytes(bytes(SHARD_BYTES + 1))
    with pytest.raises(ImportingError, match="large has more than 1048576 bytes"):
        read(tmp_path / "inner", definition=definition)
