from __future__ import annotations

from pathlib import Path

import pytest

from coffer_client.cli import main as cli
from tests.support import identity


def test_id_bare_shows_the_other_key_of_an_identity(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    web = identity("web")
    monkeypatch.setenv("COFFER_IDENTITY_TEXT", web.secret_text())
    assert cli.run(["id", "--bare"]) == 0
    assert capfd.readouterr().out == f"{web.plain_id().hex().upper()}\n"
