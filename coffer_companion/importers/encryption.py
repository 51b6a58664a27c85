"""Recognises what other tools have encrypted, which must not be imported as if it were the secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..errors import ImportingError
from .values import Importable, flatten

_SOPS: Final = "ENC[AES256_GCM,"
# The beginnings of encrypted files and of encrypted values, with the tools that decrypt them.
_SEALS: Final = {
    _SOPS: "SOPS (`sops -d FILE`)",
    "encrypted:": "dotenvx (`dotenvx get`)",
    "EJ[1:": "ejson (`ejson decrypt FILE`)",
    "$ANSIBLE_VAULT;": "Ansible (`ansible-vault view FILE`)",
    "vault:v": "Vault's transit engine (`vault write transit/decrypt/…`)",
    "age-encryption.org/": "age (`age -d FILE`)",
    "-----BEGIN AGE ENCRYPTED FILE-----": "age (`age -d FILE`)",
    "-----BEGIN PGP MESSAGE-----": "OpenPGP (`gpg -d FILE`)",
    "\0GITCRYPT": "git-crypt (`git-crypt unlock`)",
    "Salted__": "OpenSSL (`openssl enc -d`)",
}


def refuse_encrypted_text(text: str) -> None:
    """Raise ImportingError if a whole file is encrypted."""
    if (tool := _tool(text.lstrip("\ufeff \t\r\n"))) is not None:
        raise ImportingError(f"the file is encrypted by {tool}: import what that prints")
    # In a file of any format, SOPS leaves the names as they are, and adds a member of its own.
    if _SOPS in text and "sops" in text:
        raise ImportingError(f"the values are encrypted by {_SEALS[_SOPS]}: import what that prints")


def refuse_encrypted_values(values: Mapping[str, Importable]) -> None:
    """Raise ImportingError if a value is encrypted. The text names its key."""
    for key, value in flatten(values).items():
        if isinstance(value, str) and (tool := _tool(value)) is not None:
            raise ImportingError(f"{key} is still encrypted by {tool}: import what that prints")


def _tool(text: str) -> str | None:
    return next((tool for seal, tool in _SEALS.items() if text.startswith(seal)), None)
