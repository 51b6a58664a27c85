"""Secrets as text: one value alone, or all of them as lines for a shell, a .env file, or JSON.

How a value is written, in every format but where it says otherwise:

    text             as it is
    integer, float   as TOML writes them: 42, 0.1, inf, -inf, nan
    boolean          true, false
    dates            RFC 3339 as TOML writes them: 2027-01-31T08:00:00Z, 2027-01-31T08:00:00, 2027-01-31, 08:00:00
    bytes            base64 (RFC 4648, section 4); raw has the bytes themselves

JSON has its own numbers and booleans; what it lacks (inf, -inf, nan, dates, bytes) stands in a string.
In an environment, a shell and a .env file, dots and dashes in keys become underscores.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Final

from coffer_protocol.shard import SecretValue

from .errors import EnvironmentNameError

Secrets = Mapping[str, SecretValue]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_TO_UNDERSCORE: Final = str.maketrans(".-", "__")


def text_of(value: SecretValue) -> str:
    """A value as text, as the table above has it."""
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return b64encode(value).decode()
        # A datetime is a date, so it comes first.
        case datetime():
            text = value.isoformat()
            return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
        case date() | time():
            return value.isoformat()
        case str() | int() | float():
            return str(value)


def environment(secrets: Secrets) -> dict[str, str]:
    """The variables that hold the secrets, in their order.

    Raises:
        EnvironmentNameError: a key gives no name, several give one, or a value has a NUL, which ends a variable. The text names them all.
    """
    keys_by_name: dict[str, list[str]] = {}
    for key in secrets:
        keys_by_name.setdefault(key.translate(_TO_UNDERSCORE), []).append(key)
    variables = {name: text_of(secrets[keys[0]]) for name, keys in keys_by_name.items()}
    problems = [
        *(f"{keys[0]!r} is no name for a variable" for name, keys in keys_by_name.items() if not _NAME.fullmatch(name)),
        *(f"{' and '.join(map(repr, keys))} would all be {name}" for name, keys in keys_by_name.items() if len(keys) > 1),
        *(f"the value of {keys_by_name[name][0]!r} has a NUL" for name, text in variables.items() if "\0" in text),
    ]
    if problems:
        raise EnvironmentNameError(
            f"not every secret can stand in an environment: {'; '.join(problems)}. Rename them in the definition, or name the KEYs wanted"
        )
    return variables


def raw(value: SecretValue, *, terminal: bool) -> bytes:
    """One value, exactly: nothing is added, but a newline on a terminal where the value is not bytes and does not end in one."""
    if isinstance(value, bytes):
        return value
    text = text_of(value)
    return (text + "\n" if terminal and not text.endswith("\n") else text).encode()


def shell(secrets: Secrets) -> str:
    """`export` lines for `eval` in sh, bash and zsh.

    Raises:
        EnvironmentNameError: as `environment`.
    """
    return "".join(f"export {name}={_shell_quote(text)}\n" for name, text in environment(secrets).items())


def _shell_quote(text: str) -> str:
    # Between single quotes a shell reads everything as it stands, but the quote itself.
    return "'" + text.replace("'", "'\\''") + "'"


def dotenv(secrets: Secrets) -> str:
    """A .env file that python-dotenv reads back exactly, with its interpolation on, as it is by default.

    Raises:
        EnvironmentNameError: as `environment`.
    """
    return "".join(f"{name}={_dotenv_quote(text)}\n" for name, text in environment(secrets).items())


def _dotenv_quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    # python-dotenv expands ${NAME:-DEFAULT} between quotes of either kind and has no escape for it. A variable without a name is
    # never set, so ${:-$} is a dollar that it leaves alone.
    escaped = escaped.replace("${", "${:-$}{")
    # Before 1.2, it took an escaped backslash at the end for an escaped quote; an empty expansion keeps the two apart.
    if escaped.endswith("\\"):
        escaped += "${:-}"
    return f'"{escaped}"'


def json_object(secrets: Secrets) -> str:
    """One JSON object, the keys as they are and in their order."""
    import json

    return json.dumps({key: _json_value(value) for key, value in secrets.items()}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _json_value(value: SecretValue) -> str | int | float | bool:
    match value:
        case float() if not math.isfinite(value):
            return text_of(value)
        case str() | int() | float():
            return value
        case _:
            return text_of(value)


# What `get --format` knows beside raw, which is for one value alone.
FORMATS: Final[Mapping[str, Callable[[Secrets], str]]] = {"shell": shell, "dotenv": dotenv, "json": json_object}
RAW: Final = "raw"
