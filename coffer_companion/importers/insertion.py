"""Adds imported values to a definition's text. The rest of the text, including comments, stays as it is.

The new text is parsed and compared with what it should hold, before it is returned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import tomli
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Item, String
from tomlkit.toml_document import TOMLDocument

from coffer_common import documents
from coffer_common.errors import TextFileError
from coffer_protocol.address import check_name
from coffer_protocol.errors import KeyTextError

from ..definition.layers import FROM, RESERVED, SOURCES
from ..errors import ImportingError
from .values import FromFile, Importable, Scalar, flatten

_PUBLIC: Final = "public"


def add_secrets(text: str, client: str, values: Mapping[str, Importable], *, replace: bool = False) -> str:
    """Return a definition's text with values added to a client's table.

    This does not list the client in `[clients]`, because only its host knows its key. An empty text becomes a definition with a comment in
    `[clients]` that says what to add.

    Args:
        text: the definition, or the empty text.
        client: the client's name.
        values: the values by name. Tables in them become dotted keys.
        replace: whether a key that the client already has gets the new value.

    Raises:
        ImportingError: the text is not TOML; the name cannot be that of a client; a key already exists, is reserved or cannot be delivered;
            or nothing can be added to the table as it is written.
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
        # An editor of TOML can make mistakes with tables in unusual places, so the result is checked.
        if _alike(_parse(added), expected):
            return added
    except (TOMLKitError, ImportingError, AttributeError, LookupError, TypeError, ValueError):
        pass
    raise ImportingError(
        f"nothing can be added to the tables of {client} as they are written: put [{client}] and everything in it together"
    )


_NEW: Final = """\
[clients]
# {client} = "…"  # the key that `coffer-client id` prints where {client} runs

[{client}]
"""


def _check_client(client: str) -> None:
    try:
        check_name(client, "the client")
    except KeyTextError as error:
        raise ImportingError(f"{error}: choose another name") from None
    if client in RESERVED:
        raise ImportingError(f"the name {client!r} is reserved: call the client something else")


def _check_keys(
    client: str, values: Mapping[str, Importable], flat: Mapping[str, Scalar], existing: Mapping[str, _Path], *, replace: bool
) -> None:
    if reserved := [name for name in values if name == _PUBLIC or name in SOURCES]:
        raise ImportingError(f"{', '.join(reserved)}: this has a meaning of its own in a client's table: rename it")
    if not replace and (taken := [key for key in flat if key in existing]):
        raise ImportingError(f"{client} already has {', '.join(taken)}: use --replace to overwrite, or rename")
    if public := [key for key in flat if existing.get(key, ())[1:2] == (_PUBLIC,)]:
        raise ImportingError(f"{', '.join(public)}: {client} has this in its table public, and imported values are secret: rename it")


def _parse(text: str) -> dict[str, Any]:
    try:
        return documents.parse_toml(text, "the definition", loads=tomli.loads)
    except TextFileError as error:
        raise ImportingError(str(error)) from None


# The names of the tables from the top of the document, and of the key in the last table.
_Path: TypeAlias = tuple[str, ...]


def _existing(table: Any, path: _Path) -> Iterator[tuple[str, _Path]]:
    """Yield the flat keys that a client has, each with its path."""
    for name, value in table.items() if isinstance(table, dict) else ():
        here = (*path, name)
        if isinstance(value, dict) and not any(inner.startswith(FROM) for inner in value):
            yield from _existing(value, here)
        else:
            yield ".".join(here[2:] if here[1] == _PUBLIC else here[1:]), here


def _paths(values: Mapping[str, Importable], path: _Path) -> Iterator[tuple[str, _Path]]:
    """Yield the flat keys to add, each with the path that its tables give it."""
    for name, value in values.items():
        here = (*path, name)
        if isinstance(value, Mapping):
            yield from _paths(value, here)
        else:
            yield ".".join(here[1:]), here


def _free_path(document: Mapping[str, Any], path: _Path) -> _Path:
    """Return the path for a new key: in the tables that its dots mean or, if they would mean something else, as one quoted key."""
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
    """Return a text for TOML. A text of several lines, such as a PEM key, has several lines if TOML reads them back unchanged."""
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
    """Return whether two documents have the same content, including "not a number" and the types of numbers, in any order of keys."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    return type(one) is type(other) and repr(one) == repr(other)
