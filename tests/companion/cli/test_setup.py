from __future__ import annotations

import re
from pathlib import Path

import pytest

from coffer_common import keyfile
from coffer_companion import settings
from coffer_companion.cli.setup import _machine_name
from coffer_protocol.identity import Identity, PublicKey, format_id

from .command_lines import SERVER, Run, good


def test_init_makes_an_identity_and_prints_the_servers_line(home: Path, run: Run) -> None:
    address = f"coffer://{format_id(SERVER.id())}@host.example"
    done = good(run("init", address, "--name", "laptop"))
    key = keyfile.read(settings.publisher_key()).public_text()
    assert done.out == f"coffer-server publisher add DIR COFFER --name laptop {key}\n"
    assert "secrets.toml publishes `secrets`" in done.err
    assert "coffer-companion publishers add KEY --name NAME" in done.err
    again = good(run("init", f"{address}/shop", "--name", "desk"))
    assert again.out == f"coffer-server publisher add DIR shop --name desk {key}\n"
    # Without a name it is this machine's, if that is one.
    unnamed = good(run("init", address)).out
    assert re.fullmatch(rf"coffer-server publisher add DIR COFFER (--name [a-z0-9_.-]{{1,64}} )?{key}\n", unnamed)


@pytest.mark.parametrize(
    ("host", "name"), [("laptop", "laptop"), ("Ann's Mac.local", "ann-s-mac"), ("a" * 80, "a" * 64), ("-", ""), ("\u202e", "")]
)
def test_the_name_of_a_machine_becomes_a_publishers(host: str, name: str) -> None:
    assert _machine_name(host) == name


def test_init_for_a_coffer_with_publishers_leads_to_one_of_them(home: Path, run: Run) -> None:
    other = Identity.generate().publisher_key().hex()
    address = f"coffer://{format_id(SERVER.id())}@host.example/shop?publisher={other}"
    done = good(run("init", address, "--name", "laptop"))
    own = keyfile.read(settings.publisher_key())
    assert done.out == f"coffer-companion publishers add --name laptop {own.public_text()}\n"
    assert "Coffer shop has publishers" in done.err
    # After that it begins with the address that it was given, which names it.
    done = good(run("init", f"{address}&publisher={own.publisher_key().hex()}"))
    assert done.out == ""
    assert "The address names this publisher" in done.err


def test_init_refuses_a_name_that_is_none(home: Path, run: Run) -> None:
    done = run("init", f"coffer://{format_id(SERVER.id())}@host.example", "--name", "My Laptop")
    assert (done.code, done.out) == (2, "")
    assert not settings.publisher_key().exists()


def test_init_refuses_what_is_no_address(home: Path, run: Run) -> None:
    done = run("init", "host.example")
    assert (done.code, done.out) == (2, "")
    assert "ADDRESS: " in done.err


def test_keygen_prints_a_public_key_and_overwrites_nothing(home: Path, run: Run) -> None:
    done = good(run("keygen", home / "my.key"))
    assert PublicKey.from_text(done.out.strip()) == keyfile.read(home / "my.key").public()
    assert run("keygen", home / "my.key").code == 2
