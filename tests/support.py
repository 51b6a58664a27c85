"""What many tests need: vectors, and identities that everybody knows."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from coffer_protocol.identity import Identity

ROOT = Path(__file__).parent.parent
_OWN = ROOT / "tests" / "vectors"
# Public vectors are used from where they lie beside the checkout, and are not part of it.
_PUBLIC = Path(os.environ.get("COFFER_PUBLIC_VECTORS", ROOT.parent / "shared" / "vectors" / "public"))


@cache
def vectors(name: str) -> Any:
    """The project's own vectors, `name` without .json."""
    return json.loads((_OWN / f"{name}.json").read_text(encoding="utf-8"))


def public_vectors(name: str) -> Any:
    """Public vectors; where they are absent the test is skipped, and CI fails on that skip."""
    path = _PUBLIC / name
    if not path.exists():
        pytest.skip(f"public vectors are absent: {name} (set COFFER_PUBLIC_VECTORS to their folder)")
    return json.loads(path.read_text(encoding="utf-8"))


def identity(name: str) -> Identity:
    """One of the identities in the vectors: web, worker, server, publisher, publisher2."""
    (found,) = (entry for entry in vectors("identities")["identities"] if entry["name"] == name)
    return Identity(seed=bytes.fromhex(found["seed"]))


class Draws:
    """Randomness that a test fixes: each draw must be of the length that the test expects."""

    def __init__(self, *draws: bytes) -> None:
        self._draws = list(draws)

    def __call__(self, count: int) -> bytes:
        draw = self._draws.pop(0)
        assert len(draw) == count
        return draw
