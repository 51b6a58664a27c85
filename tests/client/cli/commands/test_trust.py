from __future__ import annotations

import io

import pytest

from coffer_client.cli import main as cli
from coffer_client.config.credential import Credential

from ...fake_server import FakeServer, hosting, serving
from ...releases import PUBLISHER, History
from ..command_lines import SECRETS, Configure


def test_trust_is_shown_and_forgotten(
    configured: Configure, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    history = History(whole).add({"n": 1}).add({"n": 2})
    with FakeServer(hosting(history)) as server:
        configured(server, whole)
        assert cli.run(["trust"]) == 0
        assert "release none\n" in capfd.readouterr().out
        assert cli.run(["get", "n"]) == 0
    with FakeServer(hosting(history, newest=1)) as server:
        configured(server, whole)
        assert cli.run(["get", "n"]) == 5
        capfd.readouterr()
        assert cli.run(["trust"]) == 0
        shown = capfd.readouterr().out
        assert shown.startswith("coffer shop\nrelease 2 ")
        assert f"publisher {PUBLISHER.publisher_key().hex().upper()}\n" in shown
        # Without a terminal and without --yes, nothing is deleted.
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert cli.run(["trust", "reset"]) == 2
        assert "--yes" in capfd.readouterr().err
        assert cli.run(["get", "n"]) == 5
        assert cli.run(["trust", "reset", "--yes"]) == 0
        assert "deleted: the next" in capfd.readouterr().err
        assert cli.run(["get", "n"]) == 0
        assert capfd.readouterr().out == "1"
        assert cli.run(["trust", "forget"]) == 2


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("YES\n", 0), ("\n", 2), ("n\n", 2), ("", 2)])
def test_at_a_terminal_it_asks(
    configured: Configure, whole: Credential, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], typed: str, code: int
) -> None:
    with FakeServer(serving(whole, SECRETS)) as server:
        configured(server, whole)
        assert cli.run(["get", "port"]) == 0
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        assert cli.run(["trust", "reset"]) == code
    err = capfd.readouterr().err
    assert "[y/N]" in err
    assert ("deleted: the next" in err) == (code == 0)
    assert cli.run(["get", "port"]) == (3 if code == 0 else 0)
