"""What can go wrong on the client's side. `exits` has the codes in which commands end.

Errors of keys, sessions and releases are `coffer_protocol.errors`; these are the client's own, of the same tree.
"""

from __future__ import annotations

from coffer_protocol.errors import CofferError, ServerError


class ConfigurationError(CofferError):
    """What this client was told, by its caller or its environment, is missing or cannot be used."""


class UsageError(ConfigurationError):
    """A command line is not one that the program knows."""


class NamingError(ConfigurationError):
    """Secrets cannot stand where they were asked for: by their names, or by what is in them. The text names every one, and no value."""


class EnvironmentNameError(NamingError):
    """The same, of an environment, or of a format that is read into one."""


class TemplateError(ConfigurationError):
    """A template cannot be read, or cannot be rendered. The text names template and line, and no value."""


class BusyServerError(ServerError):
    """The server is there, and cannot serve now: it is at a limit, or has failed. Another of its hosts may do."""


class RefusedClientError(ServerError):
    """The server knows this client and refuses it: dropped while it asked, or known under its other key.

    Args:
        code, sentence: as the server gave them.
        advice: what to do, for people.
    """

    def __init__(self, code: str, sentence: str, advice: str) -> None:
        super().__init__(code, sentence)
        self.args = (code, sentence, advice)
        self.advice = advice

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.advice}"


class NoSuchKeyError(CofferError, KeyError):
    """The coffer holds no secret under a key that was asked for. It is a KeyError, as mappings raise."""

    # KeyError would show the repr of the sentence.
    __str__ = CofferError.__str__


class WrongTypeError(CofferError, TypeError):
    """A secret is of another type than the one that was asked for. The text names both, and not the value."""


class OutputError(CofferError):
    """What was asked for cannot be written."""


class ReaderGoneError(OutputError):
    """Nobody reads stdout any more, as where `head` has seen enough. That is told to nobody."""


class CommandFailedError(CofferError):
    """A command that was to be run where something had changed has failed."""


class StateError(CofferError):
    """What this client remembers of its releases is damaged."""


class CacheError(CofferError):
    """The cache holds nothing that can stand in for a server."""


class CofferWarning(UserWarning):
    """Something that a fetch went on in spite of: no server answered, or the state cannot be kept."""


class CommandNotFoundError(CofferError):
    """`run` was given a command that does not exist."""


class CommandNotExecutableError(CofferError):
    """`run` was given a command that cannot be executed."""
