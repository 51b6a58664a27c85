"""The identity file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from coffer_server import keyfile
from coffer_server.errors import StateError

from .publishing import identity


def test_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    keyfile.create(path, identity(1))
    assert keyfile.read(path) == identity(1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "identity.pub").read_text() == identity(1).public().text() + "\n"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    keyfile.create(path, identity(1))
    with pytest.raises(FileExistsError):
        keyfile.create(path, identity(2))
    assert keyfile.read(path) == identity(1)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700 | 0o001])
def test_one_that_others_can_use(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "an identity"
    keyfile.create(path, identity(1))
    path.chmod(mode)
    with pytest.raises(StateError) as error:
        keyfile.read(path)
    assert error.value.hint == f"chmod 600 '{path}'"


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="restore it from a backup"):
        keyfile.read(tmp_path / "identity")


def test_damage_repeats_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    keyfile.create(path, identity(1))
    secret = identity(1).secret_text()
    for text in ("", secret[:-1], secret + "\n" + secret, identity(1).public().text()):
        path.write_text(text)
        with pytest.raises(StateError) as error:
            keyfile.read(path)
        assert secret[20:40] not in str(error.value)
