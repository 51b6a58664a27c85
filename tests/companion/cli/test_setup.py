from __future__ import annotations

from pathlib import Path

from coffer_common import keyfile
from coffer_companion import settings
from coffer_protocol.identity import PublicKey, format_id

from .command_lines import SERVER, Run, good


def test_init_makes_an_identity_and_prints_the_servers_line(home: Path, run: Run) -> None:
    address = f"coffer://{format_id(SERVER.id())}@host.example"
    done = good(run("init", address))
    key = keyfile.read(settings.publisher_key()).public_text()
    assert done.out == f"coffer-server publisher add DIR COFFER {key}\n"
    assert "secrets.toml publishes `secrets`" in done.err
    again = good(run("init", f"{address}/shop"))
    assert again.out == f"coffer-server publisher add DIR shop {key}\n"


def test_init_refuses_what_is_no_address(home: Path, run: Run) -> None:
    done = run("init", "host.example")
    assert (done.code, done.out) == (2, "")
    assert "ADDRESS: " in done.err


def test_keygen_prints_a_public_key_and_overwrites_nothing(home: Path, run: Run) -> None:
    done = good(run("keygen", home / "my.key"))
    assert PublicKey.from_text(done.out.strip()) == keyfile.read(home / "my.key").public()
    assert run("keygen", home / "my.key").code == 2
