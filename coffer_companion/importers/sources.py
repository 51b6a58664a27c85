"""Secrets from where they were before into a definition: .env files, JSON, SOPS, a directory, the environment.

Each `read_…` gives values as a definition can have them, or refuses by name what it cannot; `add_secrets` writes them into a
definition's text and leaves the rest of it, comments too, as it was. Nothing is read back from what was just written without being
compared with what was meant.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import tomli
import tomlkit
from dotenv.parser import parse_stream
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Item, String
from tomlkit.toml_document import TOMLDocument

from coffer_protocol.address import check_name
from coffer_protocol.errors import CofferError, KeyTextError, ShardError
from coffer_protocol.limits import SHARD_BYTES
from coffer_protocol.shard import INT_MAX, INT_MIN, check_key

from ..definition.layers import FROM, RESERVED, SOURCES


class ImportingError(CofferError):
    """Something cannot be imported. The text names it, never its value, and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromFile:
    """A value that stays in its file, which the definition will name.

    Attributes:
        path: relative to the definition's folder, with forward slashes.
    """

    path: str


# What can be written into a definition: values, and tables of them.
Scalar: TypeAlias = str | bool | int | float | FromFile
Importable: TypeAlias = "Scalar | Mapping[str, Importable]"

_SOPS_METADATA: Final = "sops"
_SOPS_ENCRYPTED: Final = "ENC[AES256_GCM,"
_PUBLIC: Final = "public"


# ----------------------------------------------------------------------------------------------------- reading


def read_dotenv(text: str) -> dict[str, str]:
    """The variables of a .env file, as python-dotenv reads it; of one that stands twice, the last.

    Raises:
        ImportingError: a line cannot be read, has no value, or refers to another variable.
    """
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        # The binding begins with the blank lines before it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        if binding.error:
            raise ImportingError(f"line {line}: this is not NAME=VALUE. Correct it, or make it a comment.")
        if binding.key is None:
            continue
        if binding.value is None:
            raise ImportingError(f"line {line}: {binding.key} has no value. Write {binding.key}= if it is empty.")
        if "${" in binding.value:
            raise ImportingError(
                f"line {line}: {binding.key} refers to other variables with ${{…}}, which is not followed here. "
                "Write the text out, and make it a from_template in the definition later."
            )
        values[binding.key] = binding.value
    return values


def read_json(text: str) -> dict[str, Importable]:
    """The members of a JSON object; objects inside it become tables.

    Raises:
        ImportingError: it is not a JSON object (RFC 8259), a name stands twice, or a member is an array, null, or a number that a
            definition cannot have. The text names the member by its dotted key.
    """
    return {name: _from_json(member, name) for name, member in _json_object(text).items()}


def _json_object(text: str) -> dict[str, Any]:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ImportingError(f"{twice} stands twice in one object. Take one out.")
        return found

    def constant(name: str) -> Any:
        raise ImportingError(f"JSON has no number {name}. Write it as text.")

    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ImportingError(f"line {error.lineno}, column {error.colno}: this is not JSON ({error.msg}). Correct it.") from None
    except RecursionError:
        raise ImportingError("the JSON is nested too deeply. Take objects out of each other.") from None
    except ValueError:
        # Python itself refuses to read an integer of thousands of digits.
        raise ImportingError("the JSON has a number that is too long. An integer has at most 64 bits; write it as text.") from None
    if not isinstance(value, dict):
        raise ImportingError('the JSON is not an object. Only an object has names for its values: {"NAME": "VALUE"}.')
    return value


def _from_json(value: Any, key: str) -> Importable:
    match value:
        case str() if not _is_unicode(value):
            raise ImportingError(f"{key}: the text has half of a character (a lone surrogate), which UTF-8 cannot write. Correct it.")
        case str() | bool():
            return value
        case float() if not math.isfinite(value):
            raise ImportingError(f"{key}: the number is too large. Write it as text.")
        case int() if not INT_MIN <= value <= INT_MAX:
            raise ImportingError(f"{key}: an integer has at most 64 bits, signed. Write it as text.")
        case int() | float():
            return value
        case dict():
            return {name: _from_json(member, f"{key}.{name}") for name, member in value.items()}
        case list():
            raise ImportingError(f"{key}: an array cannot be delivered. Use a name for each item, or one text.")
        case _:
            raise ImportingError(f"{key}: null is no value. Take it out, or write an empty text.")


def read_sops(text: str) -> dict[str, Importable]:
    """The members of what `sops -d --output-type json` prints, without SOPS's own.

    Raises:
        ImportingError: as for `read_json`; or values are still encrypted.
    """
    values = {name: _from_json(member, name) for name, member in _json_object(text).items() if name != _SOPS_METADATA}
    for key, value in flatten(values).items():
        if isinstance(value, str) and value.startswith(_SOPS_ENCRYPTED):
            raise ImportingError(f"{key} is still encrypted. Import what `sops -d --output-type json FILE` prints.")
    return values


def read_folder(folder: Path, *, definition: Path) -> dict[str, Scalar]:
    """The files of a directory, each under its name: text where it is UTF-8, else left in its file, which the definition names.

    Names that begin with a dot are left out, as a shell would: Kubernetes keeps its own links under such names.

    Args:
        folder: the directory.
        definition: the file that the values are meant for, which need not exist yet.

    Raises:
        ImportingError: the directory or a file cannot be read, or is not what it should be; or a file is larger than any shard.
    """
    values: dict[str, Scalar] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if not path.is_file():
                raise ImportingError(f"{path} is not a file. Import a directory of files; directories inside it one by one.")
            with path.open("rb") as file:
                data = file.read(SHARD_BYTES + 1)
            if len(data) > SHARD_BYTES:
                raise ImportingError(f"{path} has more than {SHARD_BYTES} bytes, which no client can be given. Keep it elsewhere.")
            try:
                values[path.name] = data.decode()
            except UnicodeDecodeError:
                relative = os.path.relpath(os.path.realpath(path), os.path.realpath(definition.parent))
                values[path.name] = FromFile(path=Path(relative).as_posix())
    except OSError as error:
        raise ImportingError(f"{error.filename or folder} cannot be read ({error.strerror}). Check its name and its permissions.") from None
    return values


def read_environ(environ: Mapping[str, str], *, only: str) -> dict[str, str]:
    """The variables of an environment whose names begin with `only`, under their whole names.

    Raises:
        ImportingError: there are none, or one is not UTF-8.
    """
    values = {name: value for name, value in sorted(environ.items()) if name.startswith(only)}
    if not values:
        raise ImportingError(f"no environment variable begins with {only!r}. Set them where coffer-companion runs, or name another prefix.")
    for name, value in values.items():
        if not _is_unicode(value):
            raise ImportingError(f"the environment variable {name} is not UTF-8. Put it into a file, and name that with from_file.")
    return values


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can write the text: Python reads bytes of other encodings, and halves of characters, as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def flatten(values: Mapping[str, Importable]) -> dict[str, Scalar]:
    """The values under the dotted keys by which a client gets them.

    Raises:
        ImportingError: two have one key, or a key cannot be delivered.
    """
    flat: dict[str, Scalar] = {}
    for key, value in _flat(values, ""):
        try:
            check_key(key)
        except ShardError as error:
            raise ImportingError(f"{key!r}: {error}. Rename it.") from None
        if key in flat:
            raise ImportingError(f"{key} stands twice: as one name with a dot in it, and as a table. Rename one.")
        flat[key] = value
    return flat


def _flat(values: Mapping[str, Importable], prefix: str) -> Iterator[tuple[str, Scalar]]:
    for name, value in values.items():
        if not name:
            raise ImportingError(f"a name is empty{f' in {prefix[:-1]}' if prefix else ''}. Give it one.")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


# ----------------------------------------------------------------------------------------------------- writing


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
