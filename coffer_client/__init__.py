"""Coffer's client: an application's secrets, fetched from a server that cannot read them and verified before they are used.

    import coffer_client

    secrets = coffer_client.fetch()
    connect(secrets.text("db.url"))

The server and the identity are in the arguments of `fetch`, in COFFER_SERVER and COFFER_IDENTITY, or in the configuration that
`coffer-client init` writes (docs/configuration.md). Importing this package reads no configuration and loads nothing else: each name is
loaded from its module when it is first used (PEP 562).

Modules:
    fetching.py          `fetch` and `afetch`
    releases.py          `watch`: each newer release as soon as it is published
    coffer.py            what a fetch returns
    values.py            the type of a secret's value
    redacted.py          values that do not show themselves
    redacted_dates.py    dates and times that do not show themselves
    errors.py            the tree of errors
    pydantic_source.py   secrets as the fields of a pydantic-settings class
    trust_store.py       what a client remembers of its coffer, and the sealed cache
    evidence_store.py    the evidence of two histories that a client keeps
    conversation/        the conversation with a server
    io/                  sockets
    config/              the settings: server, credential, and how to ask
    delivery/            how secrets reach a script, a file, or a template
    process/             how secrets reach a command
    cli/                 the command line
    __main__.py          the program `coffer-client`
"""

from __future__ import annotations

# Type checkers take any variable of this name for true, so `typing`, which has it, need not be loaded.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from coffer_protocol.errors import (
        CofferError,
        KeyNotFoundError,
        KeyTextError,
        ProtocolError,
        ReleaseError,
        ServerError,
        ShardError,
        UnavailableError,
        UnreachableError,
    )

    from .coffer import Coffer, Release
    from .errors import (
        BusyServerError,
        CofferWarning,
        ConfigurationError,
        EnvironmentNameError,
        NoSuchKeyError,
        RefusedClientError,
        StateError,
        WrongTypeError,
    )
    from .fetching import afetch, fetch
    from .releases import Releases, watch
    from .values import SecretValue

__all__ = [
    "BusyServerError",
    "Coffer",
    "CofferError",
    "CofferWarning",
    "ConfigurationError",
    "EnvironmentNameError",
    "KeyNotFoundError",
    "KeyTextError",
    "NoSuchKeyError",
    "ProtocolError",
    "RefusedClientError",
    "Release",
    "ReleaseError",
    "Releases",
    "SecretValue",
    "ServerError",
    "ShardError",
    "StateError",
    "UnavailableError",
    "UnreachableError",
    "WrongTypeError",
    "afetch",
    "fetch",
    "watch",
]

# The module of each name. No module here has one of these names: once imported, it would replace what the name means.
_NAMES = {
    "coffer_protocol.errors": (
        "CofferError",
        "KeyNotFoundError",
        "KeyTextError",
        "ProtocolError",
        "ReleaseError",
        "ServerError",
        "ShardError",
        "UnavailableError",
        "UnreachableError",
    ),
    "coffer_client.coffer": ("Coffer", "Release"),
    "coffer_client.errors": (
        "BusyServerError",
        "CofferWarning",
        "ConfigurationError",
        "EnvironmentNameError",
        "NoSuchKeyError",
        "RefusedClientError",
        "StateError",
        "WrongTypeError",
    ),
    "coffer_client.fetching": ("afetch", "fetch"),
    "coffer_client.releases": ("Releases", "watch"),
    "coffer_client.values": ("SecretValue",),
}

# A type checker that sees this function would accept any name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load an exported name from its module and keep it."""
        for module, names in _NAMES.items():
            if name in names:
                from importlib import import_module

                globals()[name] = found = getattr(import_module(module), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the exported names, loaded or not, and everything else in this module."""
    return sorted({*globals(), *__all__})
