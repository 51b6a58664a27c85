from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from coffer_client.cli import main as cli
from coffer_common import keyfile


def test_keygen_makes_the_identity_that_get_finds(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["keygen"]) == 0
    out, err = capfd.readouterr()
    path = home / ".config" / "coffer" / "client.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in err
    (key,) = tomllib.loads(out).values()
    assert key == keyfile.read(path).public_text()
    assert cli.run(["id"]) == 0
    out, err = capfd.readouterr()
    assert out == f"{key}\n"
    assert keyfile.read(path).id().hex().upper() in err
    assert cli.run(["keygen"]) == 2
    assert "exists already" in capfd.readouterr().err


def test_keygen_bare_makes_an_identity_that_says_so(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = home / "my.key"
    assert cli.run(["keygen", "--bare", str(path)]) == 0
    out, err = capfd.readouterr()
    digits = keyfile.read(path).plain_id().hex().upper()
    assert out.endswith(f' = "{digits}"\n')
    assert "--identity" in err
    assert cli.run(["id", "--identity", str(path)]) == 0
    assert capfd.readouterr() == (f"{digits}\n", "")
