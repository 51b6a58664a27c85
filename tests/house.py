"""The sources as the tests of the house read them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from tests.support import ROOT

PACKAGES = ("coffer_protocol", "coffer_common", "coffer_server", "coffer_companion", "coffer_client")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file of the packages."""

    path: Path

    @cached_property
    def name(self) -> str:
        """Its path in the repository, as "coffer_client/errors.py"."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the packages."""
    return tuple(Source(path=path) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
