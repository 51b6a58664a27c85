"""What stands in `[clients]`, and the keys that it gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coffer_protocol.crypto import primitives
from coffer_protocol.identity import BareKey, PublicKey
from tests.companion.definitions import bare, load_text, problems
from tests.support import identity


def test_forms_of_keys(tmp_path: Path) -> None:
    web = identity("web")
    (tmp_path / "full.pub").write_text(f"# full\n\n{web.public_text()}\n")
    (tmp_path / "bare.pub").write_text(f"# bare\n{bare(3)}\n")
    text = f"[clients]\na = [{{from_file='full.pub'}}, '{bare(1)}']\nb = {{from_file='bare.pub'}}\n[a]\nx=1\n[b]\nx=1\n"
    definition = load_text(tmp_path, text)
    full, one = definition.clients["a"].keys
    assert full == web.public()
    assert isinstance(full, PublicKey)
    assert one == BareKey(id=bytes.fromhex(bare(1)))
    assert definition.clients["b"].keys == (BareKey(id=bytes.fromhex(bare(3))),)


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    secret = identity("web").secret_text()
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "two.pub").write_text(f"{bare(1)}\n{bare(2)}\n")
    (tmp_path / "binary.pub").write_bytes(b"\xff")
    lines = ["a = 5", "b = []", f"c = '{secret}'", "d = {from_file='secret'}", "e = {from_file='two.pub'}", "f = {from_file='binary.pub'}"]
    lines += ["g = {from_file='none.pub'}", "h = {from_file='two.pub', type='text'}", "i = {from_env='X'}", f"j = '{bytes(32).hex()}'"]
    lines += [f"k = ['{bare(1)}', '{bare(1).lower()}']", "l = [['x']]"]
    found = problems(tmp_path, "[clients]\n" + "\n".join(lines))
    assert all(secret[20:] not in problem for problem in found)
    assert [problem.split(": ")[1] for problem in found] == [
        *(f"clients.{name}" for name in "abcdefghij"),
        "clients.k[2]",
        "clients.l[1]",
    ]
    assert "is listed twice for client 'k'" in found[10]
    assert found[2].startswith("secrets.toml:4:1: clients.c: this is a SECRET key")
    assert "'secret': this is a SECRET key" in found[3]


def signed_by(name: str, key: PublicKey) -> str:
    """The text of a key, with a proof by the signing key of an identity."""
    return key.text(primitives.ed25519_sign(identity(name).sign_seed(), b"coffer/1 owner" + key.body))


@pytest.mark.parametrize(("part", "called"), [("sign", "signing key"), ("seal_mlkem", "ML-KEM key"), ("seal_x25519", "sealing key")])
@pytest.mark.parametrize("clients", ["web = '{0}'\nworker = '{1}'", "web = ['{0}', '{1}']"])
def test_two_texts_that_share_a_part_are_refused(part: str, called: str, clients: str, tmp_path: Path) -> None:
    web, thief = identity("web").public(), identity("worker").public()
    mixed = replace(thief, **{part: getattr(web, part)})
    # Nobody can prove a signing key that is another's, so the victim's own text has the thief's id there.
    texts = [signed_by("web", web), signed_by("web" if part == "sign" else "worker", mixed)]
    (problem,) = problems(tmp_path, f"[clients]\n{clients.format(*texts)}\n[web]\nx = 1")
    assert f"this public key text has the same {called} as a key of client 'web', at secrets.toml:2:" in problem


def test_two_texts_with_one_id_are_refused(tmp_path: Path) -> None:
    web = identity("web").public()
    mixed = replace(identity("worker").public(), id=web.id)
    text = f"[clients]\nweb = '{signed_by('web', web)}'\nworker = '{signed_by('worker', mixed)}'\n[web]\nx = 1"
    (problem,) = problems(tmp_path, text)
    assert "this key of client 'worker' is also that of client 'web'" in problem
