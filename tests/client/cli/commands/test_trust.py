from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from coffer_client.cli import main as cli
from coffer_client.config.credential import Credential
from coffer_protocol.crypto.primitives import sha256

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
        assert cli.run(["get", "--max-stale", "0", "n"]) == 5
        capfd.readouterr()
        assert cli.run(["trust"]) == 0
        shown = capfd.readouterr().out
        assert shown.startswith("coffer shop\nrelease 2 ")
        assert f"publisher {PUBLISHER.publisher_key().hex().upper()}\n" in shown
        # Without a terminal and without --yes, nothing is deleted.
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert cli.run(["trust", "reset"]) == 2
        assert "--yes" in capfd.readouterr().err
        assert cli.run(["get", "--max-stale", "0", "n"]) == 5
        assert cli.run(["trust", "reset", "--yes"]) == 0
        assert "deleted: the next" in capfd.readouterr().err
        assert cli.run(["get", "n"]) == 0
        assert capfd.readouterr().out == "1"
        assert cli.run(["trust", "forget"]) == 2


def test_evidence_is_shown_exported_and_cleared(configured: Configure, whole: Credential, capfd: pytest.CaptureFixture[str]) -> None:
    history, fork = History(whole).add({"n": 1}), History(whole).add({"n": 2})
    with FakeServer(hosting(history)) as server:
        configured(server, whole)
        assert cli.run(["get", "n"]) == 0
        assert cli.run(["trust", "clear"]) == 0
        assert "there was no evidence to remove" in capfd.readouterr().err
    with FakeServer(hosting(fork)) as server:
        configured(server, whole)
        assert cli.run(["get", "n"]) == 0
        out, err = capfd.readouterr()
        assert out == "1"
        assert "warning: the answer of the server was refused, so release 1 of 'shop' is used" in err
        assert "`coffer-client trust clear` removes it" in err
        host = str(server.host)
    assert cli.run(["trust"]) == 0
    shown = capfd.readouterr().out.splitlines()
    known, other = (sha256(each.signed[0]).hex() for each in (history, fork))
    publisher = PUBLISHER.publisher_key().hex().upper()
    evidence, *pair = shown[-3:]
    assert evidence.startswith("evidence fork 20")
    assert evidence.endswith(f" {host}")
    assert pair == [f"known 1 {known} 2023-11-14T22:13:20Z {publisher}", f"shown 1 {other} 2023-11-14T22:13:20Z {publisher}"]
    assert cli.run(["trust", "--json"]) == 0
    exported = json.loads(capfd.readouterr().out)
    assert exported["release"] == {"serial": 1, "signed_sha256": known}
    assert (exported["coffer"], exported["publishers"], exported["lowest"]) == ("shop", [publisher], 0)
    assert [bytes.fromhex(exported["evidence"][0][which]["signed"]) for which in ("known", "shown")] == [history.signed[0], fork.signed[0]]
    assert cli.run(["trust", "clear", "--json"]) == 2
    capfd.readouterr()
    assert cli.run(["trust", "clear"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [*shown[-3:], "coffer-client: removed: this client no longer warns of it"]
    assert cli.run(["trust"]) == 0
    assert "evidence" not in capfd.readouterr().out


def test_damaged_evidence_is_told_and_cleared(
    configured: Configure, whole: Credential, capfd: pytest.CaptureFixture[str], home: Path
) -> None:
    with FakeServer(hosting(History(whole).add({"n": 1}))) as server:
        configured(server, whole)
        assert cli.run(["get", "n"]) == 0
    (trust,) = home.rglob("*.trust")
    trust.with_suffix(".evidence").write_bytes(b"\x80")
    capfd.readouterr()
    assert cli.run(["trust"]) == 1
    out, err = capfd.readouterr()
    assert out.startswith("coffer shop\n")
    assert "is damaged\nhint: " in err
    assert "coffer-client trust clear" in err
    assert cli.run(["trust", "clear"]) == 0
    assert "removed: " in capfd.readouterr().err
    assert cli.run(["trust"]) == 0


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
