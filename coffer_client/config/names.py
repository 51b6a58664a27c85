"""The names of settings: as an option, as a variable, and in a file; and the files that are read."""

from __future__ import annotations

from coffer_protocol.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

# Every setting that can stand somewhere, and its kind. As an option it is --max-stale, as a variable COFFER_MAX_STALE, in a file max_stale.
# How a command shows secrets is no setting: a script must not print something else because of a file that it does not know.
KINDS: Final[Mapping[str, str]] = {
    "server": "text",
    "identity": "path",
    "bare": "switch",
    "state": "path",
    "no-cache": "switch",
    "max-stale": "span",
    "timeout": "seconds",
}
# The one file that is read, where it is set.
CONFIG: Final = "COFFER_CONFIG"
# The file of the folder in which a client is started.
LOCAL_PATH: Final = "./coffer.toml"
# The machine's file.
SYSTEM_PATH: Final = "/etc/coffer/client.toml"


def key_of(name: str) -> str:
    """What a setting is called in a file."""
    return name.replace("-", "_")


def variable_of(name: str) -> str:
    """The variable of a setting."""
    return f"COFFER_{key_of(name).upper()}"


SERVER: Final = variable_of("server")
IDENTITY: Final = variable_of("identity")
# The variable that holds the identity itself, as its secret text.
IDENTITY_TEXT: Final = f"{IDENTITY}_TEXT"
