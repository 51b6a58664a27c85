"""Secrets as text for other programs: the formats of `get --format` except raw.

How each type is written:

    type              raw, --to-dir  variables (all others, run)       json          toml
    ----------------  -------------  --------------------------------  ------------  ------------
    text              as it is       as it is                          string        string
    integer           42             42                                number        integer
    float             0.1            0.1                               number        float
    inf, -inf, nan    inf            inf                               string "inf"  float
    boolean           true           true                              boolean       boolean
    offset date-time  as TOML        as TOML                           string        date-time
    local date-time   as TOML        as TOML                           string        date-time
    local date        as TOML        as TOML                           string        date
    local time        as TOML        as TOML                           string        time
    bytes             the bytes      base64                            base64        base64

"As TOML" is also RFC 3339: 2027-01-31T08:00:00Z, 2027-01-31T08:00:00.250000-05:00; 2027-01-31T08:00:00; 2027-01-31; 08:00:00. Base64 is
that of RFC 4648, section 4, in json and toml as a string. All text is UTF-8.

What each format is, and what it is for:

    raw     one value alone; a newline is added on a terminal only (never with -n, and never to bytes)
    shell   `export NAME='VALUE'` lines, for eval in sh, bash and zsh
    null    NAME=VALUE, each ended by a NUL, as `env -0` prints it: for xargs -0
    dotenv, docker, compose, systemd, gitlab, github
            files of variables, each for the readers that env_files.py names

In json, toml and --to-dir a name is the key as it is; in the others, and in `run`, dots and dashes become underscores. Only raw, --to-dir,
json and toml can hold a value with a NUL.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from coffer_protocol.shard import SecretValue

from . import env_files
from .naming import PLAIN, Naming, environment, variable_flaw
from .text import Secrets, text_of
from .variables import SHELL_NAMES

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def shell(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return `export` lines for `eval` in sh, bash and zsh.

    Raises:
        EnvironmentNameError: as `environment`; or a name is that of a variable of a shell's own.
        NoSuchKeyError: as `environment`.
    """
    variables = environment(secrets, naming, place="a shell", flaw=_shell_flaw)
    return "".join(f"export {name}={_shell_quote(text)}\n" for name, text in variables.items())


def _shell_flaw(name: str, text: str) -> str | None:
    return f"gives {name!r}, which a shell uses for itself" if name in SHELL_NAMES else variable_flaw(name, text)


def _shell_quote(text: str) -> str:
    # Between single quotes, a shell takes every character literally except the quote itself.
    return "'" + text.replace("'", "'\\''") + "'"


def json_object(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return one JSON object, in the secrets' order.

    Raises:
        NamingError: several keys give the same name.
        NoSuchKeyError: a pattern of `naming` matches no key.
    """
    named = naming.rename(naming.select(secrets), place="one JSON object")
    return json.dumps({name: json_value(value) for name, value in named.items()}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_value(value: SecretValue) -> str | int | float | bool:
    """Return a value as JSON has it: a number, a boolean, or otherwise its text."""
    match value:
        case float() if not math.isfinite(value):
            return text_of(value)
        case str() | int() | float():
            return value
        case _:
            return text_of(value)


def toml(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return one flat TOML document (1.0), in the secrets' order.

    Raises:
        NamingError: several keys give the same name.
        NoSuchKeyError: a pattern of `naming` matches no key.
    """
    named = naming.rename(naming.select(secrets), place="one TOML document")
    return "".join(f"{name if _BARE_KEY.fullmatch(name) else _toml_text(name)} = {_toml_value(value)}\n" for name, value in named.items())


def _toml_value(value: SecretValue) -> str:
    return _toml_text(text_of(value)) if isinstance(value, str | bytes) else text_of(value)


def _toml_text(text: str) -> str:
    # A JSON string is a basic string of TOML, except that TOML also demands an escape for this one control character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def null(secrets: Secrets, naming: Naming = PLAIN) -> str:
    """Return `NAME=VALUE` texts, each ended by a NUL, as `env -0` prints an environment and `xargs -0` reads it.

    Raises:
        EnvironmentNameError, NoSuchKeyError: as `environment`.
    """
    return "".join(f"{name}={text}\0" for name, text in environment(secrets, naming).items())


FORMATS: Final[Mapping[str, Callable[[Secrets, Naming], str]]] = {
    "shell": shell,
    "dotenv": env_files.dotenv,
    "json": json_object,
    "toml": toml,
    "docker": env_files.docker,
    "compose": env_files.compose,
    "systemd": env_files.systemd,
    "gitlab": env_files.gitlab,
    "github": env_files.github,
    "null": null,
}
