"""Helpers for tests of definitions: keys for clients, and loading from a text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

from coffer_companion.definition import Definition, load
from coffer_companion.errors import DefinitionError
from coffer_protocol.identity import Identity, format_id

TODAY = date(2026, 1, 15)


@cache
def bare(number: int) -> str:
    """A bare key, another one for each number."""
    return format_id(Identity(seed=number.to_bytes(32, "big")).plain_id())


def clients(*names: str) -> str:
    """`[clients]` with bare keys."""
    return "[clients]\n" + "".join(f'{name} = "{bare(number)}"\n' for number, name in enumerate(names, start=1))


def load_text(
    folder: Path, text: str, *, overlay: str | None = None, environ: Mapping[str, str] | None = None, allow_outside: bool = False
) -> Definition:
    """Load a definition that has this text."""
    path = folder / "secrets.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return load(path, overlay=overlay, environ=environ or {}, allow_outside=allow_outside, today=TODAY)


def problems(folder: Path, text: str, *, overlay: str | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a definition that has this text, each `FILE:LINE:COLUMN: …` without the folder; nothing where it is good."""
    try:
        load_text(folder, text, overlay=overlay, environ=environ)
    except DefinitionError as error:
        return [str(problem).replace(f"{folder}/", "") for problem in error.problems]
    return []


def gets(definition: Definition, client: str) -> dict[str, object]:
    """What a client gets."""
    return {secret.key: secret.value for secret in definition.clients[client].secrets}
