"""The folders in which Coffer keeps a user's files: the home folder and the XDG Base Directory Specification.

    CONFIG  $XDG_CONFIG_HOME/coffer, otherwise ~/.config/coffer       configuration and identities
    STATE   $XDG_STATE_HOME/coffer, otherwise ~/.local/state/coffer   what a client or a publisher must not forget
    CACHE   $XDG_CACHE_HOME/coffer, otherwise ~/.cache/coffer         what can be fetched again

An empty variable counts as unset. A relative path in one is ignored, as the specification says.
"""

from __future__ import annotations

import os

from coffer_protocol.lean import TYPE_CHECKING

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, TypeAlias

Environment: TypeAlias = "Mapping[str, str]"
Path: TypeAlias = str | os.PathLike[str]
# A variable, and the folder below the home folder that is used if the variable is not set.
Base: TypeAlias = tuple[str, str]

CONFIG: Final[Base] = ("XDG_CONFIG_HOME", ".config")
STATE: Final[Base] = ("XDG_STATE_HOME", ".local/state")
CACHE: Final[Base] = ("XDG_CACHE_HOME", ".cache")

_FOLDER: Final = "coffer"


def home(environment: Environment) -> str | None:
    """Return the user's home folder: HOME, otherwise the one in the system's list of users. None if neither is an absolute path."""
    folder: str = environment.get("HOME", "")
    if not os.path.isabs(folder):
        # Almost every process has HOME.
        import pwd

        try:
            folder = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return folder if os.path.isabs(folder) else None


def find(base: Base, environment: Environment) -> str | None:
    """Return Coffer's folder of one kind; None if the variable does not name it and the user has no home folder.

    Args:
        base: `CONFIG`, `STATE` or `CACHE`.
        environment: the variables of the process.
    """
    variable, default = base
    folder = environment.get(variable, "")
    if not os.path.isabs(folder):
        at_home = home(environment)
        if at_home is None:
            return None
        folder = os.path.join(at_home, default)
    return os.path.join(folder, _FOLDER)


def require(base: Base, environment: Environment, *, otherwise: str) -> str:
    """Return Coffer's folder of one kind.

    Args:
        base, environment: as for `find`.
        otherwise: what the user can do without such a folder, such as "name the file with --identity PATH".

    Raises:
        ConfigurationError: the variable does not name it and the user has no home folder. The text names each way out.
    """
    folder = find(base, environment)
    if folder is None:
        raise ConfigurationError(f"this user has no home folder: set HOME or {base[0]}, or {otherwise}")
    return folder


def expand(path: Path, environment: Environment = os.environ) -> str:
    """Return a path with a leading `~` or `~USER` replaced by that home folder, as a shell does; a shell does not in `--identity=~/x`.

    Raises:
        ConfigurationError: there is no such home folder. A folder that is called `~` is never meant.
    """
    text = os.fspath(path)
    if not text.startswith("~"):
        return text
    first, _, rest = text.partition("/")
    if first == "~":
        folder = home(environment)
    else:
        import pwd

        try:
            folder = pwd.getpwnam(first[1:]).pw_dir
        except KeyError:
            folder = None
    if folder is None:
        raise ConfigurationError(f"{text}: there is no home folder {first}: write the whole path, or ./{text} if that is the file's name")
    return os.path.join(folder, rest) if rest else folder


def absolute(path: Path, environment: Environment = os.environ) -> str:
    """Return an absolute path; a leading `~` is expanded as `expand` does.

    Raises:
        ConfigurationError: the path is relative and the working directory was deleted; or as `expand`.
    """
    text = expand(path, environment)
    try:
        return os.path.abspath(text)
    except FileNotFoundError:
        raise ConfigurationError(f"{text}: the working directory was deleted: write an absolute path, or start in another folder") from None
