"""Add imported values to a definition's text, and leave the rest of it, comments too, as it was.

Nothing is read back from what was just written without being compared with what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import tomli
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Item, String
from tomlkit.toml_document import TOMLDocument

from coffer_protocol.address import check_name
from coffer_protocol.errors import KeyTextError

from ..definition.layers import FROM, RESERVED, SOURCES
from ..errors import ImportingError
from .values import FromFile, Importable, Scalar, flatten

_PUBLIC: Final = "public"


def add_secrets(text: str, client: str, values: Mapping[str, Importable], *, replace: bool = False) -> str:
    """A definition's text with values added to a client's table; what else stands in it, comments too, stays.

    The client is not listed in `[clients]` by this, for only its host knows its key. An empty text becomes a definition whose
    `[clients]` says in a comment what is to be added.

    Args:
        text: the definition, or nothing.
        client: the client's name.
        values: by name; tables inside become dotted keys.
        replace: whether a key that the client has already gets the new value.

    Raises:
        ImportingError: the text is not TOML; the name cannot be a client's; a key exists already, is reserved or cannot be delivered; or
            the table is written in a way that cannot be added to.
    """
    _check_client(client)
    flat = flatten(values)
    text = text if text.strip() else _NEW.format(client=client)
    expected = _parse(text)
    existing = dict(_existing(expected.get(client, {}), (client,)))
    _check_keys(client, values, flat, existing, replace=replace)
    try:
        document = tomlkit.parse(text)
        for key, path in _paths(values, (client,)):
            target = existing.get(key) or _free_path(expected, path)
            _set_item(document, target, flat[key])
            _set_plain(expected, target, flat[key])
        added = tomlkit.dumps(document)
        # Tables in unusual places are where an editor of TOML can go wrong, so the outcome is read before anybody relies on it.
        if _alike(tomli.loads(added), expected):
            return added
    except (TOMLKitError, tomli.TOMLDecodeError, AttributeError, LookupError, TypeError, ValueError):
        pass
    raise ImportingError(f"the tables of {client} are written in a way that cannot be added to. Put [{client}] and all inside it together.")


_NEW: Final = """\
[clients]
# {client} = "…"  # the key that `coffer-client id` prints where {client} runs

[{client}]
"""


def _check_client(client: str) -> None:
    try:
        check_name(client, "the client")
    except KeyTextError as error:
        raise ImportingError(f"{error}. Choose another.") from None
    if client in RESERVED:
        raise ImportingError(f"the name {client!r} is reserved. Call the client something else.")


def _check_keys(
    client: str, values: Mapping[str, Importable], flat: Mapping[str, Scalar], existing: Mapping[str, _Path], *, replace: bool
) -> None:
    if reserved := [name for name in values if name == _PUBLIC or name in SOURCES]:
        raise ImportingError(f"{', '.join(reserved)}: this has a meaning of its own in a client's table. Rename it.")
    if not replace and (taken := [key for key in flat if key in existing]):
        raise ImportingError(f"{client} has {', '.join(taken)} already. Say --replace to overwrite, or rename.")
    if public := [key for key in flat if existing.get(key, ())[1:2] == (_PUBLIC,)]:
        raise ImportingError(f"{', '.join(public)}: {client} has it in its table public, and what is imported is secret. Rename it.")


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ImportingError(f"line {error.lineno}, column {error.colno}: the definition is not TOML: {error.msg}. Correct it.") from None


# The names of the tables from the top of the document, and of the key in the last.
_Path: TypeAlias = tuple[str, ...]


def _existing(table: Any, path: _Path) -> Iterator[tuple[str, _Path]]:
    """The flat keys that a client has, and where each stands."""
    for name, value in table.items() if isinstance(table, dict) else ():
        here = (*path, name)
        if isinstance(value, dict) and not any(inner.startswith(FROM) for inner in value):
            yield from _existing(value, here)
        else:
            yield ".".join(here[2:] if here[1] == _PUBLIC else here[1:]), here


def _paths(values: Mapping[str, Importable], path: _Path) -> Iterator[tuple[str, _Path]]:
    """The flat keys that are to be added, and where each would stand as its tables have it."""
    for name, value in values.items():
        here = (*path, name)
        if isinstance(value, Mapping):
            yield from _paths(value, here)
        else:
            yield ".".join(here[1:]), here


def _free_path(document: Mapping[str, Any], path: _Path) -> _Path:
    """Where a new key can stand: in the tables that its dots are for, or, where they would mean something else, under one quoted key."""
    client, *names = path
    quoted = (client, ".".join(names))
    if any(name.startswith(FROM) for name in names[1:]):
        return quoted
    table: Any = document.get(client, {})
    for name in names[:-1]:
        table = table.get(name, {})
        if not isinstance(table, dict) or any(inner.startswith(FROM) for inner in table):
            return quoted
    if names[-1] in table:
        raise ValueError("a table has this name")
    return path


def _set_item(document: TOMLDocument, path: _Path, value: Scalar) -> None:
    container: Any = document
    for name in path[:-1]:
        if name not in container:
            container[name] = tomlkit.inline_table() if isinstance(container, InlineTable) else tomlkit.table()
        container = container[name]
    container[path[-1]] = _item(value)


def _item(value: Scalar) -> Item:
    match value:
        case FromFile():
            table = tomlkit.inline_table()
            table["from_file"] = value.path
            return table
        case str():
            return _string(value)
        case _:
            return tomlkit.item(value)


def _string(text: str) -> String:
    """Text of several lines, such as a PEM key, as several lines where TOML reads them back as they are."""
    lines = tomlkit.string(text, multiline=True)
    if "\n" in text.rstrip("\n") and tomli.loads(f"value = {lines.as_string()}")["value"] == text:
        return lines
    return tomlkit.string(text)


def _set_plain(document: dict[str, Any], path: _Path, value: Scalar) -> None:
    table = document
    for name in path[:-1]:
        table = table.setdefault(name, {})
    table[path[-1]] = {"from_file": value.path} if isinstance(value, FromFile) else value


def _alike(one: Any, other: Any) -> bool:
    """Whether two documents hold the same, "not a number" and the types of numbers included; the order of keys aside."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    return type(one) is type(other) and repr(one) == repr(other)
