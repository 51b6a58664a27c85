"""A configuration file, in TOML: read strictly, only if no other user can have written it, and changed in place.

A client's file names its server and its publisher. So a user who can write the file decides what `run` puts into an environment. A file
that belongs to another user, or that other users can write, is refused: so does ssh with its files, and git with repositories of other
users.
"""

from __future__ import annotations

import os
import stat
import sys

from coffer_common import documents, files, paths
from coffer_common.errors import TextFileError
from coffer_protocol.lean import TYPE_CHECKING

from ..errors import ConfigurationError, OutputError
from .names import KINDS, LOCAL_PATH, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

# The value of a setting has one line, seldom a few.
_VALUE_LINES: Final = 100
_WRITABLE_BY_OTHERS: Final = 0o022
_NEW_MODE: Final = stat.S_IFREG | 0o644
_HEADING: Final = "# Where this client's secrets come from. `coffer-client config` shows what is in force, and why.\n"
_KINDS_BY_KEY: Final[Mapping[str, str]] = {key_of(name): kind for name, kind in KINDS.items()}
_WANTED: Final[Mapping[str, str]] = {
    "text": "expected a text that is not empty and has no NUL",
    "path": "expected a path, as a text that is not empty and has no NUL",
    "switch": "expected true or false",
    "span": 'expected a time, as a text: "30m", "12h", "7d" or "0"',
    "seconds": 'expected a number of seconds above 0, or a time, as a text: "30s", "5m"',
}


def read(path: str, *, is_named: bool = False) -> dict[str, str]:
    """Return the settings in a file by key, each as the text that its variable would hold. A relative path is joined to the file's folder.

    Args:
        path: the absolute path of the file.
        is_named: whether the user has named it, and so trusts its owner. A file that other users can write is refused in any case.

    Raises:
        ConfigurationError: the file cannot be read, belongs to another user, can be written by other users, is not TOML, or has a key that
            is unknown or has the wrong type. The text says where, and what to do.
    """
    text = _read_text(path, is_named=is_named)
    values = documents.parse_toml(text, path)
    if isinstance(values.get("clients"), dict):
        raise ConfigurationError(
            f"{path} is a definition, which coffer-companion reads, and not a client's configuration",
            hint="rename it, such as to secrets.toml, or start from another folder",
        )
    return {key: _as_text(path, text, key, value) for key, value in values.items()}


def _read_text(path: str, *, is_named: bool) -> str:
    if not is_named:
        # Check this before opening, because a pipe would make this process wait. The owner of a link decides as much as the owner of
        # the file that it leads to.
        try:
            _check_owner(path, os.lstat(path).st_uid)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read ({error.strerror}): name a file that this user can read") from None
    text, status = files.read_text_and_status(path)
    if not is_named:
        _check_owner(path, status.st_uid)
    if stat.S_ISREG(status.st_mode) and status.st_mode & _WRITABLE_BY_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigurationError(f"{path}: other users can write it (mode {mode:04o})", hint=f"check it; if it is right: chmod go-w {path}")
    return text


def _check_owner(path: str, owner: int) -> None:
    if owner in (0, os.geteuid()):
        return
    is_local = os.path.basename(path) == os.path.basename(LOCAL_PATH)
    raise ConfigurationError(
        f"{path} belongs to another user ({owner}), who could make this client take its secrets from their server",
        hint="if it is right, name it with --config or COFFER_CONFIG, or chown it; otherwise "
        + ("start from another folder" if is_local else "remove it"),
    )


def _as_text(path: str, text: str, key: str, value: object) -> str:
    match _KINDS_BY_KEY.get(key), value:
        case None, _:
            reason = f"the key {key!r} is unknown; the keys are {', '.join(_KINDS_BY_KEY)}"
        case "switch", bool():
            return "1" if value else "0"
        # An integer in TOML may be larger than any float, and longer than Python prints.
        case "seconds", int() | float() if not isinstance(value, bool) and 0 < value <= sys.float_info.max:
            return f"{value}"
        # No system accepts a NUL in a path or in a variable.
        case (("text" | "span" | "seconds"), str()) if value and "\0" not in value:
            return value
        case "path", str() if value and "\0" not in value:
            try:
                return os.path.join(os.path.dirname(path), paths.expand(value))
            except ConfigurationError as error:
                reason = f"{key}: {error}"
        case kind, _:
            assert kind is not None
            reason = f"{key}: {_WANTED[kind]}"
    number = _line_of(text, key)
    raise ConfigurationError(f"{path}{'' if number is None else f', line {number}'}: {reason}")


def _line_of(text: str, key: str) -> int | None:
    """Return the line on which a key's value ends, from 1; None if that value, or one above it, has more lines than `_VALUE_LINES`.

    It goes value by value. To try each beginning of the text would parse the text as often as it has lines.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    begin = 0
    for end in range(1, len(lines) + 1):
        values = _try_parse(lines[begin:end])
        if values is not None:
            if key in values:
                return end
            begin = end
        elif end - begin == _VALUE_LINES:
            break
    return None


def _try_parse(lines: list[str]) -> dict[str, object] | None:
    try:
        return documents.parse_toml("\n".join(lines), "")
    except TextFileError:
        return None


def write(path: str, values: Mapping[str, str | bool]) -> None:
    """Set some keys of a file, and make the file if it is missing. Its other lines stay as they are.

    A new file has mode 0644: nothing in it is a secret, and the machine's file is for all users. If nothing changes, it is not touched.

    Args:
        path: the absolute path of the file.
        values: the values to set, by key.

    Raises:
        ConfigurationError: the file cannot be read, or cannot be changed without changing something else.
        OutputError: the file cannot be written.
    """
    # Most starts only read.
    import json

    old = _read_text(path, is_named=True) if os.path.exists(path) else None
    there = documents.parse_toml(old or "", path)
    lines = (old or _HEADING).split("\n")
    for key, value in values.items():
        # Texts, true and false of JSON are also TOML, except for the one control character that JSON leaves as it is.
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        if key not in there:
            # Above the first table, if there is one, and below the comment at the beginning of the file.
            lines.insert(next((number for number, other in enumerate(lines) if not other.startswith("#")), len(lines)), line)
        elif there[key] != value and (number := _line_of("\n".join(lines), key)):
            lines[number - 1] = line
    if _try_parse(lines) != {**there, **values}:
        raise ConfigurationError(f"{path} is written in a way that this program cannot change: edit it by hand")
    new = "\n".join(lines)
    if new == old:
        return
    make_folder(path)
    mode = _NEW_MODE if old is None else os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path} is not a regular file: name another one")
    try:
        # A link stays a link: some people keep such files in a repository.
        files.replace(os.path.realpath(path), new.encode(), mode=stat.S_IMODE(mode))
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from None


def make_folder(path: str) -> None:
    """Make the folder of a file and those above it if they do not exist, with the user's usual permissions.

    Raises:
        OutputError: a folder cannot be made.
    """
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}") from None
