"""Reads a .env file in one dialect, or strictly: as all common readers agree to read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ...errors import ImportingError
from . import compose, docker, node, python
from .lines import Assignment, Dialect, Fault

DIALECTS: Final[Mapping[str, Dialect]] = {"python": python.read, "compose": compose.read, "node": node.read, "docker": docker.read}
# The readers that understand quotes, and their names for people. A shell agrees with these if they agree with each other.
_QUOTING: Final = {"python": "python-dotenv", "compose": "Docker Compose", "node": "npm's dotenv"}
_FAULTS_SHOWN: Final = 20
_NAMES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The variables of a .env file.

    Attributes:
        values: their values by name.
        warnings: what may be a mistake, a line each.
    """

    values: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def read(text: str, dialect: str | None = None) -> Variables:
    """Return the variables of a .env file.

    Args:
        text: the file.
        dialect: a key of `DIALECTS`; None for the values on which all readers that understand quotes agree.

    Raises:
        ImportingError: a line cannot be read; a value refers to what the file does not set; or, without a dialect, the readers differ or
            a variable is set twice. The text has each fault with its line, and no value.
    """
    found = {name: list(DIALECTS[name](text)) for name in ([dialect] if dialect else DIALECTS)}
    first = found[dialect or "python"]
    faults = {item.line: item.text for item in first if isinstance(item, Fault)}
    values = _values(first)
    lines = {item.name: item.line for item in first if isinstance(item, Assignment)}
    repeated = dict(_repeated(first))
    if dialect is None:
        faults |= {line: f"{name} is set again: take one of the two out" for line, name in repeated.items()}
        for line, text_ in _differences(found, lines).items():
            faults.setdefault(line, text_)
    if faults:
        raise ImportingError("; ".join(_shown(faults)))
    warnings = [f"line {line}: {name} is set again, and the last value counts" for line, name in repeated.items()]
    if dialect is None and (kept := [name for name, value in _values(found["docker"]).items() if values.get(name) != value]):
        warnings.append(
            f"`docker run --env-file` takes the quotes, escapes and comments of {_listed(kept)} as part of the value: if the file is for "
            "it, import with --dialect docker"
        )
    return Variables(values=values, warnings=tuple(warnings))


def _values(found: list[Assignment | Fault]) -> dict[str, str]:
    return {item.name: item.value for item in found if isinstance(item, Assignment)}


def _repeated(found: list[Assignment | Fault]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for item in found:
        if isinstance(item, Assignment):
            if item.name in seen:
                yield item.line, item.name
            seen.add(item.name)


def _differences(found: Mapping[str, list[Assignment | Fault]], lines: Mapping[str, int]) -> dict[int, str]:
    """Return what the readers that understand quotes read differently, by line."""
    differences: dict[int, str] = {}
    values = {dialect: _values(found[dialect]) for dialect in _QUOTING}
    for name, line in lines.items():
        others = [_QUOTING[dialect] for dialect in _QUOTING if values[dialect].get(name) != values["python"][name]]
        if others:
            differences[line] = (
                f"{name} has another value for {' and '.join(others)}: put it between single quotes if that is what it means, or name the "
                "reader of the file with --dialect"
            )
    for dialect, reader in _QUOTING.items():
        for item in found[dialect]:
            if item.line not in differences and (isinstance(item, Fault) or item.name not in lines):
                differences[item.line] = f"{reader} does not read this as python-dotenv does: correct it, or name the reader with --dialect"
    return differences


def _shown(faults: Mapping[int, str]) -> Iterator[str]:
    for line in sorted(faults)[:_FAULTS_SHOWN]:
        yield f"line {line}: {faults[line]}"
    if len(faults) > _FAULTS_SHOWN:
        yield f"and {len(faults) - _FAULTS_SHOWN} more lines"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
