"""A configuration file, as TOML: read strictly, only where nobody else could have written it, and changed in place.

Who writes the file of a client names its server and publisher, and so what `run` puts into an environment. So a file is refused that
belongs to somebody else, or that others can write, as ssh does with its own and git with a repository of somebody else's.
"""

from __future__ import annotations

import os
import stat
import sys

import tomli

from coffer_protocol.lean import TYPE_CHECKING

from ..errors import ConfigurationError, OutputError
from .names import KINDS, LOCAL_PATH, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

# A handful of lines; what is larger was named by mistake.
_LIMIT_BYTES: Final = 1 << 16
# A value of a setting has one line, and seldom a few.
_VALUE_LINES: Final = 100
_WRITABLE_BY_OTHERS: Final = 0o022
_HEADING: Final = "# Where this client's secrets come from. `coffer-client config` shows what is in force, and why.\n"
_KINDS_BY_KEY: Final[Mapping[str, str]] = {key_of(name): kind for name, kind in KINDS.items()}
_WANTED: Final[Mapping[str, str]] = {
    "text": "text is wanted, which is not empty and has no NUL",
    "path": "a path is wanted, as text which is not empty and has no NUL",
    "switch": "true or false is wanted",
    "span": 'a time is wanted, as text: "30m", "12h", "7d" or "0"',
    "seconds": "a number of seconds above 0 is wanted",
}


def read(path: str, *, is_named: bool = False) -> dict[str, str]:
    """The settings in a file, by key, each as the text that its variable would hold. A path is of the file's folder, and made absolute.

    Args:
        path: the file's, absolute.
        is_named: whether its user has named it, and so vouches for its owner. That others can write it is refused all the same.

    Raises:
        ConfigurationError: it cannot be read, belongs to somebody else, can be written by others, is not TOML, or has a key that is unknown
            or of the wrong type. The text says where, and what to do.
    """
    text = _read_text(path, is_named=is_named)
    return {key: _as_text(path, text, key, value) for key, value in _parse(path, text).items()}


def _read_text(path: str, *, is_named: bool) -> str:
    try:
        if not is_named:
            # Asked before it is opened, for a pipe would keep this process waiting; and a link is its owner's word as much as what it
            # leads to.
            _check_owner(path, os.lstat(path).st_uid)
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not is_named:
                _check_owner(path, status.st_uid)
            data = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}: a configuration is a file that its user can read") from None
    if stat.S_ISREG(status.st_mode) and status.st_mode & _WRITABLE_BY_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigurationError(f"{path}: others can write it (mode {mode:04o}). Look at it; if it is right: chmod go-w {path}")
    if len(data) > _LIMIT_BYTES:
        raise ConfigurationError(f"{path}: it is too large for a configuration")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: it is not UTF-8 text") from None


def _check_owner(path: str, owner: int) -> None:
    if owner in (0, os.geteuid()):
        return
    is_local = os.path.basename(path) == os.path.basename(LOCAL_PATH)
    raise ConfigurationError(
        f"{path}: it belongs to another user ({owner}), who could have this client take its secrets from a server of theirs. Where it is "
        f"right, name it with --config or COFFER_CONFIG, or chown it; else {'start from another folder' if is_local else 'remove it'}"
    )


def _parse(path: str, text: str) -> dict[str, object]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{path}: it has a number that is too long, or lists that are too deep, for a configuration") from None


def _as_text(path: str, text: str, key: str, value: object) -> str:
    match _KINDS_BY_KEY.get(key), value:
        case None, _:
            reason = f"the key {key!r} is unknown; known are {', '.join(_KINDS_BY_KEY)}"
        case "switch", bool():
            return "1" if value else "0"
        # An integer of TOML may be larger than any float, and than what Python shows.
        case "seconds", int() | float() if not isinstance(value, bool) and 0 < value <= sys.float_info.max:
            return f"{value}"
        # No system takes a NUL in a path, nor in a variable.
        case (("text" | "span"), str()) if value and "\0" not in value:
            return value
        case "path", str() if value and "\0" not in value:
            return os.path.join(os.path.dirname(path), os.path.expanduser(value))
        case kind, _:
            assert kind is not None
            reason = f"{key}: {_WANTED[kind]}"
    number = _line_of(text, key)
    raise ConfigurationError(f"{path}{'' if number is None else f', line {number}'}: {reason}")


def _line_of(text: str, key: str) -> int | None:
    """The line on which a key's value ends, from 1. None where that value, or one above it, has more lines than is looked for.

    Value by value: who tried each beginning of the text would read it as often as it has lines.
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
        return tomli.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return None


def write(path: str, values: Mapping[str, str | bool]) -> None:
    """Set some keys of a file, which is made where it is missing. Its other lines stay as they are.

    A new one is 0644: nothing in it is a secret, and the machine's file is for all users. Where nothing changes it is not touched.

    Args:
        path: the file's, absolute.
        values: what the keys shall hold.

    Raises:
        ConfigurationError: it cannot be read, or cannot be changed without a change of something else.
        OutputError: it cannot be written.
    """
    # Who only reads a configuration need not load what writes one.
    import json

    from ..delivery.placed_file import Access, place

    old = _read_text(path, is_named=True) if os.path.exists(path) else None
    there = _parse(path, old or "")
    lines = (old or _HEADING).split("\n")
    for key, value in values.items():
        # JSON's texts, true and false are TOML's too, but for the one control character that JSON leaves as it is.
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        if key not in there:
            # Above the first table, if there is one; and below the comment that begins a file.
            lines.insert(next((number for number, other in enumerate(lines) if not other.startswith("#")), len(lines)), line)
        elif there[key] != value and (number := _line_of("\n".join(lines), key)):
            lines[number - 1] = line
    if _try_parse(lines) != {**there, **values}:
        raise ConfigurationError(f"{path}: it is written in a way that cannot be changed here: edit it by hand")
    make_folder(path)
    # Where the file is a link, as those who keep such files in a repository have it, it stays one.
    mode = 0o644 if old is None else stat.S_IMODE(os.stat(path).st_mode)
    place(os.path.realpath(path), "\n".join(lines).encode(), Access(mode=mode))


def make_folder(path: str) -> None:
    """Make the folder of a file where there is none, and those above it, as open as this user's files are.

    Raises:
        OutputError: one cannot be made.
    """
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}") from None
