"""Which server, and as whom: from arguments, then from the environment, then from the default place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from coffer_protocol.address import ServerAddress
from coffer_protocol.errors import KeyTextError
from coffer_protocol.identity import Identity
from coffer_protocol.release.chain import Trust
from coffer_protocol.release.coffer import Seen

from . import keyfile
from .credential import Credential
from .errors import ConfigurationError

SERVER: Final = "COFFER_SERVER"
IDENTITY: Final = "COFFER_IDENTITY"
IDENTITY_TEXT: Final = "COFFER_IDENTITY_TEXT"
BARE: Final = "COFFER_BARE"

Environment: TypeAlias = Mapping[str, str]

_ASK: Final = "ask your operator for the whole address, which `coffer-companion address` prints"
_SWITCHES: Final[Mapping[str, bool]] = {"": False, "0": False, "1": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a fetch needs to know.

    Attributes:
        address: the server's; its id is the plain one where the credential is bare.
        trust: what a client knows of the coffer that has nothing but this address.
        credential: who asks.
    """

    address: ServerAddress
    trust: Trust
    credential: Credential


def load(
    *,
    server: ServerAddress | str | None,
    identity: Identity | keyfile.Path | None,
    bare: bool,
    environment: Environment,
) -> Settings:
    """Settings from arguments where they are given, else from the environment.

    Args:
        server: the server's address, or None for COFFER_SERVER.
        identity: an identity, the path of its file, or None for COFFER_IDENTITY, COFFER_IDENTITY_TEXT or the default place.
        bare: whether the identity is used by its bare key; False leaves it to COFFER_BARE and to what its file says.
        environment: the process's variables.

    Raises:
        ConfigurationError: something is missing; the text says where it comes from.
        KeyTextError: the address or the identity cannot be used.
    """
    address = _load_address(server, environment)
    return Settings(address=address, trust=trust_of(address), credential=load_credential(identity, bare=bare, environment=environment))


def _load_address(server: ServerAddress | str | None, environment: Environment) -> ServerAddress:
    if isinstance(server, ServerAddress):
        return server
    text = server or environment.get(SERVER)
    if not text:
        raise ConfigurationError(f"no server is named: give --server ADDRESS or set {SERVER}; {_ASK}")
    try:
        return ServerAddress.from_text(text)
    except KeyTextError as error:
        raise KeyTextError(f"{'--server' if server else SERVER}: {error}") from None


def trust_of(address: ServerAddress) -> Trust:
    """What a client of this address demands of its first release (PROTOCOL.md, 1).

    Raises:
        ConfigurationError: the address names no coffer or no publisher, so nothing that a server gives could be checked.
    """
    if address.coffer is None:
        raise ConfigurationError(f"the server's address names no coffer: {_ASK}")
    if not address.publishers:
        raise ConfigurationError(f"the server's address names no publisher, so nothing that it gives could be checked: {_ASK}")
    seen = Seen(serial=address.serial) if address.serial else None
    return Trust(coffer=address.coffer, publishers=address.publishers, seen=seen)


def load_credential(identity: Identity | keyfile.Path | None, *, bare: bool, environment: Environment) -> Credential:
    """Who asks; arguments and errors as of `load`."""
    bare = bare or _is_bare(environment)
    if isinstance(identity, Identity):
        return Credential(identity=identity, bare=bare)
    if path := identity or environment.get(IDENTITY):
        return keyfile.read_credential(path, bare=bare)
    if text := environment.get(IDENTITY_TEXT):
        try:
            return Credential.from_text(text, bare=bare)
        except KeyTextError as error:
            raise KeyTextError(f"{IDENTITY_TEXT}: {error}") from None
    path = default_identity_path(environment)
    if not os.path.exists(path):
        raise ConfigurationError(
            f"there is no identity at {path}: `coffer-client keygen` makes one, and prints the line for your operator; "
            f"one that stands elsewhere is named by --identity PATH, {IDENTITY} or {IDENTITY_TEXT}"
        )
    return keyfile.read_credential(path, bare=bare)


def _is_bare(environment: Environment) -> bool:
    value = environment.get(BARE, "")
    if value not in _SWITCHES:
        raise ConfigurationError(f"{BARE} is 1 for an identity that is known by its bare key, and else 0 or not set")
    return _SWITCHES[value]


def default_identity_path(environment: Environment) -> str:
    """`$XDG_CONFIG_HOME/coffer/client.key`."""
    return os.path.join(xdg_folder(environment, "XDG_CONFIG_HOME", ".config") or os.path.join("~", ".config", "coffer"), "client.key")


def xdg_folder(environment: Environment, variable: str, default: str) -> str | None:
    """Coffer's own folder below the one that an XDG variable names. The specification has relative paths ignored.

    Args:
        environment: the process's variables.
        variable: XDG_CONFIG_HOME, XDG_STATE_HOME or XDG_CACHE_HOME.
        default: the folder in the home, where the variable does not say.

    Returns:
        The folder; None where this process's user has no home.
    """
    folder = environment.get(variable, "")
    if not os.path.isabs(folder):
        folder = os.path.join(os.path.expanduser("~"), default)
    return os.path.join(folder, "coffer") if os.path.isabs(folder) else None
