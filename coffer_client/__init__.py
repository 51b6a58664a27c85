"""Coffer's client: an application's secrets, fetched from a server that cannot read them and verified before they are used.

    import coffer_client

    secrets = coffer_client.fetch()
    connect(secrets.text("db.url"))

Where from and as whom is in the arguments of `fetch`, in COFFER_SERVER and COFFER_IDENTITY, or in the configuration that
`coffer-client init` writes (docs/configuration.md). Importing this package reads no configuration and
loads nothing else: each name is loaded from its module when it is first asked for (PEP 562).

Modules:
    fetching.py          `fetch` and `afetch`
    releases.py          `watch`: each newer release as soon as it is there
    coffer.py            what a fetch returns
    values.py            the type of a secret's value
    redacted.py          values that do not show themselves
    redacted_dates.py    dates and times that do not show themselves
    errors.py            the tree of errors
    pydantic_source.py   secrets as the fields of a pydantic-settings class
    trust_store.py       what a client remembers of its coffer, and the sealed cache
    conversation/        the conversation with a server
    io/                  sockets
    config/              which server, as whom, and how
    delivery/            how secrets reach a script, a file, or a template
    process/             how secrets reach a command
    cli/                 the command line
    __main__.py          the program `coffer-client`
"""

from __future__ import annotations

# Type checkers take any variable of this name for true; `typing`, where it is from, is not loaded for it.
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

# Where each name is. No module here is called as one of them: once imported, it would stand in the name's place.
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

# A type checker that saw this function would believe in any name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load an exported name from its module, and keep it."""
        for module, names in _NAMES.items():
            if name in names:
                from importlib import import_module

                globals()[name] = found = getattr(import_module(module), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is exported, loaded or not, and what else is here."""
    return sorted({*globals(), *__all__})
