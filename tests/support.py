"""What many tests need: vectors, and identities that everybody knows."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from coffer_protocol.identity import Identity

ROOT = Path(__file__).parent.parent
_OWN = ROOT / "tests" / "vectors"


@cache
def vectors(name: str) -> Any:
    """The project's own vectors, `name` without .json."""
    return json.loads((_OWN / f"{name}.json").read_text(encoding="utf-8"))


@cache
def public_vectors(name: str) -> list[dict[str, Any]]:
    """Return the cases of an extract of public vectors, `name` without .json (tests/vectors/public/README.md)."""
    found: list[dict[str, Any]] = json.loads((_OWN / "public" / f"{name}.json").read_text(encoding="utf-8"))["vectors"]
    return found


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


def real_tree(module: ModuleType) -> dict[str, str]:
    """Each error and warning of a module, and the class that it is under."""
    classes = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == module.__name__
    )
    return {cls.__name__: cls.__bases__[0].__name__ for cls in classes if cls.__bases__ != (Exception,)}


def drawn_tree(module: ModuleType) -> dict[str, str]:
    """The same, as the module's docstring draws it with `├──` and `└──`."""
    drawn: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in (module.__doc__ or "").splitlines():
        if found := re.fullmatch(r"( {4}(?:[│├└─ ]*── )?)([A-Z]\w+)(?: \(.*\))?", line):
            depth = len(found[1]) // 4
            above[depth] = found[2]
            if depth > 1:
                drawn[found[2]] = above[depth - 1]
    return drawn
