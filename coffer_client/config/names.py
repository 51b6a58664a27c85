"""The names of settings as options, as variables and in files; and the files that are read."""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

# Every setting and its kind. The option is --max-stale, the variable COFFER_MAX_STALE, and the key in a file max_stale.
# How a command shows secrets is not a setting: a script must not print something else because of a file that it does not know.
KINDS: Final[Mapping[str, str]] = {
    "server": "text",
    "identity": "path",
    "bare": "switch",
    "state": "path",
    "no-cache": "switch",
    "max-stale": "span",
    "timeout": "seconds",
}
# If this variable is set, it names the only file that is read.
CONFIG: Final = "COFFER_CONFIG"
# The file in the folder where a client is started.
LOCAL_PATH: Final = "./coffer.toml"
# The machine's file.
SYSTEM_PATH: Final = "/etc/coffer/client.toml"


def key_of(name: str) -> str:
    """Return the key of a setting in a file."""
    return name.replace("-", "_")


def variable_of(name: str) -> str:
    """Return the variable of a setting."""
    return f"COFFER_{key_of(name).upper()}"


SERVER: Final = variable_of("server")
IDENTITY: Final = variable_of("identity")
# The variable that holds the identity itself, as its secret text.
IDENTITY_TEXT: Final = f"{IDENTITY}_TEXT"
