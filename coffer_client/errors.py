"""The client's errors. They grow on the tree of `coffer_protocol.errors`, which has those of keys, sessions and releases.

    CofferError
    ├── ConfigurationError
    │   ├── UsageError
    │   ├── NamingError
    │   │   └── EnvironmentNameError
    │   └── TemplateError
    ├── NoSuchKeyError (also a KeyError)
    ├── WrongTypeError (also a TypeError)
    ├── OutputError
    │   └── ReaderGoneError
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

from coffer_protocol.errors import CofferError, ServerError


class ConfigurationError(CofferError):
    """A setting of this client, from its caller or its environment, is missing or cannot be used."""


class UsageError(ConfigurationError):
    """The program does not understand its command line."""


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


class OutputError(CofferError):
    """The result of a command cannot be written."""


class ReaderGoneError(OutputError):
    """Nobody reads stdout any more, for example because `head` has read enough. Nothing is printed about it."""


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
