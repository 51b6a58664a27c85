"""Coffer's client: an application's secrets, fetched from a server that cannot read them and verified before they are used.

    import coffer_client

    secrets = coffer_client.fetch()
    connect(secrets["db.url"])

Where from and as whom is in the arguments of `fetch`, in COFFER_SERVER and COFFER_IDENTITY, or in the configuration that
`coffer-client init` writes (docs/configuration.md).
"""

from __future__ import annotations

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
from coffer_protocol.shard import SecretValue

from .coffer import Coffer, Release
from .errors import BusyServerError, CofferWarning, ConfigurationError, NoSuchKeyError, RefusedClientError, StateError
from .fetching import afetch, fetch
from .releases import Releases, watch

__all__ = [
    "BusyServerError",
    "Coffer",
    "CofferError",
    "CofferWarning",
    "ConfigurationError",
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
    "afetch",
    "fetch",
    "watch",
]
