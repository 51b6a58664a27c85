"""The client's errors. They grow on the trees of `coffer_protocol.errors` and of `coffer_common.errors`.

    ConfigurationError
    ├── NamingError
    │   └── EnvironmentNameError
    └── TemplateError

    CofferError
    ├── NoSuchKeyError (also a KeyError)
    ├── WrongTypeError (also a TypeError)
    ├── CommandFailedError
    ├── StateError
    ├── CacheError
    ├── CommandNotFoundError
    └── CommandNotExecutableError

    ServerError
    ├── BusyServerError
    └── RefusedClientError

    UserWarning
    └── CofferWarning

`cli/exits.py` has the exit code of each.
"""

from __future__ import annotations

from coffer_common.errors import ConfigurationError, MissingFileError, OutputError, ReaderGoneError, TextFileError, UsageError
from coffer_protocol.errors import CofferError, ServerError

__all__ = [
    "BusyServerError",
    "CacheError",
    "CofferWarning",
    "CommandFailedError",
    "CommandNotExecutableError",
    "CommandNotFoundError",
    "ConfigurationError",
    "EnvironmentNameError",
    "MissingFileError",
    "NamingError",
    "NoSuchKeyError",
    "OutputError",
    "ReaderGoneError",
    "RefusedClientError",
    "StateError",
    "TemplateError",
    "TextFileError",
    "UsageError",
    "WrongTypeError",
    "told",
]


def told(error: CofferError, consequence: str) -> str:
    """Return an error for people as a program tells it that goes on: what happened, what follows, and the hint on a line of its own."""
    hint = f"\nhint: {error.hint}" if error.hint else ""
    return f"{error} ({consequence}){hint}"


class NamingError(ConfigurationError):
    """Secrets cannot be put where they were asked for, because of their names or their values. The text names each key, and no value."""


class EnvironmentNameError(NamingError):
    """Secrets cannot be put into an environment, or into a format that is read into one."""


class TemplateError(ConfigurationError):
    """A template cannot be read or rendered. The text names the template and the line, and no value."""


class BusyServerError(ServerError):
    """The server answers, but cannot serve now: it has reached a limit or has failed. Another of its hosts may serve."""


class RefusedClientError(ServerError):
    """The server knows this client and refuses it: it was dropped while it asked, or the server knows it by its other key."""


class NoSuchKeyError(CofferError, KeyError):
    """The coffer has no secret under a key that was asked for. It is a KeyError, because mappings raise that."""

    # A KeyError shows the repr of its text.
    __str__ = CofferError.__str__


class WrongTypeError(CofferError, TypeError):
    """A secret has another type than the one that was asked for. The text names both types, and not the value."""


class CommandFailedError(CofferError):
    """A command that runs after a change has failed."""


class StateError(CofferError):
    """What this client remembers of its releases is damaged."""


class CacheError(CofferError):
    """The cache holds nothing that can be used in place of a server's answer."""


class CofferWarning(UserWarning):
    """A fetch succeeded although something is wrong: no server answered, or the state cannot be kept."""


class CommandNotFoundError(CofferError):
    """The command that `run` was given does not exist."""


class CommandNotExecutableError(CofferError):
    """The command that `run` was given cannot be executed."""
