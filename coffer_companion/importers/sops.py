"""Reads what SOPS has decrypted."""

from __future__ import annotations

from typing import Final

from ..errors import ImportingError
from . import json
from .values import Importable, flatten

_METADATA: Final = "sops"
_ENCRYPTED: Final = "ENC[AES256_GCM,"


def read(text: str) -> dict[str, Importable]:
    """Return the members of what `sops -d --output-type json` prints, without SOPS's own member.

    Raises:
        ImportingError: as `json.read`; or a value is still encrypted.
    """
    values = json.read(text, leave_out=_METADATA)
    for key, value in flatten(values).items():
        if isinstance(value, str) and value.startswith(_ENCRYPTED):
            raise ImportingError(f"{key} is still encrypted: import what `sops -d --output-type json FILE` prints")
    return values
