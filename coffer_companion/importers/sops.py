"""Reads what SOPS has decrypted."""

from __future__ import annotations

from typing import Final

from . import json
from .values import Importable

_METADATA: Final = "sops"


def read(text: str) -> dict[str, Importable]:
    """Return the members of what `sops -d --output-type json` prints, without SOPS's own member.

    Raises:
        ImportingError: as `json.read`.
    """
    return json.read(text, leave_out=_METADATA)
