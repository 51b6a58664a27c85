"""A fetch works without each undocumented module of a library that Coffer uses, and without each name in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from coffer_client.config.credential import Credential
from tests.support import ROOT

from .fake_server import FakeServer, serving
from .private_names import HOLDERS, MODULES

Configure = Callable[[FakeServer, Credential], None]

NAMES: Final = (
    "cbor2._cbor2:CBORError",
    "cbor2._cbor2:CBORTag",
    "cbor2._cbor2:dumps",
    "cbor2._cbor2:loads",
    "cryptography.hazmat.bindings._rust:openssl",
    "cryptography.hazmat.bindings._rust:openssl.mlkem",
    "cryptography.hazmat.bindings._rust:openssl.mlkem.from_mlkem768_public_bytes",
    "cryptography.hazmat.bindings._rust:openssl.mlkem.from_mlkem768_seed_bytes",
    "nacl._sodium:ffi",
    "nacl._sodium:ffi.NULL",
    "nacl._sodium:ffi.buffer",
    "nacl._sodium:ffi.new",
    "nacl._sodium:lib",
    "nacl._sodium:lib.PYNACL_HAS_CRYPTO_CORE_ED25519",
    "nacl._sodium:lib.crypto_aead_chacha20poly1305_ietf_decrypt",
    "nacl._sodium:lib.crypto_aead_chacha20poly1305_ietf_encrypt",
    "nacl._sodium:lib.crypto_core_ed25519_is_valid_point",
    "nacl._sodium:lib.crypto_scalarmult",
    "nacl._sodium:lib.crypto_scalarmult_base",
    "nacl._sodium:lib.crypto_sign",
    "nacl._sodium:lib.crypto_sign_open",
    "nacl._sodium:lib.crypto_sign_seed_keypair",
    "nacl._sodium:lib.randombytes",
    "nacl._sodium:lib.sodium_init",
    "nacl._sodium:lib.sodium_memcmp",
)


def client(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.client.private_names", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [*MODULES, *NAMES])
def test_a_fetch_works_without_it(configured: Configure, whole: Credential, name: str) -> None:
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        ran = client("without", name, "get", "port")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "5432", "")


def test_these_are_all_that_a_fetch_uses(configured: Configure, whole: Credential) -> None:
    with FakeServer(serving(whole, {"port": 5432})) as server:
        configured(server, whole)
        ran = client("record", "get", "port")
    assert (ran.returncode, ran.stdout) == (0, "5432")
    assert tuple(ran.stderr.split()) == NAMES
    assert {holder for holder in HOLDERS if any(name.endswith(f":{holder}") for name in NAMES)} == set(HOLDERS)


@pytest.mark.parametrize(
    ("name", "library", "documented"),
    [
        ("cbor2._cbor2", "cbor2", "cbor2"),
        ("cbor2._cbor2:loads", "cbor2", "cbor2"),
        ("nacl._sodium", "PyNaCl", "nacl.bindings"),
        ("nacl._sodium:lib.randombytes", "PyNaCl", "nacl.bindings"),
        ("cryptography.hazmat.bindings._rust:openssl.mlkem", "cryptography", "cryptography.hazmat.primitives.asymmetric.mlkem"),
    ],
)
def test_the_doctor_warns_of_it(home: Path, name: str, library: str, documented: str) -> None:
    ran = client("without", name, "doctor", "--json")
    (step,) = (step for step in json.loads(ran.stdout)["steps"] if step["name"] == "libraries")
    assert (step["state"], step["subject"]) == ("warn", library)
    assert f"Coffer uses {documented} instead" in step["sentence"]
    assert name.rpartition(".")[2].rpartition(":")[2] in step["sentence"]
    assert step["mend"] == "install a newer coffer-secrets"
