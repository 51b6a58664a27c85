from __future__ import annotations

import pytest

from coffer_companion.errors import ImportingError
from coffer_companion.importers.encryption import refuse_encrypted_text, refuse_encrypted_values


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("$ANSIBLE_VAULT;1.1;AES256\n3961\n", "Ansible"),
        ("\n-----BEGIN AGE ENCRYPTED FILE-----\n", "age"),
        ("-----BEGIN PGP MESSAGE-----\n", "OpenPGP"),
        ("\0GITCRYPT\0x", "git-crypt"),
        ("password=ENC[AES256_GCM,data:canary,iv:x,type:str]\nsops_version=3.9.0\n", "SOPS"),
        ("db:\n    password: ENC[AES256_GCM,data:canary]\nsops:\n    version: 3.9.0\n", "SOPS"),
        ('{"a": "ENC[AES256_GCM,data:canary]", "sops": {}}', "SOPS"),
    ],
)
def test_encrypted_files(text: str, tool: str) -> None:
    with pytest.raises(ImportingError, match=f"encrypted by {tool}") as caught:
        refuse_encrypted_text(text)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", ["ENC[AES256_GCM,data:canary]", "encrypted:BDcanary", "EJ[1:canary]", "vault:v1:canary"])
def test_encrypted_values(value: str) -> None:
    with pytest.raises(ImportingError, match=r"^a\.b is still encrypted by ") as caught:
        refuse_encrypted_values({"x": 1, "a": {"b": value}})
    assert "canary" not in str(caught.value)


def test_what_is_not_encrypted() -> None:
    refuse_encrypted_text("A=1\n# encrypted: no\n")
    refuse_encrypted_values({"a": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "b": "text with encrypted: in it", "c": 1})
